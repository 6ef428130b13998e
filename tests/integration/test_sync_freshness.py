"""The age of an upstream, as its TIME tells it: what a hostile or broken TIME can and cannot do."""

import pytest

from tests.support.mirror import TREE

pytest_plugins = ("tests.support.mirror_fixtures",)

HOUR = 3600
NOW = 1_900_000_000.0


@pytest.fixture
def aging(synced, tiny_upstream):
    """A mirror whose upstream's TIME is NOW and whose clock the test sets."""
    tiny_upstream.tick(int(NOW))
    synced.main["max_age"] = "10h"
    synced.now = NOW
    assert synced.sync("-q").status == 0
    return synced


def test_upstream_that_ticks_again_is_fine_again(aging, tiny_upstream):
    aging.now = NOW + 41 * HOUR
    assert aging.sync("-q").status == 5
    tiny_upstream.tick(int(NOW + 41 * HOUR))
    run = aging.sync("--json")
    assert run.status == 0, run
    assert not run.named("warning")


def test_hiding_time_does_not_help(aging, tiny_upstream):
    (tiny_upstream.root / "TIME").unlink()
    aging.now = NOW + 41 * HOUR
    assert aging.sync("-q").status == 5


def test_time_from_the_future_does_not_blind_for_ever(aging, tiny_upstream):
    tiny_upstream.tick(int(NOW + 10_000 * HOUR))
    aging.now = NOW + 2 * HOUR
    assert aging.sync("-q").status == 0
    tiny_upstream.tick(int(NOW))
    aging.now = NOW + 50 * HOUR
    assert aging.sync("-q").status == 5


def test_tree_that_upstream_closed_can_say_so(aging):
    aging.trees[TREE]["max_age"] = "never"
    aging.now = NOW + 10_000 * HOUR
    assert aging.sync("-q").status == 0
