"""`tuxmirror publish` and `tuxmirror rollback`: a person makes a channel show a snapshot."""

from __future__ import annotations

from collections.abc import Iterable

from ..core import holding, journal
from ..core.config import Tree
from ..core.errors import ConfigError, RefusedError
from ..core.names import check_name
from ..core.snapshot import Snapshot
from .context import Mirror
from .publish import publish, showing
from .selection import find

CANDIDATE = "candidate"


def publish_snapshot(
    mirror: Mirror, tree: Tree, text: str | None, channel: str, allow_mass_change: bool = False
) -> None:
    """Make the channel show a snapshot (as `selection.find`; None: what was verified last).

    Raises:
        ConfigError: no such snapshot, or no name for a channel.
        RefusedError: nothing was verified yet, or a path would get other bytes.
    """
    _check_channel(channel)
    with showing(mirror, tree):
        chosen = find(mirror, tree, text) if text is not None else _verified_last(mirror, tree)
        _show(mirror, tree, chosen, channel, (), allow_mass_change, "publish")


def rollback(
    mirror: Mirror, tree: Tree, channel: str, steps: int, allow_mass_change: bool = False
) -> None:
    """Make the channel show again what it showed `steps` publishes before.

    Raises:
        RefusedError: it showed nothing before, or that snapshot is gone.
        VerificationError: the log was altered.
    """
    _check_channel(channel)
    with showing(mirror, tree):
        shown = mirror.publisher.published(channel, tree.name)
        if shown is None:
            raise RefusedError(
                f"{channel} shows nothing",
                tree=tree.name,
                expected=", ".join(mirror.publisher.channels()) or "a channel",
                way_out=f"tuxmirror publish {tree.name} --channel {channel}",
            )
        past = journal.history(mirror.journal.entries(), tree.name, channel, shown.snapshot)
        if len(past) <= steps:
            raise _beyond_the_first(tree, channel, len(past) - 1)
        left = set(past[-steps:])
        chosen = _kept(mirror, tree, past[-steps - 1])
        _show(mirror, tree, chosen, channel, left, allow_mass_change, "rollback")


def _show(
    mirror: Mirror,
    tree: Tree,
    chosen: Snapshot,
    channel: str,
    left: Iterable[str],
    allow_mass_change: bool,
    action: str,
) -> None:
    """The hold comes first: a sync that runs after a crash in between publishes nothing of it."""
    name = tree.name
    held = mirror.state.held(name).get(channel, frozenset())
    candidate = mirror.state.candidate(name)
    decided = holding.decide(held, chosen.id, candidate, mirror.state.snapshots(name), left)
    if decided != held:
        mirror.state.set_held(name, channel, decided)
    if publish(mirror, tree, chosen, (channel,), allow_mass_change, action):
        mirror.publisher.tidy(name)
    else:
        mirror.reporter.event("already", tree=name, channel=channel, snapshot=chosen.id)


def _check_channel(channel: str) -> None:
    check_name("a channel", channel)
    if channel == CANDIDATE:
        raise ConfigError(
            f"{CANDIDATE} shows what was verified last",
            expected="another channel",
            way_out="tuxmirror publish TREE --channel NAME makes one",
        )


def _verified_last(mirror: Mirror, tree: Tree) -> Snapshot:
    candidate = mirror.state.candidate(tree.name)
    if candidate is None:
        raise RefusedError(
            "nothing was verified yet", tree=tree.name, way_out=f"tuxmirror sync {tree.name}"
        )
    return mirror.state.snapshot(tree.name, candidate)


def _kept(mirror: Mirror, tree: Tree, name: str) -> Snapshot:
    try:
        return mirror.state.snapshot(tree.name, name)
    except RefusedError as error:
        error.way_out = f"tuxmirror publish {tree.name} --snapshot ID shows one that is kept"
        raise


def _beyond_the_first(tree: Tree, channel: str, possible: int) -> RefusedError:
    return RefusedError(
        f"{channel} showed nothing before that",
        tree=tree.name,
        expected=f"at most {possible} steps back" if possible else "an earlier publish",
        way_out=f"tuxmirror snapshot list {tree.name}, then tuxmirror publish {tree.name}"
        f" --snapshot ID --channel {channel}",
    )
