"""What holds of a policy's outcome whatever the world looks like."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.worlds import (
    A1,
    A2,
    B1,
    B2,
    DAY,
    REPO,
    Known,
    World,
    advisory,
    built,
    hold,
    package,
)
from tuxmirror.core.errors import RefusedError
from tuxmirror.core.policy import settle
from tuxmirror.core.policy.builds import ModuleNeed, artifact
from tuxmirror.core.policy.rules import Policy
from tuxmirror.core.policy.select import Judge

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


MODULAR = "abcd"


@st.composite
def modular_worlds(draw):
    """Packages of one or two modules' streams, some of none; modules that need each other."""
    every = [package(name, str(version)) for name in MODULAR for version in (1, 2, 3)]
    candidate = draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    shown = draw(st.lists(st.sampled_from(every), unique=True))
    modules = _modules(draw, candidate, shown)
    universe = sorted({p.nevra for p in (*candidate, *shown)})
    subsets = st.sets(st.sampled_from(universe), min_size=1, max_size=3)
    requires = draw(
        st.dictionaries(st.sampled_from(universe), st.lists(subsets, max_size=2), max_size=5)
    )
    shown = _closed_with_modules(candidate, shown, modules, requires)
    there = {p.nevra for p in (*candidate, *shown)}
    return World(
        policy=Policy(
            "p", soak=7 * DAY, fast_track=("Critical",), newest=draw(st.integers(0, 2))
        ),
        candidate=candidate,
        shown=shown,
        ages=draw(st.dictionaries(st.sampled_from(universe), st.integers(0, 14))),
        modules=[m for m in modules if not m.gone or any(_lists(m, p) for p in shown)],
        advisories=[
            advisory("ALSA-2023:1", "Critical", (),
                     *draw(st.lists(st.sampled_from(candidate), max_size=2, unique=True)))
        ],
        decisions=[hold(n) for n in draw(st.lists(st.sampled_from(MODULAR), max_size=1))],
        requires={n: [o & there for o in needs if o & there] for n, needs in requires.items()},
    )  # fmt: skip


def _modules(draw, candidate, shown):
    """Of each stream the versions that list any package, withdrawn where the candidate has none."""
    names = draw(st.permutations(MODULAR))
    first = draw(st.integers(1, 3))
    here, found = {p.nevra for p in candidate}, []
    for module, own in (("m", names[:first]), ("n", names[first : draw(st.integers(first, 4))])):
        other = "n" if module == "m" else "m"
        needs = st.sets(
            st.sampled_from([ModuleNeed(other), ModuleNeed(other, frozenset({"1"}))]), max_size=1
        )
        for version in (1, 2, 3):
            packages = [
                p
                for p in {p.nevra: p for p in (*candidate, *shown)}.values()
                if p.name in own and p.version == str(version)
            ]
            if packages:
                gone = not any(p.nevra in here for p in packages)
                found.append(
                    built(module, "1", version, *packages, requires=draw(needs), gone=gone)
                )
    return found


def _lists(module, package):
    return artifact(package) in module.artifacts


def _whole(module, candidate, passed, packages):
    """Whether all passes that is left of it."""
    here = {p.nevra for p in candidate}
    return all(
        p.nevra in passed
        for p in packages
        if _lists(module, p) and (module.gone or p.nevra in here)
    )


def _closed_with_modules(candidate, shown, modules, requires):
    """Also shows modules whole, and with those that they need."""
    packages = {p.nevra: p for p in (*candidate, *shown)}.values()
    while True:
        before = _closed(shown, requires)
        names = {p.nevra for p in before}
        whole = [m for m in modules if _whole(m, candidate, names, packages)]
        for module in modules:
            met = all(any(need.met_by(m) for m in whole) for need in module.requires)
            if module not in whole or not met:
                names -= {p.nevra for p in packages if _lists(module, p)}
        shown = [p for p in before if p.nevra in names]
        if len(shown) == len(before):
            return shown


def shows(world):
    """NEVRAs and `nsvc` that pass."""
    found = world.decide().selection
    modules = {m.nsvc for m in world.modules if not m.gone}
    modules -= found.modules_left_out.get(REPO, frozenset())
    return world.passes(), modules | found.modules_kept.get(REPO, frozenset())


@settings(deadline=None, max_examples=150)
@given(modular_worlds())
def test_modules_pass_whole_and_with_what_they_need(world):
    try:
        passed, modules = shows(world)
    except RefusedError as error:
        assert world.decisions, error
        return
    packages = {p.nevra: p for p in (*world.candidate, *world.shown)}
    there = [m for m in world.modules if m.nsvc in modules]
    for module in there:
        assert _whole(module, world.candidate, passed, packages.values()), module.nsvc
        for need in module.requires:
            if any(need.met_by(m) for m in world.modules):
                assert any(need.met_by(m) for m in there), (module.nsvc, str(need))
    for nevra in passed:
        listing = [m for m in world.modules if _lists(m, packages[nevra])]
        assert not listing or any(m in there for m in listing), f"{nevra} without its module"
        for offers in world.requires.get(nevra, ()):
            assert offers & passed, (nevra, offers)
    for p in world.candidate:
        if p in world.shown and not world.policy.newest:
            assert p.nevra in passed


@settings(deadline=None, max_examples=150)
@given(modular_worlds())
def test_asking_again_comes_to_the_same_of_modules(world):
    try:
        passed, modules = shows(world)
    except RefusedError:
        return
    by_nevra = {p.nevra: p for p in (*world.candidate, *world.shown)}
    again = dataclasses.replace(
        world,
        shown=[by_nevra[nevra] for nevra in sorted(passed)],
        modules=[m for m in world.modules if not m.gone or m.nsvc in modules],
        shown_modules=modules,
    )
    assert shows(again) == (passed, modules)


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
