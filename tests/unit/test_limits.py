"""Token buckets: what they let through, and that they forget."""

from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core.limits import Buckets, Limit


def test_a_burst_passes_and_what_comes_after_waits():
    buckets = Buckets(Limit(burst=3, rate=0.5))
    assert [buckets.take("a", 0) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", 0) == 2
    assert buckets.take("a", 1) == 1
    assert buckets.take("a", 2) == 0
    assert buckets.take("a", 2) == 2


def test_names_do_not_count_for_each_other():
    buckets = Buckets(Limit(1, 1))
    assert (buckets.take("a", 0), buckets.take("b", 0)) == (0, 0)
    assert buckets.take("a", 0) > 0


def test_asking_for_the_wait_takes_nothing():
    buckets = Buckets(Limit(1, 1))
    assert [buckets.wait("a", 0) for _ in range(5)] == [0] * 5
    assert len(buckets) == 0
    buckets.take("a", 0)
    assert buckets.wait("a", 0.25) == 0.75


def test_memory_is_bounded_and_the_oldest_is_forgotten():
    buckets = Buckets(Limit(1, 0.001), capacity=3)
    for name in "abcd":
        buckets.take(name, 0)
    assert len(buckets) == 3
    assert buckets.take("a", 0) == 0
    assert buckets.take("d", 0) > 0


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(1, 5), st.floats(0.1, 5))
def test_never_more_than_the_limit_in_any_time(gaps, burst, rate):
    buckets = Buckets(Limit(burst, rate))
    now, passed = 0.0, 0
    for gap in gaps:
        now += gap
        passed += buckets.take("a", now) == 0
    assert passed <= burst + now * rate + 1e-6
