"""What of a tree's state a person should know first: `usecases.status` in, words out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

OK = "ok"
ATTENTION = "attention"
TROUBLE = "trouble"
LEVELS = (OK, ATTENTION, TROUBLE)

_DAY = 86400
# The timer runs hourly: after a day without a run somebody switched it off.
_SYNC_DUE = _DAY
# As `core.guards` warns, and refuses.
_REFUSED_AFTER = 4
# Nothing usable upstream, or another run: the next one will probably do.
_PASSING = (3, 7)


class Finding(NamedTuple):
    """One thing to know, and how bad it is."""

    level: str
    text: str


def findings(tree: Mapping[str, Any], now: float) -> list[Finding]:
    """The worst first; empty where all is well."""
    found = [
        *_last_run(tree, now),
        *_last_verify(tree, now),
        *_channels(tree),
        *_upstream(tree, now),
        *_kept_back(tree),
    ]
    return sorted(found, key=lambda finding: -LEVELS.index(finding.level))


def level(found: Sequence[Finding]) -> str:
    """Of the worst."""
    return max((finding.level for finding in found), key=LEVELS.index, default=OK)


def ago(when: int, now: float) -> str:
    """`3 h ago`: the largest unit that gives at least two."""
    return f"{lasted(now - when)} ago"


def lasted(seconds: float) -> str:
    age = max(0, int(seconds))
    for unit, length in (("days", _DAY), ("h", 3600), ("min", 60)):
        if age >= 2 * length:
            return f"{age // length} {unit}"
    return f"{age} s"


def _last_run(tree: Mapping[str, Any], now: float) -> list[Finding]:
    error = tree["last_error"]
    if error:
        level = ATTENTION if error.get("exit_status") in _PASSING else TROUBLE
        return [Finding(level, f"the last {tree['comes_by']} failed: {error['message']}")]
    if tree["last_sync"] is None:
        return [Finding(ATTENTION, "never synced")]
    # Bundles come when somebody brings them.
    if tree["comes_by"] == "sync" and now - tree["last_sync"] > _SYNC_DUE:
        return [Finding(ATTENTION, f"not synced for {lasted(now - tree['last_sync'])}")]
    return []


def _last_verify(tree: Mapping[str, Any], now: float) -> list[Finding]:
    """That nobody ever looked is no trouble."""
    last = tree.get("last_verify")
    if not last or not last["damaged"]:
        return []
    number = last["damaged"]
    what = "1 thing" if number == 1 else f"{number} things"
    first = "; ".join(last["named"][:1])
    text = (
        f"{what} damaged, by the verify {ago(last['time'], now)} ({first}):"
        f" tuxmirror verify --repair {tree['tree']}"
    )
    return [Finding(TROUBLE, text)]


def _channels(tree: Mapping[str, Any]) -> list[Finding]:
    shown = {**tree["channels"], "candidate": tree["candidate"]}
    found = [
        Finding(TROUBLE, f"{name}: {state['message']}")
        for name, state in shown.items()
        if state and "error" in state
    ]
    if tree["candidate"] and not tree["channels"].get("vetted"):
        found.append(Finding(ATTENTION, "verified, and published to no customer"))
    return found


def _upstream(tree: Mapping[str, Any], now: float) -> list[Finding]:
    seen, limit = tree["upstream_time"], tree.get("max_age")
    if not seen or not limit or now - seen <= limit:
        return []
    level = TROUBLE if now - seen > limit * _REFUSED_AFTER else ATTENTION
    return [Finding(level, f"upstream stands still for {lasted(now - seen)}")]


def _kept_back(tree: Mapping[str, Any]) -> list[Finding]:
    found = []
    for channel, names in tree.get("held", {}).items():
        candidate = tree["candidate"] or {}
        if candidate.get("snapshot") in names:
            text = f"{channel} was put back and stays there: {candidate['snapshot']} is held"
            found.append(Finding(ATTENTION, text))
    for channel, policy in tree.get("policy", {}).items():
        if policy["waiting"]:
            text = (
                f"{channel} waits for approval: tuxmirror plan {tree['tree']} --channel {channel}"
            )
            found.append(Finding(ATTENTION, text))
    if tree["quarantine"]:
        number = len(tree["quarantine"])
        what = "file was" if number == 1 else "files were"
        found.append(Finding(TROUBLE, f"{number} {what} refused; see the quarantine"))
    return found
