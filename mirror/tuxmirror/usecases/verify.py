"""`tuxmirror verify`: whether what is kept and shown still is what was verified."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..core.config import Tree
from ..core.errors import LockedError, MirrorError, VerificationError, gravest
from ..core.publication import Publication
from ..core.snapshot import Snapshot
from ..ports import Flaw
from . import (
    inventory,
    last_verify,
    manifest,
    prune,
    records,
    remains,
    signatures,
    successor,
    verify_closure,
    verify_site,
)
from .context import Mirror
from .damage import flawed as _flawed
from .damage import hashed as _hashed
from .inventory import Wanted
from .publish import extras, files_of, showing
from .recut import Draft
from .repair import repair


def verify(mirror: Mirror, trees: Sequence[Tree], mend: bool, sources: Sequence[str] = ()) -> int:
    """Each tree on its own; the exit status of the run: 4 where damage remains.

    `sources` are more roots of a tree, such as `https://vault.almalinux.org/9.2`, to mend from.
    """
    started = mirror.clock()
    found = {tree.name: _tree(mirror, tree, mend, sources) for tree in trees}
    beside = verify_site.verify(mirror, mend)
    for name, each in found.items():
        if each is not None:
            last_verify.record(mirror, name, [*each.problems, *beside], each.repaired)
    statuses = [LockedError.exit_status if each is None else each.status for each in found.values()]
    status = gravest([*statuses, VerificationError.exit_status if beside else 0])
    _tell_strays(mirror)
    seconds = round(mirror.clock() - started, 3)
    mirror.reporter.event("done", exit_status=status, seconds=seconds)
    return status


def _tell_strays(mirror: Mirror) -> None:
    """No damage: a run that was cut short left them, or a snapshot that is gone."""
    # What cannot be read has been told.
    with contextlib.suppress(MirrorError):
        files, size = prune.unneeded(mirror)
        if files:
            mirror.reporter.event("strays", files=files, bytes=size)


class _Found(NamedTuple):
    """What is damaged and stays so, and how much no longer is."""

    status: int
    problems: list[MirrorError]
    repaired: int


def _tree(mirror: Mirror, tree: Tree, mend: bool, sources: Sequence[str]) -> _Found | None:
    """None where another run is at work: nobody looked."""
    try:
        with contextlib.ExitStack() as stack:
            if mend:
                stack.enter_context(mirror.state.lock(tree.name))
            problems, repaired = _check(mirror, tree, mend, sources)
    except MirrorError as error:
        mirror.reporter.event("error", **error.located(tree=tree.name).as_dict())
        return None if isinstance(error, LockedError) else _Found(error.exit_status, [error], 0)
    return _Found(VerificationError.exit_status if problems else 0, problems, repaired)


def _check(
    mirror: Mirror, tree: Tree, mend: bool, sources: Sequence[str]
) -> tuple[list[MirrorError], int]:
    """What is damaged and stays so, and how many things were repaired."""
    # First: without its records, nothing else is known of a snapshot.
    recorded = records.mend(mirror, tree) if mend else 0
    snapshots, problems = inventory.kept(mirror, tree)
    contents = {**inventory.retained(mirror, tree), **inventory.wanted(mirror, snapshots)}
    damaged = _damaged(mirror, tree, contents)
    before = len(damaged)
    if damaged and mend:
        drafts = repair(mirror, tree, [contents[sha] for sha in damaged], snapshots, sources)
        damaged = _settle(mirror, tree, contents, damaged)
        troubles = _replace(mirror, tree, snapshots, damaged, drafts)
        snapshots, problems = inventory.kept(mirror, tree)
        problems += troubles
        contents = {**inventory.retained(mirror, tree), **inventory.wanted(mirror, snapshots)}
        damaged = {sha: error for sha, error in damaged.items() if sha in contents}
        damaged = _settle(mirror, tree, contents, damaged)
        remains.explain(mirror, tree, snapshots, damaged)
    elif damaged:
        # A publish or prune meanwhile may have given up what was being read.
        current, _ = inventory.kept(mirror, tree)
        needed = {*inventory.retained(mirror, tree), *inventory.wanted(mirror, current)}
        damaged = {sha: error for sha, error in damaged.items() if sha in needed}
    repaired = recorded + before - len(damaged) if mend else 0
    _tell_replaced(mirror, tree, snapshots)
    problems += damaged.values()
    signed = signatures.check(mirror, tree, snapshots, mend)
    problems += signed.problems
    repaired += signed.repaired
    problems += verify_closure.check(mirror, tree, snapshots)
    for channel in mirror.publisher.channels():
        flaws, mended = _published(mirror, tree, channel, mend, signed.unvouched)
        problems += flaws
        repaired += mended
    for problem in problems:
        mirror.reporter.event("damaged", **problem.located(tree=tree.name).as_dict())
    mirror.reporter.event(
        "verified",
        tree=tree.name,
        snapshots=[snapshot.id for snapshot in snapshots],
        files=len(contents),
        bytes=sum(file.size for file in contents.values()),
        damaged=len(problems),
    )
    return problems, repaired


def _tell_replaced(mirror: Mirror, tree: Tree, kept: Sequence[Snapshot]) -> None:
    """No damage to anybody: what they lost their successors have."""
    looked_at = {snapshot.id for snapshot in kept}
    for name, by in sorted(inventory.replaced(mirror, tree.name).items()):
        if name not in looked_at:
            mirror.reporter.event("superseded", tree=tree.name, snapshot=name, by=by)


def _damaged(mirror: Mirror, tree: Tree, contents: Mapping[str, Wanted]) -> dict[str, MirrorError]:
    """What the pool has lost or does not hold as it was, by SHA-256."""
    damaged = {}
    total = sum(file.size for file in contents.values())
    read = 0
    for number, (sha, file) in enumerate(contents.items(), 1):
        error = _hashed(mirror, file)
        if error is not None:
            damaged[sha] = error
        read += file.size
        mirror.reporter.event(
            "progress",
            tree=tree.name,
            done=number,
            total=len(contents),
            bytes=read,
            total_bytes=total,
        )
    return damaged


def _settle(
    mirror: Mirror, tree: Tree, contents: Mapping[str, Wanted], damaged: Mapping[str, MirrorError]
) -> dict[str, MirrorError]:
    """Tell what is whole again; the rest stays damaged."""
    rest = {}
    for sha in damaged:
        error = _hashed(mirror, contents[sha])
        if error is None:
            file = contents[sha]
            mirror.reporter.event(
                "repaired", tree=tree.name, repository=file.repository, path=file.path
            )
        else:
            rest[sha] = error
    return rest


def _replace(
    mirror: Mirror,
    tree: Tree,
    kept: Sequence[Snapshot],
    damaged: Mapping[str, MirrorError],
    drafts: Sequence[Draft],
) -> list[MirrorError]:
    """What went wrong where a signature of ours had to be made anew."""
    try:
        return successor.replace_unsigned(mirror, tree, kept, damaged, drafts)
    except MirrorError as error:
        return [error]


def _published(
    mirror: Mirror, tree: Tree, channel: str, mend: bool, unvouched: Collection[str]
) -> tuple[list[MirrorError], int]:
    """What a channel shows otherwise than its record says, and how much of that was put right.

    The own signature of a snapshot that is `unvouched` stays as it is published: it may be better
    than the one that is kept.
    """
    with showing(mirror, tree):
        try:
            publication = mirror.publisher.published(channel, tree.name)
            if publication is None:
                return [], 0
            contents = _contents(mirror, tree, publication)
        except MirrorError as error:
            return [error.located(path=channel)], 0
        problems = []
        mended = 0
        for flaw in list(mirror.publisher.inspect(channel, tree.name, contents)):
            if flaw.path == manifest.SIGNATURE and publication.snapshot in unvouched:
                continue
            if mend and _mended(mirror, tree, channel, flaw):
                mended += 1
                mirror.reporter.event("repaired", tree=tree.name, path=f"{channel}: {flaw.path}")
            else:
                problem = _flawed(channel, flaw)
                if mend:
                    problem.way_out = "put right with what the pool lost: see there"
                problems.append(problem)
        return problems, mended


def _contents(mirror: Mirror, tree: Tree, publication: Publication) -> dict[str, str]:
    """SHA-256 by path below the tree."""
    snapshot = mirror.state.snapshot(tree.name, publication.snapshot)
    small = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in extras(mirror, tree, snapshot).items()
    }
    kept = {file.path: file.sha256 for file in publication.retained}
    own = {path: file.sha256 for path, file in files_of(mirror, tree, snapshot).items()}
    return {**small, **kept, **own}


def _mended(mirror: Mirror, tree: Tree, channel: str, flaw: Flaw) -> bool:
    if flaw.expected is not None and mirror.pool.digest(flaw.expected) != flaw.expected:
        made = _small(mirror, tree, channel).get(flaw.path)
        if made is None or hashlib.sha256(made).hexdigest() != flaw.expected:
            return False
        mirror.pool.add(made)
    mirror.publisher.mend(channel, tree.name, flaw)
    return True


def _small(mirror: Mirror, tree: Tree, channel: str) -> dict[str, bytes]:
    publication = mirror.publisher.published(channel, tree.name)
    if publication is None:
        return {}
    return extras(mirror, tree, mirror.state.snapshot(tree.name, publication.snapshot))
