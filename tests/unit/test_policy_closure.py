"""What passes is closed: it has what it needs, and can be installed."""

import pytest

from tests.support.worlds import (
    A1,
    A2,
    B1,
    B2,
    DAY,
    NOW,
    REPO,
    Known,
    World,
    advisory,
    compare,
    hold,
    package,
)
from tuxmirror.core.errors import RefusedError
from tuxmirror.core.policy import closure, settle
from tuxmirror.core.policy.builds import Item
from tuxmirror.core.policy.closure import Requirement, Requirements
from tuxmirror.core.policy.outcome import decide
from tuxmirror.core.policy.rules import Policy
from tuxmirror.core.policy.select import Facts, Judge


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


def test_what_upstream_withdrew_is_found_by_what_needs_it_at_last():
    """a-1 waits at first, for f-2; meanwhile f-2 comes for f-1, and takes its place. What passes
    then is asked again: now a-1 passes, and needs f-1."""
    f1, f2, a3 = package("f", "1"), package("f", "2"), package("a", "3")
    world = World(
        candidate=[A1, f2],
        shown=[A2, a3, f1],
        ages={f2.nevra: 0},
        requires={A1.nevra: [{f1.nevra}, {f2.nevra}], f1.nevra: [{A2.nevra, f2.nevra}]},
    )
    assert world.passes() == {A1.nevra, f1.nevra, f2.nevra}


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


def test_a_build_waits_on_all_arches_where_one_of_them_lacks_what_it_needs():
    arm = "BaseOS/aarch64"
    here, there = package("a", "2"), package("a", "2", arch="aarch64")
    young = package("b", "1", arch="aarch64")
    items = [Item(REPO, here, False), Item(arm, there, False), Item(arm, young, False)]
    facts = Facts(items, [], [], {young.nevra: NOW - DAY}, frozenset(), frozenset())
    judge = Judge(Policy("p", soak=7 * DAY), [], facts, NOW, compare)
    needs = Requirement("b", frozenset({young.nevra}))
    dependencies = {
        "aarch64": Known(Requirements((needs,), {there.nevra: (0,)})),
        "x86_64": Known(Requirements((), {})),
    }
    left = decide(judge, dependencies).selection.left_out
    assert left == {REPO: {here.nevra}, arm: {there.nevra, young.nevra}}
    assert settle.settle(judge, {}).chosen[arm] == {there.nevra}  # mutant: nobody looks


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
