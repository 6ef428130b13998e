"""The age of an upstream, as its TIME tells it: what a hostile or broken TIME can and cannot do."""

import pytest

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


def test_time_from_the_future_does_not_blind_for_ever(aging, tiny_upstream):
    tiny_upstream.tick(int(NOW + 10_000 * HOUR))
    aging.now = NOW + 2 * HOUR
    assert aging.sync("-q").status == 0
    tiny_upstream.tick(int(NOW))
    aging.now = NOW + 50 * HOUR
    assert aging.sync("-q").status == 5
