"""What upstream may do in one step without a person looking at it."""

import contextlib

import pytest

from tuxmirror.core.config import MassChange
from tuxmirror.core.errors import RefusedError
from tuxmirror.core.guards import check_age, check_mass_change, check_taken_away, taken_away
from tuxmirror.core.snapshot import File
from tuxmirror.core.summary import Changes

HOUR = 3600
LIMIT = MassChange(percent=10, packages=50)


def changes(before, removed=0, replaced=0):
    def names(number, kind):
        return tuple(f"Packages/{kind}-{index}.rpm" for index in range(number))

    return Changes(before=before, removed=names(removed, "gone"), replaced=names(replaced, "other"))


@pytest.mark.parametrize(
    ("before", "removed", "replaced"),
    [(0, 0, 0), (1000, 100, 0), (1000, 60, 40), (100, 50, 0), (100, 0, 50), (20, 20, 0)],
)
def test_up_to_both_limits_is_ordinary(before, removed, replaced):
    check_mass_change(changes(before, removed, replaced), LIMIT)


@pytest.mark.parametrize(
    ("before", "removed", "replaced"), [(1000, 101, 0), (1000, 60, 41), (100, 51, 0), (100, 0, 51)]
)
def test_beyond_both_limits_is_refused_and_named(before, removed, replaced):
    with pytest.raises(RefusedError) as caught:
        check_mass_change(changes(before, removed, replaced), LIMIT)
    assert f"{removed + replaced} of {before} packages" in caught.value.message
    assert "--allow-mass-change" in caught.value.way_out
    assert ".rpm" in caught.value.found


def files(*names):
    return [File(f"Packages/{name}.rpm", f"sha-{name}", 1) for name in names]


def test_what_a_policy_takes_away():
    """Not what upstream removed, nor what gives way to a version that arrives."""
    shown = files("a-1-1.x86_64", "a-2-1.x86_64", "b-1-1.x86_64", "b-1-1.i686", "c-1-1.noarch")
    then = files("a-2-1.x86_64", "b-2-1.x86_64")
    whole = [*shown[:4], *then]
    assert taken_away(shown, then, whole) == [
        "Packages/a-1-1.x86_64.rpm",
        "Packages/b-1-1.i686.rpm",
    ]
    assert taken_away(shown, shown, whole) == []


@pytest.mark.parametrize(("number", "refused"), [(50, False), (51, True)])
def test_a_policy_that_takes_much_away_is_refused(number, refused):
    paths = [f"Packages/a-{n}-1.noarch.rpm" for n in range(number)]
    with pytest.raises(RefusedError) if refused else contextlib.nullcontext() as caught:
        check_taken_away(paths, 200, LIMIT, "almalinux/9.2", "vetted")
    if refused:
        assert "51 of 200 packages from vetted" in caught.value.message
        assert "approve PLAN --allow-mass-change" in caught.value.way_out


def test_a_young_upstream_is_no_news():
    assert check_age(1000 * HOUR, 1072 * HOUR, 72 * HOUR) is None


def test_an_old_upstream_is_warned_of_with_its_age():
    assert "73 h old" in check_age(1000 * HOUR, 1073 * HOUR, 72 * HOUR)


def test_four_times_the_age_is_still_a_warning():
    assert check_age(1000 * HOUR, 1288 * HOUR, 72 * HOUR)


def test_beyond_four_times_the_age_upstream_is_refused():
    with pytest.raises(RefusedError) as caught:
        check_age(1000 * HOUR, 1289 * HOUR, 72 * HOUR)
    assert caught.value.exit_status == 5
    assert "max_age = never" in caught.value.way_out


def test_never_is_never():
    assert check_age(0, 10**9, 0) is None


def test_a_clock_behind_upstreams_is_no_alarm():
    assert check_age(1000 * HOUR, 900 * HOUR, 72 * HOUR) is None
