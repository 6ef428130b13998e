"""`tuxmirror prune`: give up what nobody needs any more.

What a channel shows, or still shows for the grace time, stays; so does what was verified last, the
newest snapshots, and every content that one of these names. All trees share the pool, so nothing
goes while any of them is being synced or exported. Where it cannot be read what is needed, nothing
goes at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..core import journal
from ..core import snapshot as snapshots
from ..core.config import nearest
from ..core.errors import ConfigError, MirrorError, RefusedError
from ..core.policy.rules import Channel
from ..core.snapshot import Repository, Snapshot
from . import inventory, locks
from .context import Mirror

_WEEK = 7 * 86400


class Choice(NamedTuple):
    """Which of the snapshots that nothing needs go.

    `trees`: of these alone, all where it is empty. `channel`: those alone that it showed once.
    The newest `keep` stay, and what is younger than `older_than` seconds. `snapshot`: this one and
    no other, whatever `keep` and `older_than` say.
    """

    trees: tuple[str, ...] = ()
    keep: int = 0
    older_than: int = 0
    channel: str | None = None
    snapshot: str | None = None


def prune(mirror: Mirror, choice: Choice, dry_run: bool) -> None:
    """Removes the snapshots of the choice that nothing needs, and what only they name.

    Raises:
        LockedError: a tree is being synced, published or exported.
        ConfigError: there is no such tree, channel or snapshot.
        RefusedError: a channel shows the snapshot; or the record of what is shown is missing.
        VerificationError, StorageError: what is needed cannot be told; nothing was removed.
    """
    with contextlib.ExitStack() as stack:
        trees = _trees(mirror)
        _check_known(mirror, choice, trees)
        for tree in trees:
            for name in locks.whole(tree):
                stack.enter_context(mirror.state.lock(name))
        doomed = {tree: _doomed(mirror, tree, choice) for tree in trees}
        if choice.snapshot and not any(doomed.values()):
            raise _no_snapshot(choice.snapshot)
        needed = _needed(mirror, trees, doomed)
        files = [(sha, size) for sha, size in mirror.pool.contents() if sha not in needed]
        leftovers = _leftovers(mirror, trees)
        for tree, names in doomed.items():
            for name in names:
                # First: what it names may go only when nothing says that it is there.
                if not dry_run:
                    mirror.state.remove_snapshot(tree, name)
                    mirror.vetting.set_reasons(tree, name, None)
                mirror.reporter.event("removed", tree=tree, snapshot=name, dry_run=dry_run)
        if not dry_run:
            mirror.pool.remove(sha for sha, _ in files)
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


def unneeded(mirror: Mirror) -> tuple[int, int]:
    """Files of the pool, and their bytes, that nothing names: the next prune removes them.

    Raises:
        VerificationError, StorageError: it cannot be told.
    """
    trees = _trees(mirror)
    needed = _needed(mirror, trees, {tree: [] for tree in trees})
    sizes = [size for sha, size in mirror.pool.contents() if sha not in needed]
    return len(sizes), sum(sizes)


def _trees(mirror: Mirror) -> list[str]:
    """Of the configuration and of the store: what left the one may still be shown."""
    known = {*mirror.config.trees, *mirror.state.trees(), *mirror.publisher.trees()}
    return sorted(known)


def _check_known(mirror: Mirror, choice: Choice, trees: list[str]) -> None:
    for tree in choice.trees:
        if tree not in trees:
            known = dict.fromkeys(trees)
            raise ConfigError(f"no tree '{tree}' here", way_out=nearest(tree, known))
    channels = dict.fromkeys(mirror.publisher.channels())
    if choice.channel and choice.channel not in channels:
        raise ConfigError(
            f"no channel '{choice.channel}'",
            expected=", ".join(channels) or "a channel; nothing was published yet",
            way_out=nearest(choice.channel, channels),
        )


def _doomed(mirror: Mirror, tree: str, choice: Choice) -> list[str]:
    known = mirror.state.snapshots(tree)
    shown = _shown(mirror, tree, known)
    if choice.trees and tree not in choice.trees:
        return []
    if choice.snapshot:
        return _named(mirror, tree, choice.snapshot, known, shown)
    if choice.channel:
        known = _once_shown(mirror, tree, choice.channel, known)
    # What has a successor is damaged: nobody goes back to it, however new it is.
    gone = inventory.replaced(mirror, tree)
    newest = [name for name in known if name not in gone][-choice.keep :] if choice.keep else []
    needed = {*shown, *newest, *_coming(mirror, tree), mirror.state.candidate(tree)}
    latest = mirror.clock() - choice.older_than
    return [
        name
        for name in known
        if name not in needed
        and (
            not choice.older_than
            or name in gone
            or mirror.state.snapshot(tree, name).created < latest
        )
    ]


def _shown(mirror: Mirror, tree: str, known: list[str]) -> set[str]:
    """What publications show, those too that readers of an earlier generation may be in."""
    shown = {publication.snapshot for publication in mirror.publisher.publications(tree)}
    for channel in mirror.publisher.channels():
        publication = mirror.publisher.published(channel, tree)
        if publication is not None:
            shown.add(publication.snapshot)
    lost = sorted(shown - set(known))
    if lost:
        raise RefusedError(
            f"snapshot {lost[0]} is shown, and its record is missing",
            tree=tree,
            way_out="restore it, or publish another snapshot; nothing was removed",
        )
    return shown


def _coming(mirror: Mirror, tree: str) -> set[str]:
    """What channels will show next: chosen by a policy and waiting to be approved, or soaking in
    the channel that another one follows."""
    found = set()
    for channel in mirror.config.channels.values():
        last = mirror.vetting.last(tree, channel.name)
        if last is not None:
            found.add(last.snapshot)
        if channel.soak:
            found |= _soaking(mirror, tree, channel)
    return found


def _soaking(mirror: Mirror, tree: str, channel: Channel) -> set[str]:
    publication = mirror.publisher.published(channel.follows, tree)
    if publication is None:
        return set()
    entries = mirror.journal.entries()
    past = journal.timeline(entries, tree, channel.follows, publication.snapshot)
    ripe = mirror.clock() - channel.soak
    # The newest that is ripe is what the channel gets; the ones after it will be.
    first = max((n for n, (_, since) in enumerate(past) if since <= ripe), default=0)
    return {name for name, _ in past[first:]}


def _once_shown(mirror: Mirror, tree: str, channel: str, known: list[str]) -> list[str]:
    """Those of `known` that the log says the channel showed."""
    entries = mirror.journal.entries()
    ids = {
        entry.get("snapshot")
        for entry in entries
        if entry.get("tree") == tree and entry.get("channel") == channel
    }
    return [name for name in known if name in ids]


def _named(mirror: Mirror, tree: str, text: str, known: list[str], shown: set[str]) -> list[str]:
    """The one that is meant; none where it is another tree's."""
    meant = [name for name in known if name.startswith(text)]
    if len(meant) > 1:
        raise ConfigError(
            f"'{text}' is the beginning of {len(meant)} snapshots",
            tree=tree,
            expected=", ".join(meant),
        )
    for name in meant:
        channels = _channels_of(mirror, tree, name)
        if channels:
            raise RefusedError(
                f"{', '.join(channels)} would be empty: it shows snapshot {name}",
                tree=tree,
                expected="a snapshot that no channel shows",
                way_out=f"tuxmirror publish {tree} --snapshot ANOTHER --channel {channels[0]}",
            )
        why = _needed_for(mirror, tree, name, shown)
        if why:
            raise RefusedError(
                f"snapshot {name} is still needed",
                tree=tree,
                found=why,
                way_out="it may go after the next publishes; nothing was removed",
            )
    return meant


def _needed_for(mirror: Mirror, tree: str, name: str, shown: set[str]) -> str | None:
    if name in shown:
        return "clients may be reading it"
    if name == mirror.state.candidate(tree):
        return "it was verified last"
    return "a channel will show it next" if name in _coming(mirror, tree) else None


def _channels_of(mirror: Mirror, tree: str, name: str) -> list[str]:
    shown = {c: mirror.publisher.published(c, tree) for c in mirror.publisher.channels()}
    return [channel for channel, what in shown.items() if what and what.snapshot == name]


def _no_snapshot(text: str) -> MirrorError:
    return ConfigError(f"no snapshot '{text}'", way_out="tuxmirror snapshot list")


def _needed(mirror: Mirror, trees: Iterable[str], doomed: dict[str, list[str]]) -> set[str]:
    """Every content that a snapshot which stays, or a publication, names."""
    needed: set[str] = set()
    for tree in trees:
        for name in mirror.state.snapshots(tree):
            if name not in doomed[tree]:
                needed |= _contents(mirror, mirror.state.snapshot(tree, name))
        for publication in mirror.publisher.publications(tree):
            needed |= {file.sha256 for file in publication.retained}
    for part in mirror.publisher.site_parts():
        needed |= {file.sha256 for file in part.files}
    return needed


def _contents(mirror: Mirror, snapshot: Snapshot) -> set[str]:
    found: set[str] = set()
    for repository in snapshot.repositories.values():
        files = snapshots.decode_files(mirror.pool.read(repository.files))
        found |= {repository.files, repository.verified, *(file.sha256 for file in files)}
        found |= _cut_from(mirror, repository)
    return found


def _cut_from(mirror: Mirror, repository: Repository) -> set[str]:
    """The metadata of which filtered metadata was cut: what is lost of the one is made of the other
    again. A spare: where it is damaged, or an older prune removed it, that stops nothing."""
    found: set[str] = set()
    origin = repository.origin
    for name in filter(None, (origin.files, origin.shown) if origin else ()):
        with contextlib.suppress(MirrorError):
            files = snapshots.decode_files(mirror.pool.read(name))
            found |= {name, *(file.sha256 for file in files if not file.path.endswith(".rpm"))}
    return found


def _leftovers(mirror: Mirror, trees: Iterable[str]) -> list[Path]:
    """What a run that never came back left to be resumed, and damaged files put aside."""
    before = mirror.clock() - _WEEK
    incoming = [path for tree in trees for path in mirror.state.leftovers(tree, before)]
    return [*incoming, *mirror.pool.leftovers(before)]
