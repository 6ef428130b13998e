"""`tuxmirror prune`: give up what nobody needs any more.

What a channel shows, or still shows for the grace time, stays; so does what was verified last, the
newest snapshots, and every content that one of these names. All trees share the pool, so nothing
goes while any of them is being synced. Where it cannot be read what is needed, nothing goes at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from ..core import snapshot as snapshots
from ..core.errors import RefusedError
from ..core.snapshot import Snapshot
from .context import Mirror
from .publish import lock_name

_WEEK = 7 * 86400


def prune(mirror: Mirror, keep: int, dry_run: bool) -> None:
    """Keeps the newest `keep` snapshots of each tree, whatever shows them.

    Raises:
        LockedError: a tree is being synced, or published.
        VerificationError, StorageError: what is needed cannot be told; nothing was removed.
    """
    with contextlib.ExitStack() as stack:
        trees = _trees(mirror)
        for tree in trees:
            stack.enter_context(mirror.state.lock(tree))
            stack.enter_context(mirror.state.lock(lock_name(tree)))
        doomed = {tree: _doomed(mirror, tree, keep) for tree in trees}
        needed = _needed(mirror, trees, doomed)
        files = [(sha, size) for sha, size in mirror.pool.contents() if sha not in needed]
        leftovers = _leftovers(mirror, trees)
        for tree, names in doomed.items():
            for name in names:
                # First: what it names may go only when nothing says that it is there.
                if not dry_run:
                    mirror.state.remove_snapshot(tree, name)
                mirror.reporter.event("removed", tree=tree, snapshot=name, dry_run=dry_run)
        if not dry_run:
            for sha, _ in files:
                mirror.pool.remove(sha)
            for path in leftovers:
                path.unlink(missing_ok=True)
    mirror.reporter.event(
        "pruned",
        snapshots=[name for names in doomed.values() for name in names],
        files=len(files),
        bytes=sum(size for _, size in files),
        leftovers=len(leftovers),
        dry_run=dry_run,
    )


def _trees(mirror: Mirror) -> list[str]:
    """Of the configuration and of the store: what left the one may still be shown."""
    known = {*mirror.config.trees, *mirror.state.trees(), *mirror.publisher.trees()}
    return sorted(known)


def _doomed(mirror: Mirror, tree: str, keep: int) -> list[str]:
    shown = {publication.snapshot for publication in mirror.publisher.publications(tree)}
    for channel in mirror.publisher.channels():
        publication = mirror.publisher.published(channel, tree)
        if publication is not None:
            shown.add(publication.snapshot)
    known = mirror.state.snapshots(tree)
    lost = sorted(shown - set(known))
    if lost:
        raise RefusedError(
            f"snapshot {lost[0]} is shown, and its record is missing",
            tree=tree,
            way_out="restore it, or publish another snapshot; nothing was removed",
        )
    newest = known[-keep:] if keep else []
    needed = {*shown, *newest, mirror.state.candidate(tree)}
    return [name for name in known if name not in needed]


def _needed(mirror: Mirror, trees: Iterable[str], doomed: dict[str, list[str]]) -> set[str]:
    """Every content that a snapshot which stays, or a publication, names."""
    needed: set[str] = set()
    for tree in trees:
        for name in mirror.state.snapshots(tree):
            if name not in doomed[tree]:
                needed |= _contents(mirror, mirror.state.snapshot(tree, name))
        for publication in mirror.publisher.publications(tree):
            needed |= {file.sha256 for file in publication.retained}
    return needed


def _contents(mirror: Mirror, snapshot: Snapshot) -> set[str]:
    found: set[str] = set()
    for repository in snapshot.repositories.values():
        files = snapshots.decode_files(mirror.pool.read(repository.files))
        found |= {repository.files, repository.verified, *(file.sha256 for file in files)}
    return found


def _leftovers(mirror: Mirror, trees: Iterable[str]) -> list[Path]:
    """What a run that never came back left to be resumed, and damaged files put aside."""
    before = mirror.clock() - _WEEK
    incoming = [path for tree in trees for path in mirror.state.leftovers(tree, before)]
    return [*incoming, *mirror.pool.leftovers(before)]
