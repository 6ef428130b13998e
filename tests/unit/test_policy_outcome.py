"""Which builds pass, on worlds of a few packages."""

import pytest

from tests.support.worlds import A1, A2, B1, B2, DAY, NOW, World, advisory, hold, package
from tuxmirror.core.policy.builds import source_name
from tuxmirror.core.policy.decisions import APPROVE
from tuxmirror.core.policy.rules import Policy
from tuxmirror.core.policy.select import span


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
