"""What a policy lets through, closed under dependencies, and why, package by package."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import RefusedError
from .builds import Build, Item, repository_arch
from .closure import Gap, Requirements, gaps, offering
from .select import (
    HELD,
    INSISTENT,
    KEPT,
    NEEDED,
    REPLACED,
    WITH,
    Judge,
    Overrides,
    Verdict,
)

_NAMED = 10


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
    """`filtered` counts packages left out by a rule about packages; `until` is the first time at
    which it may change by itself."""

    selection: Selection
    held: tuple[Note, ...]
    pulled: tuple[Note, ...]
    kept: tuple[Note, ...]
    filtered: Mapping[str, int]
    until: int | None


def decide(judge: Judge, requirements: Mapping[str, Requirements]) -> Outcome:
    """Judge, look for what that breaks, and judge again until nothing is broken.

    What is merely old enough waits for what it needs. What is urgent, approved or shown already
    brings along what it needs, unless a person holds that.

    Args:
        requirements: by the arch of the repositories.

    Raises:
        RefusedError: the rules contradict each other: names the packages and what they lack.
    """
    overrides = Overrides()
    index = _Index(judge)
    while True:
        verdicts, modules = judge.verdicts(overrides)
        chosen = _chosen(judge, verdicts)
        broken = index.gaps(requirements, chosen)
        if not broken:
            return _outcome(judge, verdicts, modules, chosen)
        settled = [_settle(judge, index, verdicts, overrides, gap) for gap in broken]
        lacking = [gap for gap, done in zip(broken, settled) if not done]
        if lacking:
            raise _contradiction(index, verdicts, lacking)


class _Index:
    """Items and builds by arch and SHA-256."""

    def __init__(self, judge: Judge) -> None:
        self.item: dict[tuple[str, str], Item] = {}
        self.build: dict[tuple[str, str], Build] = {}
        for build in judge.builds.values():
            for item in build.items:
                key = (repository_arch(item.repository), item.package.sha256)
                self.item[key] = item
                self.build[key] = build

    def gaps(
        self, requirements: Mapping[str, Requirements], chosen: Mapping[str, set[str]]
    ) -> list[tuple[str, Gap]]:
        by_arch: dict[str, set[str]] = {}
        for repository, found in chosen.items():
            by_arch.setdefault(repository_arch(repository), set()).update(found)
        everything: dict[str, set[str]] = {}
        for arch, sha in self.item:
            everything.setdefault(arch, set()).add(sha)
        return [
            (arch, gap)
            for arch, needs in sorted(requirements.items())
            for gap in gaps(needs, everything.get(arch, set()), by_arch.get(arch, set()))
        ]


def _chosen(judge: Judge, verdicts: Mapping[str, Verdict]) -> dict[str, set[str]]:
    """SHA-256 by repository."""
    chosen: dict[str, set[str]] = {item.repository: set() for item in judge.facts.items}
    for name, verdict in verdicts.items():
        if verdict.passes:
            for item in judge.builds[name].items:
                stays = not item.gone or verdict.kind in (KEPT, NEEDED)
                if stays and judge.filtered(item.package) is None:
                    chosen[item.repository].add(item.package.sha256)
    return chosen


def _settle(
    judge: Judge,
    index: _Index,
    verdicts: Mapping[str, Verdict],
    overrides: Overrides,
    found: tuple[str, Gap],
) -> bool:
    """Pull in what is missing, or hold back what misses it; False where neither can be."""
    arch, gap = found
    asking = index.build[arch, gap.package]
    offers = {
        index.build[arch, sha].name
        for sha in offering(gap.requirement.offered_by)
        if (arch, sha) in index.item and judge.filtered(index.item[arch, sha].package) is None
    }
    needs = f"{index.item[arch, gap.package].package.nevra} needs {gap.requirement.text}"
    # What upstream took away never comes by waiting.
    forever = offers and all(judge.builds[name].gone for name in offers)
    if verdicts[asking.name].kind in INSISTENT or forever:
        free = [name for name in offers if verdicts[name].kind != HELD]
        if not free:
            return False
        best = min(
            free, key=lambda name: (judge.builds[name].gone, verdicts[name].until or 0, name)
        )
        overrides.needed[best] = needs
        return True
    if not offers:
        return False
    first = min(offers)
    reason = f"{needs} of {first}: {verdicts[first].reason}"
    overrides.blocked[asking.name] = Verdict(False, WITH, reason, verdicts[first].until)
    return True


def _contradiction(
    index: _Index, verdicts: Mapping[str, Verdict], lacking: list[tuple[str, Gap]]
) -> RefusedError:
    lines = []
    for arch, gap in lacking[:_NAMED]:
        asking = index.item[arch, gap.package].package.nevra
        offers = sorted(offering(gap.requirement.offered_by))
        names = [index.item[arch, sha].package.nevra for sha in offers if (arch, sha) in index.item]
        held = [
            verdicts[index.build[arch, sha].name].reason
            for sha in offers
            if (arch, sha) in index.item and verdicts[index.build[arch, sha].name].kind == HELD
        ]
        why = f" ({held[0]})" if held else ""
        lines.append(f"{asking} needs {gap.requirement.text} of {', '.join(names[:3])}{why}")
    more = f"; and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return RefusedError(
        "the policy would leave packages without what they need",
        expected="everything that a package needs passes with it",
        found="; ".join(lines) + more,
        way_out="release the hold, hold what needs it as well, or mend exclude and arches of the"
        " policy; nothing was published",
    )


def _outcome(
    judge: Judge,
    verdicts: Mapping[str, Verdict],
    modules: set[str],
    chosen: Mapping[str, set[str]],
) -> Outcome:
    held, pulled, kept = [], [], []
    filtered: Counter[str] = Counter()
    for name, verdict in sorted(verdicts.items()):
        for item in judge.builds[name].items:
            reason = judge.filtered(item.package)
            if reason is not None:
                filtered[reason] += not item.gone
            elif not verdict.passes and verdict.kind != REPLACED:
                held.append(_note(item, name, verdict))
            elif verdict.kind == NEEDED:
                pulled.append(_note(item, name, verdict))
            elif verdict.kind == KEPT:
                kept.append(_note(item, name, verdict))
    times = [verdict.until for verdict in verdicts.values() if verdict.until is not None]
    return Outcome(
        _selection(judge, modules, chosen),
        tuple(sorted(held)),
        tuple(sorted(pulled)),
        tuple(sorted(kept)),
        dict(sorted((+filtered).items())),
        min(times, default=None),
    )


def _selection(judge: Judge, modules: set[str], chosen: Mapping[str, set[str]]) -> Selection:
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
