"""Fetch what the pool has lost again, the way it came: by digest, packages by signature too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError, NetworkError, VerificationError
from ..core.package import Package
from ..core.snapshot import Snapshot
from ..ports import Download
from . import contents, fetch, recut
from .context import Mirror
from .fetch import Job
from .inventory import FILE_LIST, VERIFIED, Wanted
from .local import LocalDirectory, staging
from .recut import Draft
from .upstream import Upstream

Thing = TypeVar("Thing")


def repair(
    mirror: Mirror,
    tree: Tree,
    lost: Sequence[Wanted],
    kept: Sequence[Snapshot],
    sources: Sequence[str] = (),
) -> list[Draft]:
    """What can be had is in the pool afterwards; why the rest cannot is told.

    Gives the repositories that could be cut anew and came out otherwise than they were. Asked are
    the tree's own roots, `sources`, and the vault. The caller holds the tree's lock.

    Raises:
        StorageError.
    """
    more = recut.sources(mirror, {f.sha256 for f in lost}, kept)
    for file in (*lost, *more):
        mirror.pool.set_aside(file.sha256)
    problems: list[MirrorError] = []
    with contextlib.ExitStack() as stack:
        here = _on_disk(mirror, tree, stack) if tree.type == "local" else {}
        roots = _roots(mirror, tree, lost, sources) if tree.type != "local" else {}
        # Metadata first: it says what the packages must be. Upstream has not what is our own.
        own = recut.made(mirror, kept)
        metadata = [f for f in lost if _is_metadata(f) and f.sha256 not in own]
        _metadata(mirror, tree, [*metadata, *more], roots, here, problems)
        drafts = recut.mend(mirror, tree, {f.sha256 for f in lost if _is_metadata(f)}, kept)
        known = _known(mirror, tree)
        jobs = {
            file.sha256: Job(
                known[file.sha256]._replace(location=file.path),
                file.repository,
                roots.get(file.repository, ()),
                here.get(file.sha256),
            )
            for file in lost
            if file.sha256 in known
        }
        if jobs:
            keyring = stack.enter_context(mirror.keyring(tree))

            def attempt(part: Mapping[str, Job]) -> None:
                missing = mirror.pool.missing(part)
                wanted = {sha: job for sha, job in part.items() if sha in missing}
                fetch.packages(mirror, tree, keyring, wanted)

            _one_by_one(jobs, attempt, problems)
    if any(file.path == VERIFIED for file in lost):
        _write_verified(mirror, tree, kept)
    mirror.pool.flush()
    for problem in problems:
        mirror.reporter.event("warning", tree=tree.name, message=str(problem))
    return drafts


def _is_metadata(file: Wanted) -> bool:
    return file.path not in (FILE_LIST, VERIFIED) and not file.path.endswith(".rpm")


def _roots(
    mirror: Mirror, tree: Tree, lost: Sequence[Wanted], sources: Sequence[str]
) -> dict[str, list[str]]:
    """By repository, all that may have its files."""
    upstream = Upstream(mirror.transport, tree, {}, mirror.trust(tree), allow_rollback=False)
    more = list(sources)
    if mirror.config.vault:
        more.append(f"{mirror.config.vault}/{tree.name.partition('/')[2]}")
    for root in more:
        mirror.transport.allow(root)
    return {
        name: list(
            dict.fromkeys(
                [*upstream.roots(name), *(f"{r}/{tree.place(name)}".rstrip("/") for r in more)]
            )
        )
        for name in sorted({file.repository for file in lost})
    }


def _on_disk(mirror: Mirror, tree: Tree, stack: contextlib.ExitStack) -> dict[str, Path]:
    """A fresh copy of our own packages, with the metadata made of them; by SHA-256."""
    source = LocalDirectory(mirror, tree, stack.enter_context(staging(mirror, tree)))
    with mirror.keyring(tree) as keyring:
        change = source.look(None, lambda: keyring)
    if change is None:
        return {}
    found = dict(change.packages)
    for content in change.contents.values():
        found.update(content.metadata)
    return found


def _metadata(
    mirror: Mirror,
    tree: Tree,
    lost: Sequence[Wanted],
    roots: Mapping[str, Sequence[str]],
    here: Mapping[str, Path],
    problems: list[MirrorError],
) -> None:
    for file in lost:
        if file.sha256 in here:
            mirror.pool.add(here[file.sha256].read_bytes())
    incoming = mirror.state.incoming(tree.name)
    downloads = {
        file.sha256: Download(
            [f"{root}/{file.path}" for root in roots[file.repository]],
            file.sha256,
            file.size,
            file.repository,
            file.path,
        )
        for file in lost
        if roots.get(file.repository)
    }

    def attempt(part: Mapping[str, Download]) -> None:
        missing = mirror.pool.missing(part)
        wanted = [download for sha, download in part.items() if sha in missing]
        for download, path in mirror.transport.files(wanted, incoming):
            mirror.pool.adopt(path, download.sha256)

    _one_by_one(downloads, attempt, problems)


def _one_by_one(
    wanted: Mapping[str, Thing],
    attempt: Callable[[Mapping[str, Thing]], None],
    problems: list[MirrorError],
) -> None:
    """All at once, and in halves where that fails: one that nobody has stops no other."""
    if not wanted:
        return
    try:
        attempt(wanted)
    except (NetworkError, VerificationError) as error:
        if len(wanted) == 1:
            problems.append(error)
            return
        names = list(wanted)
        for part in (names[: len(names) // 2], names[len(names) // 2 :]):
            _one_by_one({name: wanted[name] for name in part}, attempt, problems)


def _known(mirror: Mirror, tree: Tree) -> dict[str, Package]:
    """What every package that a snapshot of the tree names must be, by SHA-256."""
    known: dict[str, Package] = {}
    seen: set[str] = set()
    for name in mirror.state.snapshots(tree.name):
        with contextlib.suppress(MirrorError):
            for repo, repository in mirror.state.snapshot(tree.name, name).repositories.items():
                if repository.files in seen:
                    continue
                seen.add(repository.files)
                with contextlib.suppress(MirrorError):
                    content = contents.read(mirror, tree, repo, repository)
                    known.update({package.sha256: package for package in content.packages})
    return known


def _write_verified(mirror: Mirror, tree: Tree, kept: Sequence[Snapshot]) -> None:
    """A snapshot exists only where all of its packages were verified, so it can be said again."""
    for snapshot in kept:
        for name, repository in snapshot.repositories.items():
            if mirror.pool.missing([repository.verified]):
                with contextlib.suppress(VerificationError):
                    content = contents.read(mirror, tree, name, repository)
                    described = {p.sha256: p.description for p in content.packages}
                    mirror.pool.add(snapshots.encode_verified(described))
