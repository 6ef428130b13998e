"""`tuxmirror sync`: fetch what changed, verify all of it, make a snapshot, publish.

Nothing is visible before all of it is verified; whatever goes wrong before that leaves what is
published, and what was verified, as it was.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import NamedTuple

from ..core import repomd as repomd_rules
from ..core import snapshot as snapshots
from ..core import summary
from ..core.config import Tree
from ..core.errors import MirrorError, NetworkError, StorageError, VerificationError, gravest
from ..core.snapshot import File, Repository, Snapshot
from ..core.summary import Advisory
from ..ports import Keyring
from . import fetch, metadata
from .context import Mirror
from .local import LocalDirectory, staging
from .publish import publish
from .remote import RemoteSource
from .source import Change, Source

CANDIDATE = "candidate"
VETTED = "vetted"
_RESTARTS = 3


class Options(NamedTuple):
    """What the command line allows."""

    dry_run: bool = False
    publish: bool = True
    allow_rollback: bool = False
    allow_mass_change: bool = False


class Totals:
    """Over all trees of a run."""

    def __init__(self) -> None:
        self.packages = 0
        self.bytes = 0


def sync(mirror: Mirror, trees: Sequence[Tree], options: Options) -> int:
    """Each tree on its own: the good ones are published. Returns the exit status of the run."""
    started = mirror.clock()
    totals = Totals()
    statuses = []
    for tree in trees:
        try:
            with mirror.state.lock(tree.name):
                _sync_tree(mirror, tree, options, totals)
            statuses.append(0)
        except MirrorError as error:
            error.located(tree=tree.name)
            mirror.reporter.event("error", **error.as_dict())
            statuses.append(error.exit_status)
    for url, reason in dict.fromkeys((f.url, f.reason) for f in mirror.transport.failures):
        mirror.reporter.event("mirror", message=f"{url}: {reason}")
    status = gravest(statuses)
    mirror.reporter.event(
        "done",
        exit_status=status,
        packages=totals.packages,
        bytes=totals.bytes,
        seconds=round(mirror.clock() - started, 3),
    )
    return status


def _sync_tree(mirror: Mirror, tree: Tree, options: Options, totals: Totals) -> None:
    current = _candidate(mirror, tree)
    snapshot = _refresh(mirror, tree, options, current, totals)
    if snapshot is None:
        return
    changed = False
    if options.publish and not options.dry_run:
        for channel in (CANDIDATE, VETTED):
            changed |= publish(mirror, tree, snapshot, channel, options.allow_mass_change)
        if changed:
            mirror.publisher.tidy(tree.name)
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
            source = _source(mirror, tree, options, stack)
            change = source.look(current, keyring)
            if change is None:
                return current
            if options.dry_run:
                _report(mirror, tree, "plan", current, change)
                return None
            snapshot = _take(mirror, tree, source, change, current, keyring(), totals)
            if snapshot:
                return snapshot
    raise NetworkError(
        f"the source changed {_RESTARTS} times while it was read", way_out="try again later"
    )


def _source(mirror: Mirror, tree: Tree, options: Options, stack: contextlib.ExitStack) -> Source:
    if tree.type == "local":
        return LocalDirectory(mirror, tree, stack.enter_context(staging(mirror, tree)))
    return RemoteSource(mirror, tree, options.allow_rollback)


def _take(
    mirror: Mirror,
    tree: Tree,
    source: Source,
    change: Change,
    current: Snapshot | None,
    keyring: Keyring,
    totals: Totals,
) -> Snapshot | None:
    """Everything verified, into a snapshot; None where the source moved on meanwhile."""
    keys = snapshots.keys_id(keyring.fingerprints)
    wanted = fetch.jobs(change, _verified(mirror, current, keys))
    totals.bytes += fetch.packages(mirror, tree, keyring, wanted)
    totals.packages += len(wanted)
    if not source.still_current(change):
        return None
    metadata.adopt(mirror, change.contents)
    snapshot = _snapshot(mirror, tree, change, current, keys)
    _report(mirror, tree, "snapshot", current, change, snapshot)
    mirror.pool.flush()
    mirror.state.save_snapshot(snapshot)
    mirror.state.accept(tree.name, snapshot.id, source.accepted(change))
    return snapshot


def _verified(mirror: Mirror, current: Snapshot | None, keys: str) -> set[str]:
    """Content of the last snapshot that was verified with the same keys and is still there."""
    if current is None:
        return set()
    known = {
        file.sha256
        for repository in current.repositories.values()
        if repository.keys == keys
        for file in snapshots.decode_files(mirror.pool.read(repository.files))
    }
    return known - mirror.pool.missing(known)


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
        files = metadata.file_list(fresh, content, mirror)
        repositories[name] = Repository(
            files=mirror.pool.add(snapshots.encode_files(files)),
            repomd=fresh.repomd.sha256,
            revision=fresh.repomd.revision,
            packages=len(content.packages),
            bytes=sum(package.size for package in content.packages),
            signed_by=fresh.signed_by,
            keys=keys,
        )
    return Snapshot(tree.name, int(mirror.clock()), repositories, mirror.tool)


def _report(
    mirror: Mirror,
    tree: Tree,
    event: str,
    current: Snapshot | None,
    change: Change,
    snapshot: Snapshot | None = None,
) -> None:
    """What is new, compared with the last snapshot; speaks of changed repositories alone."""
    old: list[File] = []
    old_advisories: list[Advisory] = []
    for name in change.fresh:
        repository = current.repositories.get(name) if current else None
        if repository:
            files = snapshots.decode_files(mirror.pool.read(repository.files))
            old += files
            old_advisories += _advisories(mirror, tree, files)
    new = [
        File(package.location, package.sha256, package.size)
        for content in change.contents.values()
        for package in content.packages
    ]
    advisories = [a for content in change.contents.values() for a in content.advisories]
    changes = summary.compare(old, new, old_advisories, advisories)
    if snapshot:
        facts = {"snapshot": snapshot.id, "packages": snapshot.packages, "bytes": snapshot.bytes}
    else:
        missing = mirror.pool.missing(file.sha256 for file in new)
        sizes = {file.sha256: file.size for file in new if file.sha256 in missing}
        facts = {"packages": len(sizes), "bytes": sum(sizes.values())}
    mirror.reporter.event(event, tree=tree.name, **facts, **changes.as_dict())


def _advisories(mirror: Mirror, tree: Tree, files: Sequence[File]) -> list[Advisory]:
    """Those of an earlier snapshot; none where its metadata cannot be read any more."""
    by_path = {file.path: file for file in files}
    try:
        index = repomd_rules.parse(mirror.pool.read(by_path["repodata/repomd.xml"].sha256))
        updateinfo = index.file("updateinfo")
        if updateinfo is None:
            return []
        reader = mirror.metadata(mirror.state.incoming(tree.name))
        return reader.advisories(mirror.pool.path(updateinfo.sha256), updateinfo.open_size)
    except (KeyError, StorageError, VerificationError):
        return []
