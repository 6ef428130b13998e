"""The channels of a tree follow: the candidate what was verified, the others what may pass.

What a person took a channel away from does not come back by itself, nor what a policy chose from
it (docs/adr/0005): the channel stays, and loses only what expired.
"""

from __future__ import annotations

from collections.abc import Collection

from ..core import journal
from ..core.config import Tree
from ..core.errors import MirrorError, RefusedError
from ..core.policy.rules import CANDIDATE, REQUIRED, Channel
from ..core.snapshot import Snapshot
from . import following, vetting
from .context import Mirror
from .following import Choice
from .publish import publish, showing
from .vetting import Proposal

# A person decided meanwhile; then it is looked at afresh.
_ATTEMPTS = 3


def follow(
    mirror: Mirror, tree: Tree, candidate: Snapshot, allow_mass_change: bool = False
) -> bool:
    """Whether any channel shows something else now. The caller holds the tree's lock.

    Raises:
        MirrorError: of the first channel that could not follow; the others did.
    """
    # One moment for all of them: what expires at the same time is one publication, made once.
    moment = mirror.clock()
    mirror = mirror._replace(clock=lambda: moment)
    problems: list[MirrorError] = []
    changed = _show_candidate(mirror, tree, candidate, allow_mass_change)
    for channel in mirror.config.channels.values():
        try:
            changed = _follow(mirror, tree, channel, allow_mass_change) or changed
        except MirrorError as error:
            error.message = f"{channel.name}: {error.message}"
            problems.append(error)
    changed = _expire_others(mirror, tree) or changed
    if changed:
        with showing(mirror, tree):
            mirror.publisher.tidy(tree.name)
    if problems:
        raise problems[0]
    return changed


def _expire_others(mirror: Mirror, tree: Tree) -> bool:
    """Channels that only `publish` made: they follow nothing, and still lose what expired."""
    changed = False
    for name in mirror.publisher.channels():
        if name != CANDIDATE and name not in mirror.config.channels:
            with showing(mirror, tree):
                changed = _only_expire(mirror, tree, name) or changed
    return changed


def _show_candidate(mirror: Mirror, tree: Tree, candidate: Snapshot, allow: bool) -> bool:
    with showing(mirror, tree):
        held = mirror.state.held(tree.name).get(CANDIDATE, frozenset())
        if is_held(candidate, held):
            return _stay(mirror, tree, CANDIDATE, candidate)
        return publish(mirror, tree, candidate, (CANDIDATE,), allow)


def _follow(mirror: Mirror, tree: Tree, channel: Channel, allow: bool) -> bool:
    for _ in range(_ATTEMPTS):
        choice = following.choose(mirror, tree, channel)
        if choice is None:
            with showing(mirror, tree):
                return _only_expire(mirror, tree, channel.name)
        # Outside of the lock: a rollback never waits for metadata that is being cut.
        proposal = vetting.propose(mirror, tree, channel, choice)
        with showing(mirror, tree):
            if vetting.is_current(mirror, tree, channel, proposal):
                return _show(mirror, tree, channel, choice, proposal, allow)
    raise RefusedError(
        "what it shows was changed while the policy was asked",
        tree=tree.name,
        way_out="run the same command again",
    )


def _show(
    mirror: Mirror, tree: Tree, channel: Channel, choice: Choice, proposal: Proposal, allow: bool
) -> bool:
    held = mirror.state.held(tree.name).get(channel.name, frozenset())
    if is_held(proposal.snapshot, held):
        return _stay(mirror, tree, channel.name, proposal.snapshot)
    if proposal.snapshot.id in _left_behind(mirror, tree, channel, proposal):
        mirror.reporter.event(
            "behind",
            tree=tree.name,
            channel=channel.name,
            follows=channel.follows,
            snapshot=proposal.snapshot.id,
        )
        return _only_expire(mirror, tree, channel.name)
    if channel.approval == REQUIRED and proposal.snapshot.id != proposal.shown:
        mirror.reporter.event(
            "waiting", tree=tree.name, channel=channel.name, snapshot=proposal.snapshot.id
        )
        return _only_expire(mirror, tree, channel.name)
    if not allow:
        vetting.check_taken_away(mirror, tree, channel, choice, proposal.snapshot)
    last = mirror.vetting.last(tree.name, channel.name) if proposal.outcome else None
    if last is not None and last.held:
        mirror.reporter.event(
            "vetted", tree=tree.name, channel=channel.name, held=last.held, until=last.until
        )
    return publish(mirror, tree, proposal.snapshot, (channel.name,), allow)


def _left_behind(
    mirror: Mirror, tree: Tree, channel: Channel, proposal: Proposal
) -> Collection[str]:
    """What it showed before: no channel goes back because the one that it follows did."""
    if channel.follows == CANDIDATE or proposal.shown in (None, proposal.snapshot.id):
        return ()
    assert proposal.shown is not None  # noqa: S101  # looked at just before
    entries = mirror.journal.entries()
    return journal.history(entries, tree.name, channel.name, proposal.shown)


def is_held(snapshot: Snapshot, held: Collection[str]) -> bool:
    """Whether a person took the channel away from it, or from what it was chosen from."""
    chosen_from = snapshot.vetting.upstream if snapshot.vetting else snapshot.id
    return snapshot.id in held or chosen_from in held


def _stay(mirror: Mirror, tree: Tree, channel: str, snapshot: Snapshot) -> bool:
    mirror.reporter.event("held", tree=tree.name, channel=channel, snapshot=snapshot.id)
    return _only_expire(mirror, tree, channel)


def _only_expire(mirror: Mirror, tree: Tree, channel: str) -> bool:
    shown = following.shown_by(mirror, tree, channel)
    return shown is not None and publish(mirror, tree, shown, (channel,))
