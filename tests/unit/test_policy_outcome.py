"""Which builds pass, and that what passes is closed; on worlds of a few packages."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuxmirror.core.advisory.model import Advisory, FixedPackage, Scope
from tuxmirror.core.errors import RefusedError
from tuxmirror.core.package import Package
from tuxmirror.core.policy import closure, settle
from tuxmirror.core.policy.builds import Item, ModuleBuild, ModuleNeed, artifact, source_name
from tuxmirror.core.policy.closure import Requirement, Requirements
from tuxmirror.core.policy.decisions import APPROVE, HOLD, Decision
from tuxmirror.core.policy.outcome import decide
from tuxmirror.core.policy.rules import Policy
from tuxmirror.core.policy.select import Facts, Judge, span

DAY = 86400
NOW = 100 * DAY
REPO = "BaseOS/x86_64"


def package(name, version, arch="x86_64", source=None, release="1.el9"):
    """Its SHA-256 is its NEVRA, so that tests read well."""
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

    def judge(self, now=NOW):
        here = {p.sha256 for p in self.candidate}
        items = [Item(REPO, p, False) for p in self.candidate]
        items += [Item(REPO, p, True) for p in self.shown if p.sha256 not in here]
        seen = {nevra: now - int(days * DAY) for nevra, days in self.ages.items()}
        shown = frozenset(p.sha256 for p in self.shown)
        facts = Facts(items, self.modules, self.advisories, seen, shown)
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


A1, A2 = package("a", "1"), package("a", "2")
B1, B2 = package("b", "1"), package("b", "2")


def test_young_builds_wait_and_old_ones_pass():
    world = World(candidate=[A1, A2, B1, B2], shown=[A1, B1], ages={A2.nevra: 6, B2.nevra: 7})
    assert world.passes() == {A1.nevra, B1.nevra, B2.nevra}
    [note] = world.decide().held
    assert (note.nevra, note.reason, note.until) == (A2.nevra, "younger than 7 d", NOW + DAY)


def test_a_build_is_as_young_as_its_youngest_package_and_moves_as_one():
    one, other = package("libx", "2", source="x"), package("x-tools", "2", source="x")
    twin = package("libx", "2", arch="i686", source="x")
    world = World(candidate=[one, other, twin], ages={twin.nevra: 1, one.nevra: 30})
    assert world.passes() == set()
    world.ages[twin.nevra] = 8
    assert world.passes() == {one.nevra, other.nevra, twin.nevra}


@pytest.mark.parametrize("rule", ["Critical", "CVE-2023-0001"])
def test_fast_track(rule):
    world = World(
        policy=Policy("p", soak=7 * DAY, fast_track=(rule,)),
        candidate=[A1, A2, B1, B2],
        shown=[A1, B1],
        ages={A2.nevra: 0, B2.nevra: 0},
        advisories=[
            advisory("ALSA-2023:1", "Critical", ("CVE-2023-0001",), A2),
            advisory("ALSA-2023:2", "Low", ("CVE-2023-0002",), B2),
        ],
    )
    assert world.passes() == {A1.nevra, A2.nevra, B1.nevra}


def test_what_upstream_took_away_stays_while_its_successor_waits():
    world = World(candidate=[A2], shown=[A1], ages={A2.nevra: 1})
    assert world.passes() == {A1.nevra}
    assert [note.nevra for note in world.decide().kept] == [A1.nevra]
    world.ages[A2.nevra] = 8
    assert world.passes() == {A2.nevra}


def test_what_upstream_withdrew_goes():
    world = World(candidate=[B1], shown=[A1, B1])
    assert world.passes() == {B1.nevra}


def test_a_channel_never_goes_back_to_an_older_build_by_waiting():
    older = package("a", "0")
    world = World(candidate=[older, A2], shown=[A1, older], ages={A2.nevra: 1})
    assert world.passes() == {older.nevra, A1.nevra}


def test_a_hold_lets_nothing_new_in_and_takes_nothing_away():
    world = World(candidate=[A1, A2, B2], shown=[A1], decisions=[hold("a")])
    assert world.passes() == {A1.nevra, B2.nevra}
    assert "held by ann: a: because" in world.decide().held[0].reason


def test_a_hold_keeps_what_upstream_replaced():
    world = World(candidate=[A2], shown=[A1], decisions=[hold("a")])
    assert world.passes() == {A1.nevra}


@pytest.mark.parametrize(
    ("pattern", "held"),
    [
        ("a", True), ("a*", True), ("a-2-1.el9", True), ("a-2-1.el9.x86_64", True),
        ("a-0:2-1.el9.x86_64", True), ("a.x86_64", True), ("a-2", True), ("source:a", True),
        ("ALSA-2023:1", True), ("CVE-2023-0001", True), ("b", False), ("a-1*", False),
        ("a.i686", False), ("source:b", False), ("ALSA-2023:2", False), ("CVE-2023-0002", False),
    ],
)  # fmt: skip
def test_patterns(pattern, held):
    known = advisory("ALSA-2023:1", "Low", ("CVE-2023-0001",), A2)
    world = World(candidate=[A2], advisories=[known], decisions=[hold(pattern)])
    assert world.passes() == (set() if held else {A2.nevra})


def test_the_later_decision_counts():
    both = [hold("a", 1), hold("a", 2, APPROVE)]
    world = World(candidate=[A2], ages={A2.nevra: 0}, decisions=both)
    assert world.passes() == {A2.nevra}
    world.decisions = [hold("a", 1, APPROVE), hold("a", 2)]
    assert world.passes() == set()


def test_newest_versions_stay_whole():
    versions = [package("a", str(n)) for n in range(1, 6)]
    extra = package("a-doc", "2", source="a")
    world = World(Policy("p", newest=2), candidate=[*versions, extra], shown=versions[:3])
    # Version 2 has the newest a-doc: it stays, whole.
    assert world.passes() == {versions[n].nevra for n in (1, 3, 4)} | {extra.nevra}


def test_packages_left_out_by_what_they_are():
    debug, source = package("a-debuginfo", "1", source="a"), package("a", "1", arch="src")
    other, noarch = package("a", "1", arch="i686"), package("a-data", "1", arch="noarch")
    everything = [A1, debug, source, other, noarch]
    assert World(candidate=everything).passes() == {A1.nevra, other.nevra, noarch.nevra}
    arches = Policy("p", arches=("x86_64",), debug=True, source=True)
    assert World(arches, candidate=everything).passes() == {
        A1.nevra, debug.nevra, source.nevra, noarch.nevra,
    }  # fmt: skip
    found = World(Policy("p", exclude=("a-d*",)), candidate=everything).decide()
    assert found.filtered == {
        "debug packages are left out": 1, "excluded: a-d*": 1, "source packages are left out": 1,
    }  # fmt: skip


# -- modules ---------------------------------------------------------------------------------------


def module(version, *packages, gone=False, stream="18"):
    artifacts = frozenset(artifact(p) for p in packages)
    return ModuleBuild(REPO, "nodejs", stream, version, "c", "x86_64", artifacts, frozenset(), gone)


def test_a_modules_version_waits_as_a_whole():
    node1, node2, npm2 = package("nodejs", "1"), package("nodejs", "2"), package("npm", "2")
    shared = package("nodejs-packaging", "1")
    world = World(
        candidate=[node1, node2, npm2, shared],
        shown=[node1, shared],
        ages={npm2.nevra: 1},
        modules=[module(1, node1, shared), module(2, node2, npm2, shared)],
    )
    assert world.passes() == {node1.nevra, shared.nevra}
    assert world.decide().selection.modules_left_out == {REPO: frozenset({"nodejs:18:2:c"})}
    waiting = {note.nevra: note.reason for note in world.decide().held}
    assert waiting[node2.nevra].startswith("module nodejs:18:2:c waits for npm-2")
    world.ages = {}
    assert world.passes() == {p.nevra for p in world.candidate}


def test_an_urgent_package_brings_its_module_along():
    node2, npm2 = package("nodejs", "2"), package("npm", "2")
    world = World(
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
        candidate=[node2, npm2],
        ages={node2.nevra: 0, npm2.nevra: 0},
        modules=[module(2, node2, npm2)],
        advisories=[advisory("ALSA-2023:1", "Critical", (), node2)],
    )
    assert world.passes() == {node2.nevra, npm2.nevra}
    assert [note.nevra for note in world.decide().pulled] == [npm2.nevra]


def test_a_modules_version_that_upstream_took_away_stays_while_the_next_one_waits():
    node1, node2 = package("nodejs", "1"), package("nodejs", "2")
    world = World(
        candidate=[node2],
        shown=[node1],
        ages={node2.nevra: 1},
        modules=[module(2, node2), module(1, node1, gone=True)],
    )
    assert world.passes() == {node1.nevra}
    found = world.decide().selection
    assert found.modules_kept == {REPO: frozenset({"nodejs:18:1:c"})}
    world.ages = {}
    assert world.passes() == {node2.nevra}
    assert world.decide().selection.modules_kept == {}


def test_newest_of_a_module_stream():
    builds = [package("nodejs", str(n)) for n in range(1, 4)]
    modules = [module(n, build) for n, build in enumerate(builds, 1)]
    world = World(Policy("p", newest=1), candidate=builds, modules=modules)
    assert world.passes() == {builds[2].nevra}
    left = world.decide().selection.modules_left_out[REPO]
    assert left == {"nodejs:18:1:c", "nodejs:18:2:c"}


# -- closure ---------------------------------------------------------------------------------------


def test_what_is_old_enough_waits_for_what_it_needs():
    world = World(
        candidate=[A1, A2, B1, B2],
        shown=[A1, B1],
        ages={B2.nevra: 1},
        requires={A2.nevra: [{B2.nevra}], A1.nevra: [{B1.nevra}]},
    )
    assert world.passes() == {A1.nevra, B1.nevra}
    reasons = {note.nevra: note for note in world.decide().held}
    assert f"{A2.nevra} needs one of {B2.nevra}" in reasons[A2.nevra].reason
    assert reasons[A2.nevra].until == reasons[B2.nevra].until


def test_what_is_urgent_brings_along_what_it_needs():
    world = World(
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
        candidate=[A1, A2, B1, B2],
        shown=[A1, B1],
        ages={A2.nevra: 0, B2.nevra: 0},
        advisories=[advisory("ALSA-2023:1", "Critical", (), A2)],
        requires={A2.nevra: [{B2.nevra}]},
    )
    assert world.passes() == {A1.nevra, A2.nevra, B1.nevra, B2.nevra}
    [note] = world.decide().pulled
    assert (note.nevra, note.reason) == (B2.nevra, f"{A2.nevra} needs one of {B2.nevra}")


def test_what_is_urgent_and_needs_what_a_person_holds_is_refused():
    world = World(
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
        candidate=[A1, A2, B1, B2],
        shown=[A1, B1],
        ages={A2.nevra: 0},
        advisories=[advisory("ALSA-2023:1", "Critical", (), A2)],
        requires={A2.nevra: [{B2.nevra}]},
        decisions=[hold("b")],
    )
    with pytest.raises(RefusedError, match="without what they need") as caught:
        world.decide()
    assert f"{A2.nevra} needs one of {B2.nevra}" in caught.value.found
    assert "held by ann" in caught.value.found


def test_a_rule_that_leaves_out_what_others_need_is_refused():
    world = World(
        Policy("p", exclude=("b",)),
        candidate=[A1, B1],
        requires={A1.nevra: [{B1.nevra}]},
    )
    with pytest.raises(RefusedError, match="without what they need"):
        world.decide()


def test_what_upstream_itself_lacks_is_no_rules_doing():
    world = World(candidate=[A1], requires={A1.nevra: [{"elsewhere"}]})
    assert world.passes() == {A1.nevra}


def test_what_is_kept_keeps_what_it_needs():
    """a-1 was taken away and stays for a-2; it needs b-1, which b-2 replaced."""
    world = World(
        candidate=[A2, B2],
        shown=[A1, B1],
        ages={A2.nevra: 1},
        requires={A1.nevra: [{B1.nevra}]},
    )
    assert world.passes() == {A1.nevra, B1.nevra, B2.nevra}


def test_what_upstream_withdrew_stays_for_what_needs_it_whenever_it_is_asked():
    world = World(
        Policy("p", newest=2),
        candidate=[A1, package("a", "3")],
        shown=[A1, A2],
        requires={A1.nevra: [{A2.nevra}]},
    )
    for _ in range(2):
        assert world.passes() == {A1.nevra, A2.nevra, "a-3-1.el9.x86_64"}
        [note] = world.decide().kept
        assert (note.nevra, note.reason) == (A2.nevra, f"{A1.nevra} needs one of {A2.nevra}")
        world.shown = [*world.candidate, A2]


def test_what_is_asked_twice_is_said_with_its_first_reasons():
    world = World(
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
        candidate=[A2, B2],
        ages={A2.nevra: 0, B2.nevra: 0},
        advisories=[advisory("ALSA-2023:1", "Critical", (), A2)],
        requires={A2.nevra: [{B2.nevra}]},
    )
    found = world.decide().verdicts
    assert {name: verdict.kind for name, verdict in found.items()} == {
        "a-2-1.el9.src.rpm": "fast", "b-2-1.el9.src.rpm": "needed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "chosen", "helps"),
    [
        (("and", frozenset("a"), frozenset("b")), "a", "b"),
        (("and", frozenset("a"), frozenset("b")), "", "ab"),
        (("or", frozenset("a"), frozenset("b")), "", "ab"),
        (("if", frozenset("a"), frozenset("b")), "b", "a"),
        (("if", frozenset("a"), frozenset("b"), frozenset("c")), "d", "c"),
        (("unless", frozenset("a"), frozenset("b")), "d", "a"),
        (("unless", frozenset("a"), frozenset("b"), frozenset("c")), "b", "ac"),
        (("unless", frozenset("a"), frozenset("b"), frozenset("c")), "d", "a"),
    ],
)
def test_what_helps_a_rich_dependency(expression, chosen, helps):
    assert not closure.holds(expression, set(chosen))
    assert closure.lacking(expression, set(chosen)) == set(helps)


def test_a_condition_that_is_met_pulls_in_what_it_asks_for_and_not_itself():
    """a needs (b-2 if c): c is there, and was once taken for what is missing, for ever."""
    c = package("c", "1")
    world = World(candidate=[A1, c, B2], shown=[A1, c], ages={B2.nevra: 0})
    rich = Requirement("(b if c)", ("if", frozenset({B2.nevra}), frozenset({c.nevra})))
    needs = {"x86_64": Known(Requirements((rich,), {A1.nevra: (0,)}))}
    found = decide(world.judge(), needs)
    assert [(note.nevra, note.reason) for note in found.pulled] == [
        (B2.nevra, f"{A1.nevra} needs (b if c)")
    ]


@pytest.mark.parametrize(
    ("expression", "chosen", "expected"),
    [
        (("and", frozenset("a"), frozenset("b")), "a", False),
        (("and", frozenset("a"), frozenset("b")), "ab", True),
        (("or", frozenset("a"), frozenset("b")), "b", True),
        (("if", frozenset("a"), frozenset("b")), "c", True),
        (("if", frozenset("a"), frozenset("b")), "b", False),
        (("if", frozenset("a"), frozenset("b"), frozenset("c")), "d", False),
        (("unless", frozenset("a"), frozenset("b")), "b", True),
        (("unless", frozenset("a"), frozenset("b")), "d", False),
    ],
)
def test_rich_dependencies(expression, chosen, expected):
    assert closure.holds(expression, set(chosen)) is expected


# -- what can be installed together ----------------------------------------------------------------


def excluding(**fields):
    """a-2 needs some b, and b-1, which the channel shows, excludes it; b-2 is young."""
    known = {
        "candidate": [A1, A2, B1, B2], "shown": [A1, B1], "ages": {B2.nevra: 1},
        "requires": {A2.nevra: [{B1.nevra, B2.nevra}]}, "excluding": [{A2.nevra, B1.nevra}],
    }  # fmt: skip
    return World(**{**known, **fields})


def test_what_cannot_be_installed_with_what_is_there_waits():
    world = excluding()
    assert world.passes() == {A1.nevra, B1.nevra}
    [reason] = [note for note in world.decide().held if note.nevra == A2.nevra]
    assert reason.reason.startswith(f"{A2.nevra} cannot be installed (excluded) without one of b-2")
    assert reason.until == NOW + 6 * DAY
    world.ages = {}
    assert world.passes() == {p.nevra for p in world.candidate}


def test_what_is_urgent_brings_along_what_it_can_be_installed_with():
    world = excluding(
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
        advisories=[advisory("ALSA-2023:1", "Critical", (), A2)],
    )
    assert world.passes() == {p.nevra for p in world.candidate}
    [note] = world.decide().pulled
    assert note.nevra == B2.nevra


@pytest.mark.parametrize("decision", ["hold", "exclude"])
def test_what_is_urgent_and_cannot_be_installed_without_what_never_passes(decision):
    world = excluding(
        policy=Policy(
            "p",
            soak=7 * DAY,
            fast_track=("Critical",),
            exclude=("b-2",) if decision == "exclude" else (),
        ),
        advisories=[advisory("ALSA-2023:1", "Critical", (), A2)],
        decisions=[hold("b-2")] if decision == "hold" else [],
    )
    with pytest.raises(RefusedError, match="without what they need") as caught:
        world.decide()
    assert f"{A2.nevra} cannot be installed (excluded) without one of {B2.nevra}" in (
        caught.value.found
    )


def test_what_upstream_itself_offers_and_nobody_can_install_passes():
    world = World(candidate=[A2, B1], requires={A2.nevra: [{B1.nevra}]}, ages={B2.nevra: 1},
                  excluding=[{A2.nevra, B1.nevra}])  # fmt: skip
    assert world.passes() == {A2.nevra, B1.nevra}


def test_what_needs_another_tree_is_not_tried(monkeypatch):
    """One by one that takes minutes of a tree that stands on another, as EPEL does on AlmaLinux."""
    asked = []
    usual = Known.not_installable
    monkeypatch.setattr(
        Known, "not_installable", lambda known, among: asked.append(among) or usual(known, among)
    )
    world = World(
        candidate=[A2, B2], shown=[A1, B1], ages={B2.nevra: 1},
        requires={A2.nevra: [set()], B1.nevra: [{A2.nevra}]},
    )  # fmt: skip
    assert world.passes() == {A2.nevra, B1.nevra}
    assert asked
    assert not any({A2.nevra, B1.nevra} & among for among in asked)


def test_a_gate_that_lets_what_cannot_be_installed_through_is_noticed(monkeypatch):
    """Mutant of the first of these."""
    monkeypatch.setattr(Known, "not_installable", lambda *_: {})
    assert excluding().passes() == {A1.nevra, A2.nevra, B1.nevra}


# -- what modules need of each other ---------------------------------------------------------------


def streams(need, **fields):
    """Version 2 of app:1 needs `need`; perl:5.32 is young, and nothing of it is shown."""
    app, perl = package("app", "2"), package("perl", "5")
    known = {
        "candidate": [app, perl], "ages": {perl.nevra: 1},
        "modules": [
            built("app", "1", 2, app, requires=[need]), built("perl", "5.32", 1, perl),
        ],
    }  # fmt: skip
    return World(**{**known, **fields})


def built(name, stream, version, *packages, requires=()):
    artifacts = frozenset(artifact(p) for p in packages)
    needs = frozenset(requires)
    return ModuleBuild(REPO, name, stream, version, "c", "x86_64", artifacts, needs)


NEEDS = ModuleNeed("perl", frozenset({"5.32"}))
BOTH = {"app-2-1.el9.x86_64", "perl-5-1.el9.x86_64"}


@pytest.mark.parametrize(
    ("need", "waits"),
    [
        (NEEDS, True), (ModuleNeed("perl"), True), (ModuleNeed("perl", frozenset({"5.30"})), False),
        (ModuleNeed("perl", frozenset({"5.30"}), True), True), (ModuleNeed("php"), False),
        (ModuleNeed("perl", frozenset({"5.32"}), True), False),
    ],
)  # fmt: skip
def test_a_module_waits_for_the_module_that_it_needs(need, waits):
    """Where upstream has none that would do, that is upstream's gap."""
    world = streams(need)
    assert world.passes() == (set() if waits else {"app-2-1.el9.x86_64"})
    if waits:
        [note] = [note for note in world.decide().held if note.nevra.startswith("app")]
        assert note.reason.startswith(f"module app:1:2:c needs {need} of perl-5-1.el9.src.rpm")
        assert world.decide().selection.modules_left_out[REPO] == {"app:1:2:c", "perl:5.32:1:c"}
    world.ages = {}
    assert world.passes() == BOTH


def test_an_urgent_module_brings_along_the_module_that_it_needs():
    app = package("app", "2")
    world = streams(
        NEEDS,
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
        advisories=[advisory("ALSA-2023:1", "Critical", (), app)],
    )
    assert world.passes() == BOTH
    [note] = world.decide().pulled
    assert note.reason == "module app:1:2:c needs module perl:5.32"


@pytest.mark.parametrize("way", ["hold", "exclude"])
def test_a_module_that_is_needed_and_never_passes_is_refused(way):
    app = package("app", "2")
    world = streams(
        NEEDS,
        policy=Policy(
            "p",
            soak=7 * DAY,
            fast_track=("Critical",),
            exclude=("perl*",) if way == "exclude" else (),
        ),
        advisories=[advisory("ALSA-2023:1", "Critical", (), app)],
        decisions=[hold("perl")] if way == "hold" else [],
    )
    with pytest.raises(RefusedError, match="without what they need") as caught:
        world.decide()
    assert "module app:1:2:c needs module perl:5.32 of perl:5.32:1:c" in caught.value.found


def test_modules_that_are_not_asked_what_they_need_are_noticed(monkeypatch):
    """Mutant."""
    monkeypatch.setattr(settle._Round, "modules", lambda _: ())
    assert streams(NEEDS).passes() == {"app-2-1.el9.x86_64"}


# -- whatever the world looks like -----------------------------------------------------------------

NAMES = "abcdef"


@st.composite
def worlds(draw):
    """Versions 1 to 3 of a few packages, ages, holds, needs that the whole world can meet, and
    packages that exclude each other."""
    every = [package(name, str(version)) for name in NAMES for version in (1, 2, 3)]
    candidate = draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    shown = draw(st.lists(st.sampled_from(every), unique=True))
    universe = sorted({p.nevra for p in (*candidate, *shown)})
    subsets = st.sets(st.sampled_from(universe), min_size=1, max_size=3)
    requires = draw(
        st.dictionaries(st.sampled_from(universe), st.lists(subsets, max_size=2), max_size=8)
    )
    ages = draw(st.dictionaries(st.sampled_from(universe), st.integers(0, 14)))
    held = draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))
    urgent = draw(st.lists(st.sampled_from(candidate), max_size=2, unique=True))
    newest = draw(st.integers(0, 2))
    shown = _closed(shown, requires)
    there = {p.nevra for p in (*candidate, *shown)}
    requires = {
        nevra: [offers & there for offers in needs if offers & there]
        for nevra, needs in requires.items()
    }
    pairs = st.sets(st.sampled_from(sorted(there)), min_size=min(2, len(there)), max_size=2)
    return World(
        excluding=[pair for pair in draw(st.lists(pairs, max_size=2)) if len(pair) == 2],
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",), newest=newest),
        candidate=candidate,
        shown=shown,
        ages=ages,
        advisories=[advisory("ALSA-2023:1", "Critical", (), *urgent)],
        decisions=[hold(name) for name in held],
        requires=requires,
    )


def _closed(packages, requires):
    """A channel shows nothing that lacks something: that is what is to be kept up."""
    names = {p.nevra for p in packages}
    while lacking := {
        n for n in names if any(not (offers & names) for offers in requires.get(n, ()))
    }:
        names -= lacking
    return [p for p in packages if p.nevra in names]


@settings(deadline=None, max_examples=150)
@given(worlds())
def test_what_passes_is_closed_and_keeps_its_promises(world):
    try:
        passed = world.passes()
    except RefusedError as error:
        assert world.decisions, error  # only people contradict what is urgent
        return
    for nevra in passed:
        for offers in world.requires.get(nevra, ()):
            assert offers & passed, (nevra, offers)
    known, there = world.requirements["x86_64"], {p.nevra for p in (*world.candidate, *world.shown)}
    for nevra in known.not_installable(passed):
        assert not known.installed_with(nevra, there, set()), nevra
    shown = {p.nevra for p in world.shown}
    pulled = {note.nevra for note in world.decide().pulled}
    for p in world.candidate:
        if any(d.pattern == p.name for d in world.decisions):
            assert p.nevra not in passed - shown - pulled
        if p.nevra in shown and not world.policy.newest:
            assert p.nevra in passed
    names = {p.name for p in world.candidate}
    lost = {p.name for p in world.shown} - {n.rsplit("-", 2)[0] for n in passed}
    assert not lost & names, "a package was lost by waiting"


@settings(deadline=None, max_examples=150)
@given(worlds())
def test_asking_again_comes_to_the_same(world):
    try:
        passed = world.passes()
    except RefusedError:
        return
    by_nevra = {p.nevra: p for p in (*world.candidate, *world.shown)}
    again = dataclasses.replace(world, shown=[by_nevra[nevra] for nevra in sorted(passed)])
    assert again.passes() == passed


def test_an_outcome_that_is_not_asked_again_is_noticed(monkeypatch):
    """Mutant: a-2 brings along a-1, which upstream withdrew, and a-3, which takes its place; then
    nothing needs a-1 any more. Without asking again that shows only after the next sync."""
    a3 = package("a", "3")
    world = World(
        Policy("p", soak=7 * DAY, fast_track=("Critical",), newest=1),
        candidate=[A2, a3],
        shown=[A1],
        ages={A2.nevra: 0, a3.nevra: 0},
        advisories=[advisory("ALSA-2023:1", "Critical", (), A2)],
        requires={A2.nevra: [{A1.nevra}, {a3.nevra}]},
    )
    assert world.passes() == {a3.nevra}
    monkeypatch.setattr(Judge, "showing", lambda judge, *_: judge)
    assert world.passes() == {A1.nevra, a3.nevra}


def test_a_closure_that_looks_at_nothing_is_noticed(monkeypatch):
    """Mutant: without the gates, the property above fails on this world."""
    world = World(
        candidate=[A2, B1, B2], shown=[B1], ages={B2.nevra: 1}, requires={A2.nevra: [{B2.nevra}]}
    )
    assert world.passes() == {B1.nevra}
    monkeypatch.setattr(settle, "gaps", lambda *_: [])
    # What is not offered cannot be installed either: the last gate still sees it.
    assert world.passes() == {B1.nevra}
    monkeypatch.setattr(Known, "not_installable", lambda *_: {})
    assert world.passes() == {A2.nevra, B1.nevra}


@pytest.mark.parametrize(("seconds", "text"), [(7 * DAY, "7 d"), (5400, "90 min"), (1, "1 s")])
def test_span(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("sourcerpm", "name"),
    [("openssl-3.0.7-24.el9.src.rpm", "openssl"), ("nss-softokn-3-1.src.rpm", "nss-softokn"),
     ("", "a")],
)  # fmt: skip
def test_source_name(sourcerpm, name):
    assert source_name(A1._replace(sourcerpm=sourcerpm)) == name


def test_a_build_waits_on_all_arches_where_one_of_them_lacks_what_it_needs():
    arm = "BaseOS/aarch64"
    here, there = package("a", "2"), package("a", "2", arch="aarch64")
    young = package("b", "1", arch="aarch64")
    items = [Item(REPO, here, False), Item(arm, there, False), Item(arm, young, False)]
    facts = Facts(items, [], [], {young.nevra: NOW - DAY}, frozenset())
    judge = Judge(Policy("p", soak=7 * DAY), [], facts, NOW, compare)
    needs = Requirement("b", frozenset({young.nevra}))
    dependencies = {
        "aarch64": Known(Requirements((needs,), {there.nevra: (0,)})),
        "x86_64": Known(Requirements((), {})),
    }
    left = decide(judge, dependencies).selection.left_out
    assert left == {REPO: {here.nevra}, arm: {there.nevra, young.nevra}}
    assert settle.settle(judge, {}).chosen[arm] == {there.nevra}  # mutant: nobody looks
