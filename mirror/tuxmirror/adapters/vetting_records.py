"""What people decided, and what policies have to remember; see `ports.VettingRecords`.

<store>/state/
    decisions.json              holds and approvals
    vetting/<tree>.seen         when the candidate first had a package
    vetting/<tree>@<channel>    what the policy last came to
    reasons/<tree>/<id>.json    why it chose what it chose for that snapshot
    plans/<id>.json             plans that can be approved
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..core.errors import StorageError
from ..core.policy import ages, decisions
from ..core.policy.ages import FirstSeen
from ..core.policy.decisions import Decision
from ..ports import LastVetting
from .documents import Documents

_DECISIONS = "state/decisions.json"
_PLANS = "state/plans/"


class DocumentVettingRecords:
    """On whatever keeps documents."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def decisions(self) -> tuple[Decision, ...]:
        data = self._documents.read(_DECISIONS)
        return decisions.decode(data, self._documents.place(_DECISIONS)) if data else ()

    def set_decisions(self, found: Sequence[Decision]) -> None:
        self._documents.write(_DECISIONS, decisions.encode(found), private=True)

    def first_seen(self, tree: str) -> FirstSeen | None:
        name = f"{_of(tree)}.seen"
        data = self._documents.read(name)
        return ages.decode(data, self._documents.place(name)) if data else None

    def set_first_seen(self, tree: str, seen: FirstSeen) -> None:
        self._documents.write(f"{_of(tree)}.seen", ages.encode(seen), private=True)

    def last(self, tree: str, channel: str) -> LastVetting | None:
        try:
            return LastVetting(*json.loads(self._documents.read(f"{_of(tree)}@{channel}") or b""))
        except (StorageError, ValueError, TypeError):
            return None

    def set_last(self, tree: str, channel: str, last: LastVetting) -> None:
        data = json.dumps(last).encode()
        self._documents.write(f"{_of(tree)}@{channel}", data, private=True, lasting=False)

    def reasons(self, tree: str, snapshot: str) -> bytes | None:
        return self._documents.read(_reasons(tree, snapshot))

    def set_reasons(self, tree: str, snapshot: str, data: bytes | None) -> None:
        name = _reasons(tree, snapshot)
        if data is not None:
            self._documents.write(name, data, private=True, lasting=False)
        elif self._documents.read(name) is not None:
            self._documents.remove(name)

    def plan(self, plan_id: str) -> bytes | None:
        return self._documents.read(f"{_PLANS}{plan_id}.json")

    def save_plan(self, plan_id: str, data: bytes) -> None:
        self._documents.write(f"{_PLANS}{plan_id}.json", data, private=True)

    def plans(self) -> list[str]:
        return [name[len(_PLANS) : -len(".json")] for name in self._documents.names(_PLANS)]

    def remove_plan(self, plan_id: str) -> None:
        self._documents.remove(f"{_PLANS}{plan_id}.json")


def _of(tree: str) -> str:
    return f"state/vetting/{tree.replace('/', '%')}"


def _reasons(tree: str, snapshot: str) -> str:
    return f"state/reasons/{tree.replace('/', '%')}/{snapshot}.json"
