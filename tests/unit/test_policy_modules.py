"""Modules under a policy: a version of a stream passes whole, and with the modules it needs."""

import pytest

from tests.support.worlds import DAY, REPO, World, advisory, built, hold, package
from tuxmirror.core.errors import RefusedError
from tuxmirror.core.policy import settle
from tuxmirror.core.policy.builds import ModuleNeed
from tuxmirror.core.policy.decisions import APPROVE
from tuxmirror.core.policy.rules import Policy


def module(version, *packages, gone=False):
    return built("nodejs", "18", version, *packages, gone=gone)


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


def test_upstream_goes_back_to_an_older_version_of_a_module_and_that_is_held():
    node1, node2 = package("nodejs", "1"), package("nodejs", "2")
    world = World(
        candidate=[node1],
        shown=[node2],
        modules=[module(1, node1), module(2, node2, gone=True)],
        decisions=[hold("nodejs")],
    )
    assert world.passes() == {node2.nevra}
    assert world.decide().selection.modules_kept == {REPO: {"nodejs:18:2:c"}}


def urgent_in_an_old_version(**fields):
    """Version 1 has an urgent package and a young one; version 2 is newer."""
    node1, npm1, node2 = package("nodejs", "1"), package("npm", "1"), package("nodejs", "2")
    return World(
        candidate=[node1, npm1, node2],
        ages={npm1.nevra: 0},
        modules=[module(1, node1, npm1), module(2, node2)],
        advisories=[advisory("ALSA-2023:1", "Critical", (), node1)],
        **fields,
    )


def test_what_an_urgent_package_brought_along_goes_with_it_where_a_newer_version_counts():
    policy = Policy("p", soak=7 * DAY, fast_track=("Critical",), newest=1)
    assert urgent_in_an_old_version(policy=policy).passes() == {"nodejs-2-1.el9.x86_64"}


def test_what_is_approved_keeps_all_of_its_module_though_a_newer_version_counts():
    world = urgent_in_an_old_version(
        policy=Policy("p", newest=1), decisions=[hold("nodejs-1", kind=APPROVE)]
    )
    assert world.passes() == {p.nevra for p in world.candidate}
    assert world.decide().selection.modules_left_out == {}


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


# -- what upstream withdrew, and what is needed of a module ----------------------------------------


def test_a_module_that_upstream_withdrew_stays_while_another_needs_it():
    """It was refused, though nobody's rule was at fault."""
    app, perl = package("app", "2"), package("perl", "5")
    world = World(
        candidate=[app],
        shown=[perl],
        modules=[
            built("app", "1", 2, app, requires=[NEEDS]), built("perl", "5.32", 1, perl, gone=True),
        ],
    )  # fmt: skip
    assert world.passes() == BOTH
    assert world.decide().selection.modules_kept == {REPO: {"perl:5.32:1:c"}}


def test_a_package_that_upstream_withdrew_stays_with_its_module():
    app, perl, more = package("app", "2"), package("perl", "5"), package("perl-more", "5")
    world = World(
        candidate=[app],
        shown=[perl, more],
        modules=[built("perl", "5.32", 1, perl, more, gone=True)],
        requires={app.nevra: [{perl.nevra}]},
    )
    assert world.passes() == {app.nevra, perl.nevra, more.nevra}
    assert world.decide().selection.modules_kept == {REPO: {"perl:5.32:1:c"}}


def needed_of_a_module(**fields):
    """An urgent package needs perl, and another package of perl's module is young."""
    app, perl, more = package("app", "2"), package("perl", "5"), package("perl-more", "5")
    return World(
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
        candidate=[app, perl, more],
        ages={more.nevra: 0},
        modules=[built("perl", "5.32", 1, perl, more)],
        advisories=[advisory("ALSA-2023:1", "Critical", (), app)],
        requires={app.nevra: [{perl.nevra}]},
        **fields,
    )


def test_what_is_needed_brings_its_module_along():
    world = needed_of_a_module()
    assert world.passes() == {p.nevra for p in world.candidate}


def test_what_is_needed_and_of_whose_module_a_person_holds_some_is_refused():
    """It passed alone, and dnf would have taken it for a package of no module."""
    with pytest.raises(RefusedError, match="without what they need") as caught:
        needed_of_a_module(decisions=[hold("perl-more")]).decide()
    assert "perl-5-1.el9.src.rpm needs the module of perl:5.32:1:c (held by ann: perl-more" in (
        caught.value.found
    )


def test_memberships_that_nobody_looks_at_are_noticed(monkeypatch):
    """Mutant."""
    monkeypatch.setattr(settle._Round, "memberships", lambda _: ())
    world = needed_of_a_module(decisions=[hold("perl-more")])
    assert world.passes() == {"app-2-1.el9.x86_64", "perl-5-1.el9.x86_64"}


# -- builds that versions share, and documents without packages ------------------------------------

NODE1, NODE2, NODE3 = (package("nodejs", str(n)) for n in (1, 2, 3))
SHARED = package("nodejs-packaging", "1")


def test_a_withdrawn_version_keeps_what_it_shares_with_the_one_that_waits():
    world = World(
        candidate=[NODE2, SHARED],
        shown=[NODE1, SHARED],
        ages={NODE2.nevra: 0},
        modules=[module(1, NODE1, SHARED, gone=True), module(2, NODE2, SHARED)],
    )
    assert world.passes() == {NODE1.nevra, SHARED.nevra}
    assert world.decide().selection.modules_kept == {REPO: {"nodejs:18:1:c"}}


def test_a_withdrawn_version_stays_though_the_one_that_waits_has_another_context():
    """It changes with the minor release that a module is built for."""
    world = World(
        candidate=[NODE2],
        shown=[NODE1],
        ages={NODE2.nevra: 0},
        modules=[module(1, NODE1, gone=True), module(2, NODE2)._replace(context="d")],
    )
    assert world.passes() == {NODE1.nevra}


def test_a_stream_is_no_successor_of_what_is_outside_of_modules():
    """As PHP 8.0 of AlmaLinux 9, which is in no module, beside the stream php:8.1."""
    world = World(
        candidate=[NODE2, NODE3],
        shown=[NODE1, NODE3],
        ages={NODE2.nevra: 0},
        modules=[module(3, NODE3)],
    )
    assert world.passes() == {NODE1.nevra, NODE3.nevra}


@pytest.mark.parametrize("why", [{"ages": {"npm-1-1.el9.x86_64": 0}}, {"decisions": [hold("npm")]}])
def test_what_upstream_adds_to_a_version_that_is_shown_waits_alone(why):
    npm = package("npm", "1")
    world = World(candidate=[NODE1, npm], shown=[NODE1], modules=[module(1, NODE1, npm)], **why)
    assert world.passes() == {NODE1.nevra}
    assert world.decide().selection.modules_left_out == {}


def test_an_urgent_version_brings_along_none_that_came_later_and_shares_builds():
    world = World(
        policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
        candidate=[NODE1, NODE2, NODE3, SHARED],
        shown=[NODE1],
        ages={NODE2.nevra: 1, SHARED.nevra: 1, NODE3.nevra: 0},
        modules=[module(1, NODE1), module(2, NODE2, SHARED), module(3, NODE3, SHARED)],
        advisories=[advisory("ALSA-2023:1", "Critical", (), NODE2, SHARED)],
    )
    assert world.passes() == {NODE1.nevra, NODE2.nevra, SHARED.nevra}


def test_a_version_without_builds_of_its_own_waits_alone_for_what_it_needs():
    """It was refused: its builds are shown, as those of the version before."""
    perl = package("perl", "5")
    later = module(2, NODE1)._replace(requires=frozenset({NEEDS}))
    world = World(
        candidate=[NODE1, perl],
        shown=[NODE1],
        decisions=[hold("perl")],
        modules=[module(1, NODE1), later, built("perl", "5.32", 1, perl)],
    )
    assert world.passes() == {NODE1.nevra}
    assert "nodejs:18:2:c" in world.decide().selection.modules_left_out[REPO]
    world.decisions = []
    assert world.decide().selection.modules_left_out == {}


def test_a_document_alone_that_upstream_withdrew_is_upstreams_gap():
    """It was refused, though the packages are there, and no rule is at fault."""
    app, perl = package("app", "2"), package("perl", "5")
    world = World(
        candidate=[app, perl],
        shown=[app, perl],
        modules=[
            built("app", "1", 2, app, requires=[NEEDS]), built("perl", "5.32", 1, perl, gone=True),
        ],
    )  # fmt: skip
    assert world.passes() == BOTH


def test_a_document_whose_packages_upstream_withdrew_keeps_none_of_them():
    world = World(
        candidate=[NODE2], shown=[NODE1, NODE2], modules=[module(1, NODE1), module(2, NODE2)]
    )
    assert world.passes() == {NODE2.nevra}
    world.ages, world.shown = {NODE2.nevra: 0}, [NODE1]
    assert world.passes() == {NODE1.nevra}


def test_a_document_whose_packages_upstream_withdrew_is_no_successor():
    world = World(
        candidate=[NODE3],
        shown=[NODE1],
        ages={NODE3.nevra: 0},
        modules=[module(1, NODE1, gone=True), module(2, NODE2), module(3, NODE3)],
    )
    assert world.passes() == {NODE1.nevra}
    # Nor is it shown: dnf looks at the latest document of a stream alone.
    found = world.decide().selection
    assert found.modules_left_out == {REPO: {"nodejs:18:2:c", "nodejs:18:3:c"}}
    assert found.modules_kept == {REPO: {"nodejs:18:1:c"}}


def test_what_upstream_took_out_of_a_module_does_not_come_back_with_it():
    """The module still lists it; upstream has it no more, and nothing is to take its place."""
    app, perl, old = package("app", "2"), package("perl", "5"), package("perl-old", "5")
    world = streams(NEEDS, shown=[old], policy=Policy("p", soak=7 * DAY, fast_track=("Critical",)),
                    advisories=[advisory("ALSA-2023:1", "Critical", (), app)])  # fmt: skip
    world.modules = [
        built("app", "1", 2, app, requires=[NEEDS]), built("perl", "5.32", 1, perl, old),
    ]  # fmt: skip
    assert world.passes() == BOTH


def test_what_was_added_to_a_version_that_upstream_withdrew_does_not_come_with_it():
    added = package("npm", "1")
    world = World(
        candidate=[NODE2, added],
        shown=[NODE1],
        ages={NODE2.nevra: 0, added.nevra: 0},
        modules=[module(1, NODE1, added, gone=True), module(2, NODE2, added)],
    )
    assert world.passes() == {NODE1.nevra}


def test_a_document_of_which_shared_builds_alone_are_left_is_no_successor():
    world = World(
        candidate=[NODE3, SHARED],
        shown=[NODE1, SHARED],
        ages={NODE3.nevra: 0},
        modules=[
            module(1, NODE1, SHARED, gone=True),
            module(2, NODE2, SHARED),
            module(3, NODE3, SHARED),
        ],
    )
    assert world.passes() == {NODE1.nevra, SHARED.nevra}
    found = world.decide().selection
    assert found.modules_left_out == {REPO: {"nodejs:18:2:c", "nodejs:18:3:c"}}
    world.ages = {}
    assert world.passes() == {NODE3.nevra, SHARED.nevra}


def test_what_is_added_to_a_version_takes_nothing_away_though_a_later_one_shares_the_rest():
    """Its document is shown; what is new in it waits, as does the later version."""
    node1, added, npm2 = package("nodejs", "1"), package("extra", "1"), package("npm", "2")
    world = World(
        candidate=[node1, added, npm2],
        shown=[node1],
        ages={added.nevra: 0, npm2.nevra: 0},
        modules=[module(1, node1, added), module(2, node1, npm2)],
        shown_modules={"nodejs:18:1:c"},
    )
    assert world.passes() == {node1.nevra}
    assert world.decide().selection.modules_left_out == {REPO: {"nodejs:18:2:c"}}
