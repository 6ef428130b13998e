"""`tuxmirror sync`: fetch what changed, verify all of it, make a snapshot, publish.

Nothing is visible before all of it is verified; whatever goes wrong before that leaves what is
published, and what was verified, as it was.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from ..core import guards
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import DigestError, MirrorError, NetworkError, gravest
from ..core.snapshot import Repository, Snapshot
from ..core.summary import Changes
from ..ports import Keyring, LastRun
from . import fetch, freshness, images, manifest, metadata, spread
from .changes import since
from .channels import follow
from .context import Mirror
from .local import LocalDirectory, staging
from .remote import RemoteSource
from .source import Change, Source

_RESTARTS = 3


class Options(NamedTuple):
    """What the command line allows."""

    dry_run: bool = False
    publish: bool = True
    allow_rollback: bool = False
    allow_mass_change: bool = False


Sources = Callable[[Mirror, Tree, Options, contextlib.ExitStack], Source]


class Totals:
    """Over all trees of a run. `source` gives what each comes from."""

    def __init__(self, source: Sources) -> None:
        self.source = source
        self.packages = 0
        self.bytes = 0


def sync(
    mirror: Mirror, trees: Sequence[Tree], options: Options, source: Sources | None = None
) -> int:
    """Each tree on its own: the good ones are published. Returns the exit status of the run.

    Unless `source` says otherwise, a tree comes from where the configuration says.
    """
    started = mirror.clock()
    totals = Totals(source or _source)
    status = gravest([_sync_and_record(mirror, tree, options, totals) for tree in trees])
    _tell_failures(mirror)
    mirror.reporter.event(
        "done",
        exit_status=status,
        packages=totals.packages,
        bytes=totals.bytes,
        seconds=round(mirror.clock() - started, 3),
    )
    return status


def _sync_and_record(mirror: Mirror, tree: Tree, options: Options, totals: Totals) -> int:
    """The tree's exit status; what went wrong is told, and kept for `status`."""
    problem: MirrorError | None = None
    try:
        with mirror.state.lock(tree.name):
            mirror.transport.expire(mirror.config.deadline)
            try:
                _sync_tree(mirror, tree, options, totals)
            except MirrorError as error:
                problem = error
            if not options.dry_run:
                _record(mirror, tree, problem)
    except MirrorError as error:
        problem = problem or error
    if problem is None:
        return 0
    problem.located(tree=tree.name)
    mirror.reporter.event("error", **problem.as_dict())
    return problem.exit_status


def _record(mirror: Mirror, tree: Tree, problem: MirrorError | None) -> None:
    error = problem.located(tree=tree.name).as_dict() if problem else None
    mirror.state.record_run(tree.name, LastRun(int(mirror.clock()), error))


def _tell_failures(mirror: Mirror) -> None:
    """Which mirror failed, and how; also where another one made up for it."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for url, reason in mirror.transport.failures:
        kinds.setdefault((urlsplit(url).netloc, reason), []).append(url)
    for (host, reason), urls in kinds.items():
        mirror.reporter.event("mirror", host=host, reason=reason, times=len(urls), url=urls[0])


def _sync_tree(mirror: Mirror, tree: Tree, options: Options, totals: Totals) -> None:
    mirror.state.clear_scratch(tree.name)
    current = _candidate(mirror, tree)
    snapshot = _refresh(mirror, tree, options, current, totals)
    if snapshot is None:
        return
    changed = False
    if options.publish and not options.dry_run:
        changed = follow(mirror, tree, snapshot, options.allow_mass_change)
    if snapshot is current and not changed:
        mirror.reporter.event(
            "unchanged",
            tree=tree.name,
            snapshot=snapshot.id,
            repositories=len(snapshot.repositories),
        )


def _candidate(mirror: Mirror, tree: Tree) -> Snapshot | None:
    candidate = mirror.state.candidate(tree.name)
    return mirror.state.snapshot(tree.name, candidate) if candidate else None


def _refresh(
    mirror: Mirror, tree: Tree, options: Options, current: Snapshot | None, totals: Totals
) -> Snapshot | None:
    """The snapshot of what the source shows now: `current` itself where nothing changed.

    None after a dry run that found a change.
    """
    with contextlib.ExitStack() as stack:

        @functools.cache
        def keyring() -> Keyring:
            return stack.enter_context(mirror.keyring(tree))

        for _ in range(_RESTARTS):
            source = totals.source(mirror, tree, options, stack)
            try:
                return _attempt(mirror, tree, options, source, current, keyring, totals)
            except (NetworkError, DigestError):
                # What cannot be had may just have been replaced: then it is looked at afresh.
                if source.still_current():
                    raise
    raise NetworkError(
        f"the source changed {_RESTARTS} times while it was read", way_out="try again later"
    )


def _attempt(
    mirror: Mirror,
    tree: Tree,
    options: Options,
    source: Source,
    current: Snapshot | None,
    keyring: Callable[[], Keyring],
    totals: Totals,
) -> Snapshot | None:
    change = source.look(current, keyring)
    if source.ages:
        freshness.check(mirror, tree)
    if change is None:
        return current
    _tell_new_signers(mirror, tree, current, change)
    changes = since(mirror, tree, current, change)
    if options.dry_run:
        _report(mirror, tree, "plan", changes, _to_fetch(mirror, change))
        return None
    if not options.allow_mass_change:
        guards.check_mass_change(changes, mirror.config.mass_change)
    snapshot = _take(mirror, tree, source, change, current, keyring(), totals)
    facts = {"snapshot": snapshot.id, "packages": snapshot.packages}
    _report(mirror, tree, "snapshot", changes, {**facts, "bytes": snapshot.bytes})
    return snapshot


def _tell_new_signers(mirror: Mirror, tree: Tree, current: Snapshot | None, change: Change) -> None:
    """Allowed keys all of them, and still worth a look when one takes another's place."""
    for name, fresh in change.fresh.items():
        before = current.repositories.get(name) if current else None
        if before is not None and before.signed_by != fresh.signed_by:
            message = (
                f"{tree.name} {name}: the metadata is signed by {fresh.signed_by},"
                f" until now by {before.signed_by}"
            )
            mirror.reporter.event("warning", tree=tree.name, repository=name, message=message)


def _source(mirror: Mirror, tree: Tree, options: Options, stack: contextlib.ExitStack) -> Source:
    if tree.type == "local":
        folder = stack.enter_context(staging(mirror, tree))
        return LocalDirectory(mirror, tree, folder, options.allow_rollback)
    return RemoteSource(mirror, tree, options.allow_rollback)


def _take(
    mirror: Mirror,
    tree: Tree,
    source: Source,
    change: Change,
    current: Snapshot | None,
    keyring: Keyring,
    totals: Totals,
) -> Snapshot:
    """Everything verified, into a snapshot.

    Raises:
        NetworkError: the source moved on meanwhile.
    """
    keys = snapshots.keys_id(keyring.fingerprints)
    wanted = fetch.jobs(change, _verified(mirror, current, keys))
    if mirror.executor is not None:
        totals.bytes += spread.packages(mirror, mirror.executor, tree, keyring, wanted)
    else:
        totals.bytes += fetch.packages(mirror, tree, keyring, wanted)
    totals.packages += len(wanted)
    totals.bytes += images.fetch(mirror, tree, change)
    if not source.still_current():
        raise NetworkError("the source changed while it was read", way_out="try again")
    change = source.sealed(change, current)
    metadata.adopt(mirror, change.contents)
    snapshot = _snapshot(mirror, tree, change, current, keys)
    mirror.pool.flush()
    manifest.save(mirror, snapshot)
    mirror.state.accept(tree.name, snapshot.id, source.accepted(change))
    return snapshot


def _verified(mirror: Mirror, current: Snapshot | None, keys: str) -> dict[str, str]:
    """Packages of the last snapshot that were verified with the same keys and are still there.

    By SHA-256, what they were described as.
    """
    known: dict[str, str] = {}
    for repository in current.repositories.values() if current else ():
        if repository.keys == keys:
            known.update(snapshots.decode_verified(mirror.pool.read(repository.verified)))
    missing = mirror.pool.missing(known)
    return {sha: text for sha, text in known.items() if sha not in missing}


def _snapshot(
    mirror: Mirror, tree: Tree, change: Change, current: Snapshot | None, keys: str
) -> Snapshot:
    repositories = {
        name: repository
        for name, repository in (current.repositories if current else {}).items()
        if name in tree.repositories
    }
    for name, fresh in change.fresh.items():
        content = change.contents[name]
        files = metadata.file_list(name, fresh, content, mirror)
        extra = images.listed(mirror, fresh.images)
        described = {package.sha256: package.description for package in content.packages}
        repositories[name] = Repository(
            files=mirror.pool.add(snapshots.encode_files([*files, *extra])),
            repomd=fresh.repomd.sha256,
            revision=fresh.repomd.revision,
            packages=len(content.packages),
            bytes=sum(p.size for p in content.packages) + sum(i.size for i in extra),
            signed_by=fresh.signed_by,
            keys=keys,
            verified=mirror.pool.add(snapshots.encode_verified(described)),
        )
    return Snapshot(tree.name, int(mirror.clock()), repositories, mirror.tool)


def _report(
    mirror: Mirror, tree: Tree, event: str, changes: Changes, facts: Mapping[str, object]
) -> None:
    mirror.reporter.event(event, tree=tree.name, **facts, **changes.as_dict())


def _to_fetch(mirror: Mirror, change: Change) -> Mapping[str, int]:
    sizes = {p.sha256: p.size for content in change.contents.values() for p in content.packages}
    missing = mirror.pool.missing(sizes)
    found = {"packages": len(missing), "bytes": sum(sizes[sha] for sha in missing)}
    listed = {image.sha256: image.size or 0 for f in change.fresh.values() for image in f.images}
    if listed:
        absent = mirror.pool.missing(listed)
        found["images"] = len(absent)
        found["bytes"] += sum(listed[sha] for sha in absent)
    return found
