"""`tuxmirror publish` and `tuxmirror rollback`: a person makes a channel show a snapshot."""

from __future__ import annotations

from collections.abc import Iterable

from ..core import holding, journal
from ..core.config import Tree
from ..core.errors import ConfigError, RefusedError
from ..core.names import check_name
from ..core.policy.rules import CANDIDATE, Channel
from ..core.snapshot import Snapshot
from . import following, vetting
from .context import Mirror
from .publish import publish, showing
from .selection import find


def publish_snapshot(
    mirror: Mirror, tree: Tree, text: str | None, channel: str, allow_mass_change: bool = False
) -> None:
    """Make the channel show a snapshot (as `selection.find`; None: what it is to show next).

    Raises:
        ConfigError: no such snapshot, or no name for a channel.
        RefusedError: nothing was verified yet, or a path would get other bytes.
    """
    _check_channel(channel)
    with showing(mirror, tree):
        if text is None:
            _show_next(mirror, tree, channel, allow_mass_change)
        else:
            chosen = find(mirror, tree, text)
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
    _switch(mirror, tree, chosen, channel, allow_mass_change, action)


def _switch(
    mirror: Mirror, tree: Tree, chosen: Snapshot, channel: str, allow_mass_change: bool, action: str
) -> None:
    if publish(mirror, tree, chosen, (channel,), allow_mass_change, action):
        mirror.publisher.tidy(tree.name)
    else:
        mirror.reporter.event("already", tree=tree.name, channel=channel, snapshot=chosen.id)


def _show_next(mirror: Mirror, tree: Tree, name: str, allow_mass_change: bool) -> None:
    """What was verified last, or what the channel's policy lets pass; held no longer."""
    known = mirror.config.channels.get(name, Channel(name))
    choice = following.choose(mirror, tree, known)
    if choice is None:
        raise RefusedError(
            "nothing was verified yet"
            if known.follows == CANDIDATE
            else f"{known.follows} shows nothing that may pass to {name} yet",
            tree=tree.name,
            way_out=f"tuxmirror sync {tree.name}",
        )
    chosen = vetting.propose(mirror, tree, known, choice).snapshot
    if not allow_mass_change:
        vetting.check_taken_away(mirror, tree, known, choice, chosen)
    let_go(mirror, tree, name, {chosen.id, choice.source.id})
    _switch(mirror, tree, chosen, name, allow_mass_change, "publish")


def let_go(mirror: Mirror, tree: Tree, channel: str, chosen: set[str]) -> None:
    """Who chooses it takes back that he took the channel away from it."""
    held = mirror.state.held(tree.name).get(channel, frozenset())
    if held & chosen:
        mirror.state.set_held(tree.name, channel, held - chosen)


def _check_channel(channel: str) -> None:
    check_name("a channel", channel)
    if channel == CANDIDATE:
        raise ConfigError(
            f"{CANDIDATE} shows what was verified last",
            expected="another channel",
            way_out="tuxmirror publish TREE --channel NAME makes one",
        )


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
