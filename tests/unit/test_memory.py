"""What a run remembers: made once, the last used kept, no failure kept."""

import pytest

from tuxmirror.usecases.memory import Recent


def test_made_once_and_what_was_not_asked_for_longest_goes_first():
    made = []

    def make(key):
        return recent.get(key, lambda: made.append(key) or len(made))

    recent = Recent(2)
    assert [make(key) for key in "aabab"] == [1, 1, 2, 1, 2]
    make("c")  # a goes: b was asked for after it
    assert [make(key) for key in "bca"] == [2, 3, 4]
    assert made == ["a", "b", "c", "a"]


def test_a_failure_is_tried_again():
    recent = Recent(2)
    with pytest.raises(ZeroDivisionError):
        recent.get("a", lambda: 1 / 0)
    assert recent.get("a", lambda: 5) == recent.get("a", lambda: 6) == 5
