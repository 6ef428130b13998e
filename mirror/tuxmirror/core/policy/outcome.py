"""What a policy lets through, closed under dependencies, and why, package by package."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple

from .builds import Item
from .closure import Dependencies
from .select import KEPT, NEEDED, REPLACED, Judge, Verdict
from .settle import Settled, settle


class Note(NamedTuple):
    """Why one package is, or is not, let through; `until` as in `select.Verdict`."""

    repository: str
    nevra: str
    build: str
    kind: str
    reason: str
    until: int | None


class Selection(NamedTuple):
    """What is shown, told by how it differs from the candidate; SHA-256 and `nsvc` by repository.

    `kept` are packages and module versions that the candidate does not have any more.
    """

    left_out: Mapping[str, frozenset[str]]
    kept: Mapping[str, frozenset[str]]
    modules_left_out: Mapping[str, frozenset[str]]
    modules_kept: Mapping[str, frozenset[str]]

    def touches(self, repository: str) -> bool:
        """Whether the repository is another than the candidate's."""
        return any(side.get(repository) for side in self)

    def as_dict(self) -> dict[str, dict[str, list[str]]]:
        return {
            name: {repository: sorted(found) for repository, found in sorted(side.items()) if found}
            for name, side in self._asdict().items()
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Mapping[str, Iterable[str]]]) -> Selection:
        """The reverse of `as_dict`. Raises KeyError, TypeError."""
        return cls(*({r: frozenset(found) for r, found in fields[n].items()} for n in cls._fields))

    @property
    def digest(self) -> str:
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """`filtered` counts packages left out by a rule about packages, `left_out` are they; `until` is
    the first time at which it may change by itself; `verdicts` are those of the builds, by name."""

    selection: Selection
    held: tuple[Note, ...]
    pulled: tuple[Note, ...]
    kept: tuple[Note, ...]
    filtered: Mapping[str, int]
    until: int | None
    verdicts: Mapping[str, Verdict]
    left_out: tuple[Note, ...] = ()


def decide(judge: Judge, dependencies: Mapping[str, Dependencies]) -> Outcome:
    """Asked again, with what passes taken as shown, until that changes nothing.

    So a channel that shows the outcome shows the same after the next sync, if nothing happened
    in between. What upstream withdrew stays while something that passes needs it and nothing
    else that passes offers it.

    Args:
        dependencies: by the arch of the repositories.

    Raises:
        RefusedError: the rules contradict each other: names the packages and what they lack.
    """
    first = settle(judge, dependencies)
    asked = [first]
    while True:
        again = judge.showing(asked[-1].chosen, asked[-1].modules)
        found = asked[-1] if again is judge else settle(again, dependencies)
        same = [n for n, each in enumerate(asked) if each.shows == found.shows]
        if same:
            break
        asked.append(found)
    # Where it goes round in a circle, whoever asks from within comes to the same of it.
    return _outcome(judge, first, min(asked[same[0] :], key=lambda each: each.shows))


def _outcome(judge: Judge, first: Settled, last: Settled) -> Outcome:
    """What came of it at last, for the reasons that it passed for at first."""
    held, pulled, kept, left_out = [], [], [], []
    filtered: Counter[str] = Counter()
    reasons = {
        name: before if before.passes and verdict.passes else verdict
        for name, verdict in last.verdicts.items()
        for before in [first.verdicts.get(name, verdict)]
    }
    for name, verdict in sorted(reasons.items()):
        for item in judge.builds[name].items:
            reason = judge.filtered(item.package)
            if reason is not None:
                filtered[reason] += not item.gone
                if not item.gone:
                    left_out.append(
                        Note(item.repository, item.package.nevra, name, "rule", reason, None)
                    )
            elif not verdict.passes and verdict.kind != REPLACED:
                held.append(_note(item, name, verdict))
            elif verdict.kind == KEPT or (verdict.kind == NEEDED and item.gone):
                kept.append(_note(item, name, verdict))
            elif verdict.kind == NEEDED:
                pulled.append(_note(item, name, verdict))
    times = [verdict.until for verdict in last.verdicts.values() if verdict.until is not None]
    return Outcome(
        _selection(judge, last.modules, last.chosen),
        tuple(sorted(held)),
        tuple(sorted(pulled)),
        tuple(sorted(kept)),
        dict(sorted((+filtered).items())),
        min(times, default=None),
        reasons,
        tuple(sorted(left_out)),
    )


def _selection(judge: Judge, modules: Set[str], chosen: Mapping[str, Set[str]]) -> Selection:
    left_out: dict[str, set[str]] = {}
    kept: dict[str, set[str]] = {}
    for item in judge.facts.items:
        shows = item.package.sha256 in chosen[item.repository]
        if shows and item.gone:
            kept.setdefault(item.repository, set()).add(item.package.sha256)
        elif not shows and not item.gone:
            left_out.setdefault(item.repository, set()).add(item.package.sha256)
    modules_out: dict[str, set[str]] = {}
    modules_kept: dict[str, set[str]] = {}
    for module in judge.facts.modules:
        if module.gone and module.nsvc in modules:
            modules_kept.setdefault(module.repository, set()).add(module.nsvc)
        elif not module.gone and module.nsvc not in modules:
            modules_out.setdefault(module.repository, set()).add(module.nsvc)
    sides = (left_out, kept, modules_out, modules_kept)
    return Selection(*({r: frozenset(found) for r, found in side.items()} for side in sides))


def _note(item: Item, build: str, verdict: Verdict) -> Note:
    return Note(
        item.repository, item.package.nevra, build, verdict.kind, verdict.reason, verdict.until
    )
