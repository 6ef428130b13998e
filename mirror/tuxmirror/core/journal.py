"""The log of what channels were made to show: one JSON object a line, each sealing the one before.

    {"time": …, "user": …, "action": "rollback", …, "previous": <sha256>, "sha256": <sha256>}

`previous` is the SHA-256 of the line before, `sha256` that of the entry without this field. An
entry that was altered, taken out or moved breaks the chain. Only lines cut off at the end leave
no trace in the file: whoever minds keeps the last `sha256` elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import VerificationError

NONE_BEFORE = "0" * 64
PUBLISHING = ("sync", "publish", "rollback", "approve")
# A snapshot got a successor that differs from it in a signature alone.
REPAIR = "repair"


def seal(fields: Mapping[str, object], previous: bytes | None) -> bytes:
    """The line of a new entry; `previous` is the last line, without its newline."""
    before = hashlib.sha256(previous).hexdigest() if previous is not None else NONE_BEFORE
    known = {name: value for name, value in fields.items() if value is not None}
    entry = {**known, "previous": before}
    return json.dumps({**entry, "sha256": _digest(entry)}).encode() + b"\n"


def read(data: bytes, path: str) -> list[dict[str, Any]]:
    """The entries, oldest first. What a crash cut short at the end is no entry.

    Raises:
        VerificationError: names the first line that is not what was written.
    """
    entries = []
    before = NONE_BEFORE
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        entry = _entry(line)
        if entry is None:
            raise _broken(f"line {number} is not as it was written", path)
        if entry["previous"] != before:
            raise _broken(f"line {number} does not follow the line before it", path)
        before = hashlib.sha256(line).hexdigest()
        entries.append(entry)
    return entries


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
        found = entry.pop("sha256")
        if found != _digest(entry):
            return None
        return {**entry, "sha256": found} if isinstance(entry["previous"], str) else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _digest(entry: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def _broken(message: str, path: str) -> VerificationError:
    return VerificationError(
        f"the log was altered: {message}",
        path=path,
        way_out="compare it with a backup; move it away to begin a new one (what a rollback goes"
        " back to is then unknown: publish TREE --snapshot ID)",
    )


def history(entries: Iterable[Mapping[str, Any]], tree: str, channel: str, shown: str) -> list[str]:
    """The snapshots that a rollback can go back through; the last is the one `shown` now."""
    return [snapshot for snapshot, _ in timeline(entries, tree, channel, shown)]


def timeline(
    entries: Iterable[Mapping[str, Any]], tree: str, channel: str, shown: str
) -> list[tuple[str, int]]:
    """The same, each with the time since when it was shown, in seconds since the epoch.

    Entries are written before the switch, and a switch can fail: what each found shown (`before`)
    is what counts. What was replaced goes by the name of its successor, also where it stands in
    the past, and since the same time.
    """
    entries = list(entries)
    called = _names(replaced(entries, tree))
    stack: list[tuple[str, int]] = []
    now = 0
    for entry in entries:
        if entry["action"] not in PUBLISHING:
            continue
        if (entry["tree"], entry["channel"]) != (tree, channel):
            continue
        now = entry["time"]
        _back_to(stack, called(entry.get("before")), now)
        if entry["action"] == "rollback":
            _back_to(stack, called(entry["snapshot"]), now)
        elif not stack or stack[-1][0] != called(entry["snapshot"]):
            stack.append((called(entry["snapshot"]), now))
    _back_to(stack, called(shown), now)
    # A successor that the channel was not switched to yet.
    stack[-1] = (shown, stack[-1][1])
    return stack


def replaced(entries: Iterable[Mapping[str, Any]], tree: str) -> dict[str, str]:
    """By id, the successor of each snapshot that was replaced: the same packages and metadata."""
    found: dict[str, str] = {}
    for entry in entries:
        if entry["action"] == REPAIR and entry.get("tree") == tree:
            found[entry["before"]] = entry["snapshot"]
            found.pop(entry["snapshot"], None)
    for name, successor in found.items():
        while successor in found:
            successor = found[successor]
        found[name] = successor
    return found


def _names(successors: Mapping[str, str]) -> Callable[[str | None], str]:
    return lambda name: successors.get(name or "", name or "")


def shown_at(
    entries: Iterable[Mapping[str, Any]], tree: str, channel: str, when: int
) -> str | None:
    """The snapshot that a channel showed at a time; None before its first publish."""
    shown: str | None = None
    for entry in entries:
        if entry["time"] > when or (entry.get("tree"), entry.get("channel")) != (tree, channel):
            continue
        if entry["action"] in (*PUBLISHING, REPAIR):
            shown = entry["snapshot"]
        elif entry["action"] == "failed":
            shown = entry.get("before")
    return shown


def _back_to(stack: list[tuple[str, int]], snapshot: str, now: int) -> None:
    """Undo what came after `snapshot`; one that is not known of was shown on top of the rest."""
    if not snapshot:
        return
    if all(name != snapshot for name, _ in stack):
        stack.append((snapshot, now))
    while stack[-1][0] != snapshot:
        stack.pop()
