"""Worlds of a few packages for the policy: what a channel shows, what its candidate has.

A package's SHA-256 is its NEVRA, so that tests read well.
"""

import dataclasses

from tuxmirror.core.advisory.model import Advisory, FixedPackage, Scope
from tuxmirror.core.package import Package
from tuxmirror.core.policy import closure
from tuxmirror.core.policy.builds import Item, ModuleBuild, artifact
from tuxmirror.core.policy.closure import Requirement, Requirements
from tuxmirror.core.policy.decisions import HOLD, Decision
from tuxmirror.core.policy.outcome import decide
from tuxmirror.core.policy.rules import Policy
from tuxmirror.core.policy.select import Facts, Judge

DAY = 86400
NOW = 100 * DAY
REPO = "BaseOS/x86_64"


def package(name, version, arch="x86_64", source=None, release="1.el9"):
    nevra = f"{name}-{version}-{release}.{arch}"
    sourcerpm = f"{source or name}-{version}-{release}.src.rpm"
    location = f"Packages/{nevra}.rpm"
    return Package(name, 0, version, release, arch, location, nevra, 1000, 1, sourcerpm)


def compare(one, other):
    key = [tuple(int(n) for n in evr[1].split(".")) for evr in (one, other)]
    return (key[0] > key[1]) - (key[0] < key[1])


class Known:
    """`closure.Dependencies` of a world: `excluding` are pairs of NEVRAs of which an installation
    has one alone. What it needs is looked for in turn, which does in worlds of so few packages."""

    def __init__(self, requirements, excluding=()):
        self.requirements = requirements
        self._excluding = [frozenset(pair) for pair in excluding]

    def not_installable(self, among):
        return {p: "excluded" for p in among if not self.installed_with(p, among, set())}

    def installed_with(self, package, among, rather):
        return self._with({package}, among, rather) or frozenset()

    def _with(self, have, among, rather):
        if any(pair <= have for pair in self._excluding):
            return None
        for owner in sorted(have):
            for number in self.requirements.of.get(owner, ()):
                wanted = self.requirements.known[number].offered_by
                if not closure.holds(wanted, have):
                    offers = closure.lacking(wanted, have) & among
                    for each in sorted(offers, key=lambda p: (p not in rather, p)):
                        if found := self._with(have | {each}, among, rather):
                            return found
                    return None
        return frozenset(have)


@dataclasses.dataclass
class World:
    """What a channel and its candidate have; `ages` in days by NEVRA."""

    policy: Policy = dataclasses.field(default_factory=lambda: Policy("p", soak=7 * DAY))
    candidate: list = dataclasses.field(default_factory=list)
    shown: list = dataclasses.field(default_factory=list)
    ages: dict = dataclasses.field(default_factory=dict)
    modules: list = dataclasses.field(default_factory=list)
    advisories: list = dataclasses.field(default_factory=list)
    decisions: list = dataclasses.field(default_factory=list)
    requires: dict = dataclasses.field(default_factory=dict)
    excluding: list = dataclasses.field(default_factory=list)
    shown_modules: object = None

    def _shown_modules(self):
        """As said; else those of which something is shown that no other lists."""
        if self.shown_modules is not None:
            return frozenset(self.shown_modules)
        shown = {artifact(p) for p in self.shown}
        return frozenset(
            m.nsvc
            for m in self.modules
            if m.gone
            or any(
                not any(a in other.artifacts for other in self.modules if other != m)
                for a in m.artifacts & shown
            )
        )

    def judge(self, now=NOW):
        here = {p.sha256 for p in self.candidate}
        items = [Item(REPO, p, False) for p in self.candidate]
        items += [Item(REPO, p, True) for p in self.shown if p.sha256 not in here]
        seen = {nevra: now - int(days * DAY) for nevra, days in self.ages.items()}
        shown = frozenset(p.sha256 for p in self.shown)
        facts = Facts(items, self.modules, self.advisories, seen, shown, self._shown_modules())
        return Judge(self.policy, self.decisions, facts, now, compare)

    @property
    def requirements(self):
        """`requires`: by NEVRA, sets of NEVRAs that offer it, one a requirement."""
        known, of = [], {}
        for nevra, wanted in self.requires.items():
            numbers = []
            for offered in wanted:
                numbers.append(len(known))
                known.append(Requirement("one of " + " ".join(sorted(offered)), frozenset(offered)))
            of[nevra] = tuple(numbers)
        return {"x86_64": Known(Requirements(tuple(known), of), self.excluding)}

    def decide(self):
        return decide(self.judge(), self.requirements)

    def passes(self):
        """NEVRAs."""
        found = self.decide().selection
        left = found.left_out.get(REPO, frozenset())
        names = {p.sha256 for p in self.candidate} - left
        return names | found.kept.get(REPO, frozenset())


def hold(pattern, time=1, kind=HOLD):
    return Decision(kind, pattern, "*", "*", None, "because", "ann", time)


def advisory(name, severity, cves, *packages):
    listed = tuple(FixedPackage(p.name, p.epoch, p.version, p.release, p.arch) for p in packages)
    scope = Scope("9.2", "essential")
    return Advisory(name, scope, "security", name, severity, 1, 1, listed, cves)


def built(name, stream, version, *packages, requires=(), gone=False):
    """A version of a module's stream."""
    artifacts = frozenset(artifact(p) for p in packages)
    needs = frozenset(requires)
    return ModuleBuild(REPO, name, stream, version, "c", "x86_64", artifacts, needs, gone)


A1, A2 = package("a", "1"), package("a", "2")
B1, B2 = package("b", "1"), package("b", "2")
