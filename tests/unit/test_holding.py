"""core.holding: what sync may not publish after a person decided."""

from tuxmirror.core.holding import decide


def test_to_choose_what_was_verified_last_holds_nothing():
    assert decide(frozenset(), "b", "b", ["a", "b"]) == frozenset()


def test_to_choose_another_holds_all_there_is_but_that():
    assert decide(frozenset(), "a", "c", ["a", "b", "c"]) == {"b", "c"}


def test_what_was_left_is_held_also_where_the_newest_is_chosen():
    assert decide(frozenset(), "b", "b", ["a", "b"], left=["a"]) == {"a"}


def test_only_to_be_chosen_ends_a_hold():
    assert decide({"a", "b"}, "b", "b", ["a", "b"]) == {"a"}
    assert decide({"a"}, "c", "c", ["a", "b", "c"]) == {"a"}
