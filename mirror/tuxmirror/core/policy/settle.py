"""One judgement that is closed: judged, looked at for what that breaks, and judged again.

What is merely old enough waits for what it needs. What is urgent, approved or shown already brings
along what it needs, unless a person holds that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import RefusedError
from .builds import Build, Item, repository_arch
from .closure import Gap, Requirements, gaps, lacking, offering
from .select import HELD, INSISTENT, KEPT, NEEDED, WITH, Judge, Overrides, Verdict

_NAMED = 10


class Settled(NamedTuple):
    """What passes: verdicts by build, module versions (`nsvc`), SHA-256 by repository."""

    verdicts: Mapping[str, Verdict]
    modules: frozenset[str]
    chosen: Mapping[str, frozenset[str]]

    @property
    def shows(self) -> tuple[list[tuple[str, list[str]]], list[str]]:
        """What a channel shows by it, to be compared; not why."""
        packages = [(name, sorted(found)) for name, found in sorted(self.chosen.items())]
        return packages, sorted(self.modules)


def settle(judge: Judge, requirements: Mapping[str, Requirements]) -> Settled:
    """Each round pulls something in or holds something back for good, so there is a last one.

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
        here = _by_arch(chosen)
        broken = [
            (arch, gap)
            for arch, needs in sorted(requirements.items())
            for gap in gaps(needs, index.everything.get(arch, set()), here.get(arch, set()))
        ]
        if not broken:
            return Settled(verdicts, frozenset(modules), chosen)
        contradicting = [
            (arch, gap)
            for arch, gap in broken
            if not _mend(judge, index, verdicts, overrides, here[arch], arch, gap)
        ]
        if contradicting:
            raise _contradiction(index, verdicts, contradicting)


class _Index:
    """Items and builds by arch and SHA-256."""

    def __init__(self, judge: Judge) -> None:
        self.item: dict[tuple[str, str], Item] = {}
        self.build: dict[tuple[str, str], Build] = {}
        self.everything: dict[str, set[str]] = {}
        for build in judge.builds.values():
            for item in build.items:
                arch = repository_arch(item.repository)
                key = (arch, item.package.sha256)
                self.item[key] = item
                self.build[key] = build
                self.everything.setdefault(arch, set()).add(item.package.sha256)


def _by_arch(chosen: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for repository, packages in chosen.items():
        found.setdefault(repository_arch(repository), set()).update(packages)
    return found


def _chosen(judge: Judge, verdicts: Mapping[str, Verdict]) -> dict[str, frozenset[str]]:
    """SHA-256 by repository."""
    chosen: dict[str, set[str]] = {item.repository: set() for item in judge.facts.items}
    for name, verdict in verdicts.items():
        if verdict.passes:
            for item in judge.builds[name].items:
                stays = not item.gone or verdict.kind in (KEPT, NEEDED)
                if stays and judge.filtered(item.package) is None:
                    chosen[item.repository].add(item.package.sha256)
    return {repository: frozenset(found) for repository, found in chosen.items()}


def _mend(
    judge: Judge,
    index: _Index,
    verdicts: Mapping[str, Verdict],
    overrides: Overrides,
    chosen: set[str],
    arch: str,
    gap: Gap,
) -> bool:
    """Pull in what is missing, or hold back what misses it; False where neither can be."""
    asking = index.build[arch, gap.package]
    offers = {
        index.build[arch, sha].name
        for sha in lacking(gap.requirement.offered_by, chosen)
        if (arch, sha) in index.item and judge.filtered(index.item[arch, sha].package) is None
    }
    needs = f"{index.item[arch, gap.package].package.nevra} needs {gap.requirement.text}"
    # What upstream took away never comes by waiting.
    forever = offers and all(judge.builds[name].gone for name in offers)
    if verdicts[asking.name].kind in INSISTENT or forever:
        if offers & overrides.needed.keys():
            return True  # another gap of this round brings it
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
    index: _Index, verdicts: Mapping[str, Verdict], broken: list[tuple[str, Gap]]
) -> RefusedError:
    lines = []
    for arch, gap in broken[:_NAMED]:
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
    more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    return RefusedError(
        "the policy would leave packages without what they need",
        expected="everything that a package needs passes with it",
        found="; ".join(lines) + more,
        way_out="release the hold, hold what needs it as well, or mend exclude and arches of the"
        " policy; nothing was published",
    )
