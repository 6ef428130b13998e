"""Which builds pass: what people decided, then what is shown already, then the policy's rules.

    decided      the latest hold or approval that means any package of the build
    shown        what the channel shows is not taken away while it waits
    fast track   an advisory of a severity, or about a CVE, that need not wait
    soak         everything else waits until it is old enough

A hold keeps what is there and lets nothing new in. Where upstream took a package away whose
successor waits, the channel keeps the one that it shows: it never loses a package by waiting.

Versions of a module's stream share builds: what did not change is not built again. A build passes
with any version that lists it, and pulls along or pulls down none of the others.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Callable, NamedTuple

from ..advisory.model import Advisory
from ..package import Package
from . import patterns
from .builds import Build, Item, ModuleBuild, gather, is_debug, members, repository_arch
from .decisions import HOLD, Decision
from .rules import Policy

# Versions as rpm compares them: (epoch, version, release) twice; negative, 0 or positive.
Compare = Callable[[tuple[str, str, str], tuple[str, str, str]], int]

# Why a build passes.
OLD, SHOWN, FAST, APPROVED, NEEDED, KEPT = "old", "shown", "fast", "approved", "needed", "kept"
# Why it does not. People's holds and the package filters are for good, the others may give way.
HELD, SOAKING, WITH, NEWEST, REPLACED = "held", "soaking", "with", "newest", "replaced"
# What must pass, whatever it needs.
INSISTENT = frozenset({SHOWN, FAST, APPROVED, NEEDED, KEPT})
_URGENT = frozenset({FAST, APPROVED, NEEDED})


class Verdict(NamedTuple):
    """`until` is when it may change by itself, in seconds since the epoch."""

    passes: bool
    kind: str
    reason: str
    until: int | None = None


_SHOWN = Verdict(True, SHOWN, "the channel shows it already")


@dataclass(frozen=True)
class Facts:
    """What the rules ask about.

    Attributes:
        items: the candidate's packages, and those that the channel shows and the candidate lacks.
        modules: the same of modulemd documents.
        advisories: of both.
        first_seen: by SHA-256, when the candidate first had a package; others are old.
        shown: SHA-256 of the packages that the channel shows.
        shown_modules: versions (`nsvc`) of which it shows the document.
    """

    items: Sequence[Item]
    modules: Sequence[ModuleBuild]
    advisories: Sequence[Advisory]
    first_seen: Mapping[str, int]
    shown: frozenset[str]
    shown_modules: frozenset[str]


@dataclass
class Overrides:
    """What builds need of each other, found out on the way; by build.

    `apart` are module versions (`nsvc`) that wait, though all of their builds pass with others.
    """

    needed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, Verdict] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)


class Judge:
    """Judges the builds of a tree under one policy, again for each set of overrides."""

    def __init__(
        self,
        policy: Policy,
        decisions: Iterable[Decision],
        facts: Facts,
        now: int,
        compare: Compare,
    ) -> None:
        self.policy = policy
        self.facts = facts
        self._given = tuple(decisions)
        self._now = now
        self._compare = compare
        self.builds = gather(facts.items, facts.modules)
        self.members = members(self.builds)
        self._current = frozenset(module.nsvc for module in facts.modules if not module.gone)
        self._streams: dict[tuple[str, str], list[ModuleBuild]] = {}
        for module in facts.modules:
            self._streams.setdefault((module.name_stream, module.arch), []).append(module)
        self._shown = self._shown_builds()
        self._decided = self._decisions()
        self._fast = self._fast_tracked()
        self._filters = Filters(policy)
        self._peopled = {nsvc for nsvc in self._current if self._has_packages(nsvc)}

    def showing(self, chosen: Mapping[str, Set[str]], modules: frozenset[str]) -> Judge:
        """The same judge where the channel shows these, SHA-256 by repository and `nsvc`; itself
        if it does.

        What upstream took away stays among the facts, shown or not: what needs it must find it.
        """
        shown = frozenset(sha for found in chosen.values() for sha in found)
        if (shown, modules) == (self.facts.shown, self.facts.shown_modules):
            return self
        other = copy.copy(self)
        other.facts = replace(self.facts, shown=shown, shown_modules=modules)
        other._shown = other._shown_builds()
        return other

    def _shown_builds(self) -> set[str]:
        return {
            build.name
            for build in self.builds.values()
            if any(item.package.sha256 in self.facts.shown for item in build.items)
        }

    def _decisions(self) -> dict[str, Decision]:
        """By build; later ones overwrite earlier ones."""
        found: dict[str, Decision] = {}
        for decision in self._given:
            meant = patterns.matcher(decision.pattern, self.facts.advisories)
            for build in self.builds.values():
                if any(meant(item.package) for item in build.items):
                    found[build.name] = decision
        return found

    def _fast_tracked(self) -> dict[str, str]:
        """The advisory that brings it, by build."""
        rules = set(self.policy.fast_track)
        by_nevra = {
            package.nevra: f"{advisory.id} ({why[0]})"
            for advisory in self.facts.advisories
            if (why := sorted(rules & {advisory.severity, *advisory.cves}))
            for package in advisory.packages
        }
        found: dict[str, str] = {}
        if by_nevra:
            for build in self.builds.values():
                for item in build.items:
                    advisory = by_nevra.get(item.package.nevra)
                    if advisory:
                        found[build.name] = advisory
        return found

    def verdicts(self, overrides: Overrides) -> tuple[dict[str, Verdict], set[str]]:
        """By build; and the module versions (`nsvc`) that pass."""
        found = {
            name: self._base(build, overrides)
            for name, build in self.builds.items()
            if not build.gone or name in overrides.needed
        }
        passing = self._judge_modules(found, overrides)
        self._judge_newest(found, passing, overrides)
        self._judge_gone(found, passing)
        return found, passing

    def _base(self, build: Build, overrides: Overrides) -> Verdict:
        """A build on its own."""
        if build.name in overrides.needed:
            return Verdict(True, NEEDED, overrides.needed[build.name])
        decision = self._decided.get(build.name)
        if decision and decision.kind != HOLD:
            return Verdict(True, APPROVED, _said(decision), decision.until)
        if build.name in self._shown:
            return _SHOWN
        if decision:
            return Verdict(False, HELD, _said(decision), decision.until)
        if build.name in overrides.blocked:
            return overrides.blocked[build.name]
        if build.name in self._fast:
            return Verdict(True, FAST, f"fast track: {self._fast[build.name]}")
        return self._soak(build)

    def _soak(self, build: Build) -> Verdict:
        seen = self.facts.first_seen
        youngest = max(seen.get(i.package.sha256, 0) for i in build.items if not i.gone)
        ripe = youngest + self.policy.soak
        if self._now >= ripe:
            return Verdict(True, OLD, "old enough")
        return Verdict(False, SOAKING, f"younger than {span(self.policy.soak)}", ripe)

    def _judge_modules(self, found: dict[str, Verdict], overrides: Overrides) -> set[str]:
        """A version of a stream passes whole or not at all."""
        current = self._current - overrides.apart
        passing = {nsvc for nsvc in current if nsvc not in self.members}
        # What pulls the rest of its module along has to be known before anything is judged by it.
        for nsvc in self._in_turn(current & self.members.keys(), found):
            self._pull_module(nsvc, current, found)
        passing |= {n for n in current & self.members.keys() if self._whole(n, found)}
        for name, verdict in found.items():
            listing = self.builds[name].modules & current
            if (
                verdict.passes
                and listing
                and not listing & passing
                and name not in overrides.needed
            ):
                nsvc = max(listing)
                late = sorted(n for n in self.members[nsvc] if n in found and not found[n].passes)
                until = _earliest(found[n].until for n in late)
                reason = f"module {nsvc} waits for {late[0]}: {found[late[0]].reason}"
                found[name] = Verdict(False, WITH, reason, until)
        return passing

    def _in_turn(self, modules: Set[str], found: Mapping[str, Verdict]) -> list[str]:
        """First those that alone list an urgent build; then others, that came later, need not go
        with what they share."""
        alone = {
            nsvc
            for name, verdict in found.items()
            if verdict.kind in _URGENT and len(listing := self.builds[name].modules & modules) == 1
            for nsvc in listing
        }
        return sorted(modules, key=lambda nsvc: (nsvc not in alone, nsvc))

    def _pull_module(self, nsvc: str, current: Set[str], found: dict[str, Verdict]) -> None:
        """An approved or urgent build takes a module along that lists it, unless a person holds
        some of that."""
        names = [name for name in self.members[nsvc] if name in found]
        urgent = sorted(
            name
            for name in names
            if found[name].kind in _URGENT
            and not any(self._whole(m, found) for m in self.builds[name].modules & current)
        )
        late = [n for n in names if not found[n].passes]
        if urgent and late and all(found[n].kind != HELD for n in late):
            for name in late:
                found[name] = Verdict(True, NEEDED, f"module {nsvc} goes with {urgent[0]}")

    def _judge_newest(
        self, found: dict[str, Verdict], passing: set[str], overrides: Overrides
    ) -> None:
        """A build stays that has any package among the newest of its name; modules by version.

        What is approved or needed stays whatever its age, and all of its module with it.
        """
        if not self.policy.newest:
            return
        streams: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for module in {m.nsvc: m for m in self.facts.modules if not m.gone}.values():
            if module.nsvc in self.members and module.nsvc in passing:
                key = (module.name_stream, module.context)
                streams.setdefault(key, []).append((module.version, module.nsvc))
        firm = {n for n, v in found.items() if v.kind == APPROVED or n in overrides.needed}
        modules = {n for v in streams.values() for _, n in sorted(v)[-self.policy.newest :]}
        modules.update(*(self.builds[name].modules & passing for name in firm))
        newest = self._newest_builds(found)
        for name in [name for name, verdict in found.items() if verdict.passes]:
            build = self.builds[name]
            modular = build.modules & self._current
            stays = modular & modules if modular else name in newest
            if not stays and name not in firm:
                found[name] = Verdict(False, NEWEST, f"not among the {self.policy.newest} newest")
        for nsvc in passing & self.members.keys():
            if not self._whole(nsvc, found):
                passing.discard(nsvc)

    def _whole(self, nsvc: str, found: Mapping[str, Verdict]) -> bool:
        """Of a version that the channel shows, what it shows: upstream may add what was missing."""
        names = [name for name in self.members[nsvc] if name in found]
        if nsvc in self.facts.shown_modules:
            names = [n for n in names if n in self._shown and not self.builds[n].gone] or names
        return all(found[name].passes for name in names)

    def _newest_builds(self, found: Mapping[str, Verdict]) -> set[str]:
        """Names of the builds that have one of the newest packages of any name.

        What upstream took away counts for none: else it would push out what it was kept for.
        """
        versions: dict[tuple[str, str], dict[tuple[str, str, str], set[str]]] = {}
        for name, verdict in found.items():
            build = self.builds[name]
            if verdict.passes and not build.modules & self._current:
                for item in build.items:
                    if item.gone:
                        continue
                    key = (repository_arch(item.repository), item.package.name)
                    evr = evr_of(item.package)
                    versions.setdefault(key, {}).setdefault(evr, set()).add(name)
        order = functools.cmp_to_key(self._compare)
        newest: set[str] = set()
        for of_name in versions.values():
            for evr in sorted(of_name, key=order)[-self.policy.newest :]:
                newest |= of_name[evr]
        return newest

    def _judge_gone(self, found: dict[str, Verdict], passing: set[str]) -> None:
        """What upstream took away stays where its successor has to wait, or something needs it."""
        waits = {m.nsvc for m in self.facts.modules if self._successor_waits(m, passing)}
        stay = {
            m.nsvc
            for m in self.facts.modules
            if m.gone and (m.nsvc in waits or self._gone_and_needed(m.nsvc, found))
        }
        self._keep_whole(stay, found)
        # Upstream may take the packages away and leave the modulemd document.
        took = {nsvc for b in self.builds.values() if b.gone for nsvc in b.modules}
        stay |= waits & passing & took
        passing |= stay
        for nsvc in self._left_behind(stay):
            names = [n for n in self.members.get(nsvc, ()) if n in found and found[n].passes]
            if all(self.builds[n].modules & (passing - {nsvc}) for n in names):
                passing.discard(nsvc)
        gone = {n: b for n, b in self.builds.items() if b.gone and n not in found}
        waiting, arrived = self._versions_of(gone.values(), found)
        for name, build in gone.items():
            if build.modules:
                stays = bool(build.modules & stay)
            else:
                stays = any(self._unreplaced(item, waiting, arrived) for item in build.items)
            found[name] = (
                Verdict(True, KEPT, "upstream took it away, and its successor has to wait")
                if stays
                else Verdict(False, REPLACED, "upstream took it away")
            )

    def _keep_whole(self, stay: Set[str], found: dict[str, Verdict]) -> None:
        """What a version that stays shares with one that waits does not wait with that; what the
        channel never showed of it does."""
        for nsvc in sorted(stay & self.members.keys()):
            for name in self.members[nsvc] & self._shown or self.members[nsvc]:
                if name in found and not found[name].passes:
                    stays = Verdict(True, NEEDED, f"module {nsvc} stays")
                    found[name] = _SHOWN if name in self._shown else stays

    def _gone_and_needed(self, nsvc: str, found: Mapping[str, Verdict]) -> bool:
        """Without its module a package would be shown as one that belongs to none."""
        names = self.members.get(nsvc, set())
        return any(
            self.builds[name].gone and name in found and found[name].kind == NEEDED
            for name in names
        )

    def _successor_waits(self, module: ModuleBuild, passing: set[str]) -> bool:
        """As `_unreplaced` of packages, by the versions of the stream: of its context, or, as that
        changes with what it was built against, of any where that one ended."""
        stream = [
            m
            for m in self._streams[module.name_stream, module.arch]
            if not m.gone and m.nsvc != module.nsvc and m.nsvc in self._peopled
        ]
        others = [m for m in stream if m.context == module.context] or stream
        arrived = [m.version for m in others if m.nsvc in passing]
        if module.gone and not arrived:
            return bool(others)
        later = any(m.version > module.version for m in others if m.nsvc not in passing)
        return later and all(version < module.version for version in arrived)

    def _has_packages(self, nsvc: str) -> bool:
        """Any of its own, that is: not where upstream left the document of what it took away, but
        for what later versions share with it; nor where the filters leave nothing."""
        builds = [self.builds[name] for name in self.members.get(nsvc, ())]
        return any(
            not item.gone and self.filtered(item.package) is None
            for build in builds
            if build.modules & self._current <= {nsvc}
            for item in build.items
        )

    def _left_behind(self, stay: Set[str]) -> set[str]:
        """Documents without packages, later than a version that stays: as dnf looks at the latest
        alone, they would hide it."""
        return {
            later.nsvc
            for module in self.facts.modules
            if module.nsvc in stay
            for later in self._streams[module.name_stream, module.arch]
            if later.version > module.version
            and later.nsvc not in stay
            and not later.gone
            and later.nsvc not in self._peopled
        }

    def _versions_of(
        self, gone: Iterable[Build], found: Mapping[str, Verdict]
    ) -> tuple[dict[_Versions, list[_Evr]], dict[_Versions, list[_Evr]]]:
        """Versions of the same packages that wait, and that pass; apart in modules and outside."""
        wanted = {_key(item) for build in gone for item in build.items}
        waiting: dict[_Versions, list[_Evr]] = {}
        arrived: dict[_Versions, list[_Evr]] = {}
        for name, verdict in found.items() if wanted else ():
            for item in self.builds[name].items:
                key = _key(item)
                if key in wanted and not item.gone:
                    side = arrived if verdict.passes else waiting
                    of = (*key, bool(self.builds[name].modules & self._current))
                    side.setdefault(of, []).append(evr_of(item.package))
        return waiting, arrived

    def _unreplaced(
        self,
        item: Item,
        waiting: Mapping[_Versions, list[_Evr]],
        arrived: Mapping[_Versions, list[_Evr]],
    ) -> bool:
        """Also where upstream went back to an older build, and that has to wait.

        A module's stream is no successor of what is outside, unless nothing else is left.
        """
        key, own = _key(item), evr_of(item.package)
        inside = (*key, False) not in waiting and (*key, False) not in arrived
        coming, there = waiting.get((*key, inside), ()), arrived.get((*key, inside), ())
        if not there:
            return bool(coming)
        later = any(self._compare(evr, own) > 0 for evr in coming)
        return later and not any(self._compare(evr, own) >= 0 for evr in there)

    def filtered(self, package: Package) -> str | None:
        """Why a package never passes, whatever its build does."""
        return self._filters.reason(package)


_Evr = tuple[str, str, str]
_Key = tuple[str, str, str]
_Versions = tuple[str, str, str, bool]


def _key(item: Item) -> _Key:
    return (repository_arch(item.repository), item.package.name, item.package.arch)


def evr_of(package: Package) -> _Evr:
    return (str(package.epoch), package.version, package.release)


class Filters:
    """The rules about packages on their own."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._excluded = [(p, patterns.matcher(p, ())) for p in policy.exclude]

    def reason(self, package: Package) -> str | None:
        if package.arch in ("src", "nosrc"):
            return None if self._policy.source else "source packages are left out"
        if is_debug(package) and not self._policy.debug:
            return "debug packages are left out"
        if self._policy.arches and package.arch not in (*self._policy.arches, "noarch"):
            return f"arch {package.arch} is left out"
        for pattern, meant in self._excluded:
            if meant(package):
                return f"excluded: {pattern}"
        return None


def span(seconds: int) -> str:
    """`7 d`, `36 h`, `90 s`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _said(decision: Decision) -> str:
    verb = "held" if decision.kind == HOLD else "approved"
    return f"{verb} by {decision.user}: {decision.pattern}: {decision.why}"


def _earliest(times: Iterable[int | None]) -> int | None:
    return min((time for time in times if time is not None), default=None)
