"""One judgement that is closed: judged, looked at for what that breaks, and judged again.

What is merely old enough waits for what it needs. What is urgent, approved or shown already brings
along what it needs, unless a person holds that. Three things may be lacking: what a package
requires (`closure`), what a module requires of other modules, and, where all of that is offered, a
set of packages that a client can install together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

from ..errors import RefusedError
from .builds import Build, Item, ModuleBuild, repository_arch
from .closure import Dependencies, Gap, gaps, lacking, offering, orphans
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


class Lack(NamedTuple):
    """Builds that lack something.

    Attributes:
        asking: their names.
        needs: what, for people: `curl-8 needs libcurl = 8`.
        offers: sets of builds, each of which would do if all of it passed; none: nothing would.
        offered: what would do, for people, also where it never passes.
        apart: the module version (`nsvc`) that lacks it, where all of its builds pass without.
    """

    asking: frozenset[str]
    needs: str
    offers: tuple[frozenset[str], ...]
    offered: tuple[str, ...]
    apart: str = ""


def settle(judge: Judge, dependencies: Mapping[str, Dependencies]) -> Settled:
    """Each round pulls something in or holds something back for good, so there is a last one.

    Args:
        dependencies: by the arch of the repositories.

    Raises:
        RefusedError: the rules contradict each other: names the packages and what they lack.
    """
    overrides = Overrides()
    index = _Index(judge)
    while True:
        verdicts, modules = judge.verdicts(overrides)
        chosen = _chosen(judge, verdicts)
        looking = _Round(index, dependencies, verdicts, modules, _by_arch(chosen))
        lacks = [*looking.requirements(), *looking.modules(), *looking.memberships()]
        lacks = lacks or [*looking.installations()]
        if not lacks:
            return Settled(verdicts, frozenset(modules), chosen)
        broken = [lack for lack in lacks if not _mend(judge, verdicts, overrides, lack)]
        if broken:
            raise _contradiction(verdicts, broken)


class _Index:
    """Items and builds by arch and SHA-256; `everything` and what is not `filtered`, by arch."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.item: dict[tuple[str, str], Item] = {}
        self.build: dict[tuple[str, str], Build] = {}
        self.everything: dict[str, set[str]] = {}
        self.free: dict[str, set[str]] = {}
        self._orphans: dict[str, set[str]] = {}
        for build in judge.builds.values():
            for item in build.items:
                arch, sha = repository_arch(item.repository), item.package.sha256
                self.item[arch, sha] = item
                self.build[arch, sha] = build
                self.everything.setdefault(arch, set()).add(sha)
                if judge.filtered(item.package) is None:
                    self.free.setdefault(arch, set()).add(sha)

    def orphans(self, arch: str, known: Dependencies) -> set[str]:
        if arch not in self._orphans:
            self._orphans[arch] = orphans(known.requirements, self.everything[arch])
        return self._orphans[arch]

    def nevra(self, arch: str, sha256: str) -> str:
        return self.item[arch, sha256].package.nevra


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


class _Round:
    """What is lacking where `chosen` (by arch) passes, though all of the tree together has it."""

    def __init__(
        self,
        index: _Index,
        dependencies: Mapping[str, Dependencies],
        verdicts: Mapping[str, Verdict],
        passing: Set[str],
        chosen: Mapping[str, Set[str]],
    ) -> None:
        self._index = index
        self._dependencies = dependencies
        self._verdicts = verdicts
        self._passing = passing
        self._chosen = chosen

    def requirements(self) -> Iterator[Lack]:
        for arch, known in sorted(self._dependencies.items()):
            chosen = self._chosen.get(arch, set())
            for gap in gaps(known.requirements, self._index.everything.get(arch, set()), chosen):
                yield self._requirement(arch, gap, chosen)

    def _requirement(self, arch: str, gap: Gap, chosen: Set[str]) -> Lack:
        index, wanted = self._index, gap.requirement.offered_by
        free = lacking(wanted, chosen) & index.free.get(arch, set())
        known = offering(wanted) & index.everything[arch]
        return Lack(
            frozenset({index.build[arch, gap.package].name}),
            f"{index.nevra(arch, gap.package)} needs {gap.requirement.text}",
            tuple(frozenset({name}) for name in {index.build[arch, sha].name for sha in free}),
            tuple(index.nevra(arch, sha) for sha in sorted(known)),
        )

    def modules(self) -> Iterator[Lack]:
        by_arch: dict[str, list[ModuleBuild]] = {}
        for module in self._index.judge.facts.modules:
            by_arch.setdefault(repository_arch(module.repository), []).append(module)
        others = set(self._passing)
        for _, modules in sorted(by_arch.items()):
            there = [m for m in modules if m.nsvc in self._passing and self._offered(m)]
            for asking in sorted(there, key=lambda m: m.version, reverse=True):
                own = self._own(asking)
                for need in sorted(asking.requires, key=str) if own else ():
                    meeting = [module for module in modules if need.met_by(module)]
                    offers = tuple(offer for offer in map(self._late, meeting) if offer)
                    # A document that upstream withdrew, not its packages, is upstream's gap.
                    never = not offers and all(module.gone for module in meeting)
                    if not never and not any(need.met_by(module) for module in there):
                        yield Lack(
                            own,
                            f"module {asking.nsvc} needs {need}",
                            offers,
                            tuple(sorted({module.nsvc for module in meeting})),
                            self._apart(asking, others),
                        )

    def _apart(self, asking: ModuleBuild, others: set[str]) -> str:
        """Its `nsvc` where all of its builds pass with `others`, of which it then is none."""
        judge = self._index.judge
        listing = [judge.builds[n].modules - {asking.nsvc} for n in judge.members[asking.nsvc]]
        if asking.gone or any(others.isdisjoint(each) for each in listing):
            return ""
        others.discard(asking.nsvc)
        return asking.nsvc

    def memberships(self) -> Iterator[Lack]:
        """What is needed comes with its module: alone it would be shown as a package of none."""
        judge = self._index.judge
        current = [module for module in judge.facts.modules if not module.gone]
        for name, verdict in sorted(self._verdicts.items()):
            listed = judge.builds[name].modules
            if verdict.passes and listed and not listed & self._passing:
                listing = [module for module in current if module.nsvc in listed]
                if listing:
                    known = tuple(sorted({module.nsvc for module in listing}))
                    yield Lack(
                        frozenset({name}),
                        f"{name} needs the module",
                        tuple(offer for offer in map(self._late, listing) if offer),
                        known,
                    )

    def _own(self, module: ModuleBuild) -> frozenset[str]:
        """Builds that pass of this version alone; all that do where there are none."""
        members = self._index.judge.members.get(module.nsvc, set())
        names = {name for name in members if self._verdicts[name].passes}
        builds = self._index.judge.builds
        own = {name for name in names if builds[name].modules == {module.nsvc}}
        return frozenset(own or names)

    def _offered(self, module: ModuleBuild) -> bool:
        """Whether any package of it is left by the filters; a module may have none."""
        judge = self._index.judge
        names = judge.members.get(module.nsvc, set())
        items = [item for name in names for item in judge.builds[name].items]
        return not items or any(judge.filtered(item.package) is None for item in items)

    def _late(self, module: ModuleBuild) -> frozenset[str]:
        """What of it does not pass, and upstream still has where it has the module."""
        judge = self._index.judge
        late = frozenset(
            name
            for name in judge.members.get(module.nsvc, set())
            if not self._verdicts[name].passes and (module.gone or not judge.builds[name].gone)
        )
        return late if self._offered(module) else frozenset()

    def installations(self) -> Iterator[Lack]:
        """Where everything is offered, what is offered may exclude each other."""
        index = self._index
        for arch, known in sorted(self._dependencies.items()):
            chosen = self._chosen.get(arch, set())
            if chosen == index.everything.get(arch, set()):
                continue
            # Each would be tried on its own: of a tree that stands on another, all of them.
            chosen = chosen - index.orphans(arch, known)
            for sha, problem in sorted(known.not_installable(chosen).items()):
                whole = known.installed_with(sha, index.everything[arch], chosen)
                if whole:
                    yield self._installation(arch, known, sha, problem, whole - chosen)

    def _installation(
        self, arch: str, known: Dependencies, sha: str, problem: str, missed: Set[str]
    ) -> Lack:
        index, chosen = self._index, self._chosen[arch]
        free = index.free.get(arch, set())
        held = {
            other
            for other in free - chosen
            if self._verdicts[index.build[arch, other].name].kind == HELD
        }
        way = known.installed_with(sha, free - held, chosen)
        way = way or known.installed_with(sha, free, chosen)
        builds = frozenset(index.build[arch, other].name for other in way - chosen)
        return Lack(
            frozenset({index.build[arch, sha].name}),
            f"{index.nevra(arch, sha)} cannot be installed ({problem}) without one",
            (builds,) if builds else (),
            tuple(index.nevra(arch, other) for other in sorted(missed)),
        )


def _mend(judge: Judge, verdicts: Mapping[str, Verdict], overrides: Overrides, lack: Lack) -> bool:
    """Pull in what is missing, or hold back what misses it; False where neither can be."""
    if lack.apart:
        overrides.apart.add(lack.apart)
        return True
    # What upstream took away never comes by waiting.
    gone = {offer for offer in lack.offers if all(judge.builds[name].gone for name in offer)}
    forever = lack.offers and len(gone) == len(lack.offers)
    if forever or any(verdicts[name].kind in INSISTENT for name in lack.asking):
        if any(offer <= overrides.needed.keys() for offer in lack.offers):
            return True  # another that lacks it brings it in this round
        free = [o for o in lack.offers if all(verdicts[name].kind != HELD for name in o)]
        if not free:
            return False
        best = min(free, key=lambda offer: (offer in gone, _until(verdicts, offer), sorted(offer)))
        for name in best:
            overrides.needed.setdefault(name, lack.needs)
        return True
    if not lack.offers:
        return False
    first = min(min(offer) for offer in lack.offers)
    reason = f"{lack.needs} of {first}: {verdicts[first].reason}"
    for name in lack.asking:
        overrides.blocked[name] = Verdict(False, WITH, reason, verdicts[first].until)
    return True


def _until(verdicts: Mapping[str, Verdict], builds: Iterable[str]) -> int:
    return max(verdicts[name].until or 0 for name in builds)


def _contradiction(verdicts: Mapping[str, Verdict], broken: list[Lack]) -> RefusedError:
    lines = []
    for lack in broken[:_NAMED]:
        builds = sorted(name for offer in lack.offers for name in offer)
        held = [verdicts[name].reason for name in builds if verdicts[name].kind == HELD]
        why = f" ({held[0]})" if held else ""
        lines.append(f"{lack.needs} of {', '.join(lack.offered[:3])}{why}")
    more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    return RefusedError(
        "the policy would leave packages without what they need",
        expected="everything that a package needs passes with it",
        found="; ".join(lines) + more,
        way_out="release the hold, hold what needs it as well, or mend exclude and arches of the"
        " policy; nothing was published",
    )
