"""core.journal: the chain holds or says where it broke; what a rollback goes back through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core import journal
from tuxmirror.core.errors import VerificationError

TREE = "almalinux/9.2"


def chain(*entries):
    lines = []
    for fields in entries:
        lines.append(journal.seal(fields, lines[-1].rstrip(b"\n") if lines else None))
    return lines


def entry(action, before, snapshot, channel="vetted", tree=TREE):
    return {
        "time": 1,
        "user": "root",
        "action": action,
        "tree": tree,
        "channel": channel,
        "snapshot": snapshot,
        "before": before,
    }


THREE = chain(*(entry("sync", a, b) for a, b in ((None, "a"), ("a", "b"), ("b", "c"))))


def test_what_was_written_is_read():
    entries = journal.read(b"".join(THREE), "log")
    assert [e["snapshot"] for e in entries] == ["a", "b", "c"]
    assert "before" not in entries[0]


@given(st.integers(0, len(b"".join(THREE)) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(position, flip):
    data = bytearray(b"".join(THREE))
    data[position] ^= flip
    if position == len(data) - 1:
        # The last newline: then the last entry is one that was cut short.
        assert len(journal.read(bytes(data), "log")) == 2
        return
    with pytest.raises(VerificationError):
        journal.read(bytes(data), "log")


@pytest.mark.parametrize("order", [(1, 2), (0, 2), (1, 0, 2), (0, 1, 1, 2), (0, 0, 1, 2)])
def test_no_entry_can_be_taken_out_moved_or_repeated(order):
    with pytest.raises(VerificationError, match="altered"):
        journal.read(b"".join(THREE[number] for number in order), "log")


@pytest.mark.parametrize(
    "text", [b"[]\n", b"null\n", b"{}\n", b"\n", b"\xff\n", b'{"sha256": 1}\n']
)
def test_what_is_no_entry_is_refused(text):
    with pytest.raises(VerificationError):
        journal.read(b"".join(THREE) + text, "log")


def test_an_entry_that_a_crash_cut_short_is_none():
    assert len(journal.read(b"".join(THREE)[:-5], "log")) == 2


def past(entries, shown, channel="vetted"):
    return journal.history(entries, TREE, channel, shown)


def test_each_publish_can_be_rolled_back():
    entries = [entry("sync", None, "a"), entry("sync", "a", "b"), entry("publish", "b", "c")]
    assert past(entries, "c") == ["a", "b", "c"]


def test_a_rollback_takes_back_what_came_after():
    entries = [entry("sync", None, "a"), entry("sync", "a", "b"), entry("rollback", "b", "a")]
    assert past(entries, "a") == ["a"]
    assert past([*entries, entry("sync", "a", "c")], "c") == ["a", "c"]


def test_going_back_by_publish_can_be_rolled_back_too():
    entries = [entry("sync", None, "a"), entry("sync", "a", "b"), entry("publish", "b", "a")]
    assert past(entries, "a") == ["a", "b", "a"]


def test_a_switch_that_failed_counts_for_nothing():
    entries = [
        entry("sync", None, "a"),
        entry("sync", "a", "b"),
        {**entry("failed", "a", "b"), "reason": "disk full"},
    ]
    assert past(entries, "a") == ["a"]
    assert past([*entries, entry("sync", "a", "c")], "c") == ["a", "c"]


def test_other_channels_and_trees_do_not_count():
    entries = [
        entry("sync", None, "a"),
        entry("publish", None, "x", channel="canary"),
        entry("sync", None, "y", tree="almalinux/9.4"),
    ]
    assert past(entries, "a") == ["a"]
    assert past(entries, "x", "canary") == ["x"]


def test_a_store_older_than_the_log_begins_with_what_is_shown():
    assert past([], "a") == ["a"]
    assert past([entry("sync", "a", "b")], "b") == ["a", "b"]


def repaired(before, snapshot, channel="vetted"):
    return entry("repair", before, snapshot, channel)


def test_what_was_replaced_is_history_by_the_name_of_its_successor():
    entries = [entry("sync", None, "a"), entry("sync", "a", "b"), repaired("a", "A", None)]
    assert past(entries, "b") == ["A", "b"]
    entries.append(repaired("b", "B"))
    assert past(entries, "B") == ["A", "B"]
    assert past([*entries, entry("rollback", "B", "A")], "A") == ["A"]
    assert past([*entries, entry("sync", "B", "c")], "c") == ["A", "B", "c"]


def test_a_successor_is_shown_since_the_one_that_it_replaced_was():
    entries = [{**entry("sync", None, "a"), "time": 7}, {**repaired("a", "A"), "time": 9}]
    assert journal.timeline(entries, TREE, "vetted", "A") == [("A", 7)]


def test_a_channel_that_was_not_switched_to_the_successor_shows_what_it_shows():
    entries = [entry("sync", None, "a"), repaired("a", "A"), entry("failed", "a", "A")]
    assert past(entries, "a") == ["a"]
    assert past([*entries, entry("sync", "a", "b")], "b") == ["A", "b"]


def test_successors_of_successors():
    entries = [repaired("a", "b"), repaired("b", "c"), repaired("x", "y", "canary")]
    assert journal.replaced(entries, TREE) == {"a": "c", "b": "c", "x": "y"}
    assert journal.replaced(entries, "almalinux/9.4") == {}
    # What was lost came back, and took the place of what replaced it.
    assert journal.replaced([*entries, repaired("c", "a")], TREE) == {"b": "a", "c": "a", "x": "y"}
