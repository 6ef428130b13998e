"""A plan: what a channel would show, as a document that is reviewed and then applied exactly.

    {"plan": <id>, "made": …, "tree": …, "channel": …, "source": …, "shown": …, "rules": …,
     "decisions": …, "selection": {…}, "difference": {…}, "held": […], …}

The id names everything in it but the time at which it was made and the hosts that there were: a
plan that says something else is another one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import RefusedError, VerificationError
from .outcome import Note, Outcome, Selection

_ID_LENGTH = 16
# Hosts come and go; that makes it no other plan.
_AFFECTED = "affected"
_APART = ("plan", "made")
# Of a snapshot's packages: wait, have no place by a rule, were pulled in or kept.
REASONS = ("held", "left_out", "pulled_in", "kept")


@dataclass(frozen=True)
class Plan:
    """Attributes:
    source: the snapshot that it was chosen from.
    shown: what the channel showed then.
    policy, rules: the policy's name and digest, empty where there is none.
    decisions: digest of the holds and approvals that counted.
    review: what is there for people.
    """

    tree: str
    channel: str
    source: str
    shown: str | None
    policy: str
    rules: str
    decisions: str
    selection: Selection
    review: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        content = {name: said for name, said in self._content().items() if name != _AFFECTED}
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH]

    @property
    def pulled_in(self) -> int:
        return len(self.review.get("pulled_in", ()))

    def _content(self) -> dict[str, Any]:
        return {
            "tree": self.tree,
            "channel": self.channel,
            "source": self.source,
            "shown": self.shown,
            "policy": self.policy,
            "rules": self.rules,
            "decisions": self.decisions,
            **self.review,
            "selection": self.selection.as_dict(),
        }

    def document(self, made: int) -> dict[str, Any]:
        """What is printed and stored; `made` in seconds since the epoch."""
        return {"plan": self.id, "made": made, **self._content()}


def read(data: bytes, path: str) -> Plan:
    """The reverse of `Plan.document`.

    Raises:
        VerificationError: damaged, or altered after it was made.
    """
    try:
        document = json.loads(data)
        known = {name: document.pop(name) for name in ("tree", "channel", "source", "shown")}
        known |= {name: document.pop(name) for name in ("policy", "rules", "decisions")}
        selection = Selection.from_dict(document.pop("selection"))
        review = {name: value for name, value in document.items() if name not in _APART}
        plan, said = Plan(**known, selection=selection, review=review), document["plan"]
        found = plan.id
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VerificationError(
            "this is no plan",
            expected="what `tuxmirror plan TREE --json` prints",
            found=repr(error)[:200],
            path=path,
        ) from None
    if found != said:
        raise VerificationError(
            "the plan was altered after it was made",
            expected=f"plan {said}",
            found=f"content of {found}",
            path=path,
            way_out=f"make it afresh: tuxmirror plan {plan.tree} --channel {plan.channel}",
        )
    return plan


def check_current(plan: Plan, now: Plan) -> None:
    """Whether what a plan was made from still is so; `now` has the same fields as of now.

    Raises:
        RefusedError: says what moved on.
    """
    for name, what in (
        ("source", "what it was chosen from moved on"),
        ("shown", f"{plan.channel} shows something else by now"),
        ("rules", "the policy was changed"),
        ("decisions", "a hold or approval was added, released or ran out"),
    ):
        before, after = getattr(plan, name), getattr(now, name)
        if before != after:
            raise RefusedError(
                f"plan {plan.id} is stale: {what}",
                tree=plan.tree,
                expected=f"{before or 'nothing'}, as when it was made",
                found=str(after or "nothing"),
                way_out=f"tuxmirror plan {plan.tree} --channel {plan.channel} makes a new one",
            )


def review(outcome: Outcome | None) -> dict[str, Any]:
    """What a policy came to, for people and `--json`."""
    if outcome is None:
        return {"held": [], "pulled_in": [], "kept": [], "filtered": {}, "until": None}
    return {
        "held": [_note(note) for note in outcome.held],
        "pulled_in": [_note(note) for note in outcome.pulled],
        "kept": [_note(note) for note in outcome.kept],
        "filtered": dict(outcome.filtered),
        "until": outcome.until,
    }


def reasons(outcome: Outcome) -> dict[str, Any]:
    """What is kept of it with the snapshot that came of it, package by package."""
    said = review(outcome)
    kinds = {name: said[name] for name in REASONS if name in said}
    return {**kinds, "left_out": [_note(note) for note in outcome.left_out]}


def _note(note: Note) -> dict[str, Any]:
    return {name: value for name, value in note._asdict().items() if value is not None}


class Build(NamedTuple):
    """Packages of one build that are spoken of for one reason."""

    name: str
    packages: list[str]
    reason: str
    until: int | None


def by_build(notes: Iterable[Mapping[str, Any]]) -> list[Build]:
    """What a plan notes of packages, for people."""
    found: dict[tuple[str, str, int | None], set[str]] = {}
    for note in notes:
        key = (note["build"].removesuffix(".src.rpm"), note["reason"], note.get("until"))
        found.setdefault(key, set()).add(note["nevra"])
    return [Build(name, sorted(p), reason, until) for (name, reason, until), p in found.items()]


def encode(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
