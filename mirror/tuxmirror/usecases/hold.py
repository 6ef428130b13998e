"""`tuxmirror hold` and `approve --packages`: what people decide about packages beforehand."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..core.config import nearest
from ..core.errors import ConfigError, MirrorError
from ..core.policy import patterns
from ..core.policy.decisions import Decision
from . import following, vetting
from .context import Mirror

_LOCK = "decisions"
_PATIENCE = 30.0
_NAMED = 20


class Meant(NamedTuple):
    """What a person says: a pattern, for which trees and channels (patterns as well), until when
    (seconds since the epoch; None: for good), and why."""

    pattern: str
    tree: str
    channel: str
    until: int | None
    why: str
    user: str


def decide(mirror: Mirror, kind: str, meant: Meant) -> dict[str, Any]:
    """Record a hold or approval; the decision, and what it means among the packages of now.

    Raises:
        ConfigError: the pattern, tree or channel names nothing that there could be; or it is over.
        VerificationError: the record is damaged.
    """
    _check(mirror, meant)
    decision = Decision(
        kind,
        patterns.check(meant.pattern),
        meant.tree,
        meant.channel,
        meant.until,
        meant.why,
        meant.user,
        int(mirror.clock()),
    )
    with mirror.state.lock(_LOCK, _PATIENCE):
        known = [d for d in mirror.vetting.decisions() if d.id != decision.id]
        # The log comes first: nothing is decided that it does not speak of.
        _log(mirror, kind, decision, decision.why)
        mirror.vetting.set_decisions([*known, decision])
    return {**decision.as_dict(), "packages": _matched(mirror, decision)}


def release(mirror: Mirror, text: str, why: str | None) -> list[Decision]:
    """Take back the decisions of an id, or of a pattern as it was written.

    Raises:
        ConfigError: there is none such.
    """
    with mirror.state.lock(_LOCK, _PATIENCE):
        known = mirror.vetting.decisions()
        meant = [d for d in known if text in (d.id, d.pattern)]
        if not meant:
            names = {d.pattern: None for d in known}
            raise ConfigError(
                f"nothing was decided about '{text}'",
                expected=", ".join(f"{d.id} ({d.pattern})" for d in known) or "there is none",
                way_out=nearest(text, names) or "tuxmirror hold --list",
            )
        for decision in meant:
            _log(mirror, "release", decision, why)
        mirror.vetting.set_decisions([d for d in known if d not in meant])
    return meant


def listed(mirror: Mirror) -> list[dict[str, Any]]:
    """All decisions, oldest first; `over` says that its time is up."""
    now = int(mirror.clock())
    return [
        {**d.as_dict(), "over": d.until is not None and d.until <= now}
        for d in sorted(mirror.vetting.decisions(), key=lambda d: d.time)
    ]


def _check(mirror: Mirror, meant: Meant) -> None:
    _check_known("tree", meant.tree, list(mirror.config.trees))
    _check_known("channel", meant.channel, list(mirror.config.channels))
    if meant.until is not None and meant.until <= mirror.clock():
        raise ConfigError("--until is over already", expected="a time to come")
    if not meant.why.strip():
        raise ConfigError("--why says nothing", expected="a reason, for those who come after you")
    if not any(following.policy_of(mirror, t, c) for t, c in _places(mirror, meant)):
        raise ConfigError(
            "no channel that is meant has a policy: it shows all that was verified",
            way_out="name one: policy = in the tree's section, and [policy/NAME]",
        )


def _places(mirror: Mirror, meant: Meant | Decision):  # type: ignore[no-untyped-def]
    return [
        (tree, channel)
        for tree in mirror.config.trees.values()
        for channel in mirror.config.channels.values()
        if fnmatch.fnmatchcase(tree.name, meant.tree)
        and fnmatch.fnmatchcase(channel.name, meant.channel)
    ]


def _check_known(kind: str, pattern: str, known: Sequence[str]) -> None:
    if not any(fnmatch.fnmatchcase(name, pattern) for name in known):
        raise ConfigError(
            f"no {kind} is called '{pattern}'",
            expected=", ".join(known),
            way_out=nearest(pattern, dict.fromkeys(known)),
        )


def _log(mirror: Mirror, action: str, decision: Decision, why: str | None) -> None:
    mirror.journal.append(
        int(mirror.clock()),
        action if action == "release" else f"{action} packages",
        decision=decision.id,
        pattern=decision.pattern,
        tree=decision.tree,
        channel=decision.channel,
        until=decision.until,
        why=why,
    )


def _matched(mirror: Mirror, decision: Decision) -> list[str]:
    """NEVRAs that it means in the candidates of now, to see a pattern that misses."""
    found: set[str] = set()
    for tree in {tree.name: tree for tree, _ in _places(mirror, decision)}.values():
        candidate = mirror.state.candidate(tree.name)
        if candidate is None:
            continue
        try:
            facts = vetting.facts_of(
                mirror, tree, mirror.state.snapshot(tree.name, candidate), None
            )
        except MirrorError as error:
            mirror.reporter.event("warning", tree=tree.name, message=str(error))
            continue
        meant = patterns.matcher(decision.pattern, facts.advisories)
        found |= {item.package.nevra for item in facts.items if meant(item.package)}
    return sorted(found)
