"""Holds and approvals: what people decided about packages. They live in the store.

Of two that mean the same package the later one counts.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import VerificationError

HOLD, APPROVE = "hold", "approve"
_ID_LENGTH = 8


@dataclass(frozen=True)
class Decision:
    """`tree` and `channel` are shell patterns; times in seconds since the epoch.

    `until` is the first second in which it does not count any more; None is never.
    """

    kind: str
    pattern: str
    tree: str
    channel: str
    until: int | None
    why: str
    user: str
    time: int

    @property
    def id(self) -> str:
        """Short, and the same for the same decision."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:_ID_LENGTH]

    def counts(self, tree: str, channel: str, now: int) -> bool:
        return (
            fnmatch.fnmatchcase(tree, self.tree)
            and fnmatch.fnmatchcase(channel, self.channel)
            and (self.until is None or now < self.until)
        )

    def as_dict(self) -> dict[str, object]:
        return {"id": self.id, **asdict(self)}


def in_force(
    decisions: Iterable[Decision], tree: str, channel: str, now: int
) -> tuple[Decision, ...]:
    """Those that count, the earliest first."""
    found = (decision for decision in decisions if decision.counts(tree, channel, now))
    return tuple(sorted(found, key=lambda decision: (decision.time, decision.id)))


def digest(decisions: Iterable[Decision]) -> str:
    """Changes when another decision counts."""
    text = " ".join(decision.id for decision in decisions)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encode(decisions: Iterable[Decision]) -> bytes:
    return (json.dumps([asdict(decision) for decision in decisions], indent=1) + "\n").encode()


def decode(data: bytes, path: str) -> tuple[Decision, ...]:
    """The reverse of `encode`; `path` names the file in errors.

    Raises:
        VerificationError: damaged.
    """
    try:
        return tuple(_decision(fields) for fields in json.loads(data))
    except (ValueError, TypeError, KeyError) as error:
        raise VerificationError(
            f"unreadable: {error}",
            path=path,
            way_out="restore it; without it nobody knows what was held: nothing is published",
        ) from None


def _decision(fields: Mapping[str, Any]) -> Decision:
    decision = Decision(**fields)
    if decision.kind not in (HOLD, APPROVE) or not isinstance(decision.pattern, str):
        raise ValueError(f"no such decision: {fields!r}")
    return decision
