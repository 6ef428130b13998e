"""A plan's document: its id is its content, and it is stale when what it was made from moved."""

import dataclasses
import json

import pytest

from tuxmirror.core import journal
from tuxmirror.core.errors import RefusedError, VerificationError
from tuxmirror.core.policy import plan
from tuxmirror.core.policy.outcome import Selection
from tuxmirror.core.policy.plan import Plan

SELECTION = Selection({"BaseOS/x86_64": frozenset({"aa", "bb"})}, {}, {}, {})
PLAN = Plan(
    tree="almalinux/9.2",
    channel="vetted",
    source="1111",
    shown="2222",
    policy="default",
    rules="r",
    decisions="d",
    selection=SELECTION,
    review={"held": [{"nevra": "a-1-1.x86_64"}], "affected": {"hosts": 3}},
)


def stored(made=1):
    return plan.encode(PLAN.document(made))


def test_it_is_read_as_it_was_written():
    assert plan.read(stored(), "plan.json") == PLAN


def test_time_and_hosts_make_it_no_other_plan():
    fewer = dataclasses.replace(PLAN, review={**PLAN.review, "affected": {"hosts": 2}})
    assert fewer.id == PLAN.id == plan.read(stored(99), "p").id
    other = dataclasses.replace(PLAN, review={**PLAN.review, "held": []})
    assert other.id != PLAN.id


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.update(source="3333"),
        lambda d: d.update(channel="canary"),
        lambda d: d["selection"]["left_out"]["BaseOS/x86_64"].remove("bb"),
        lambda d: d["held"].clear(),
        lambda d: d.update(plan="0" * 16),
        lambda d: d.update(more=1),
    ],
)
def test_what_was_altered_is_noticed(edit):
    document = json.loads(stored())
    edit(document)
    with pytest.raises(VerificationError, match="altered"):
        plan.read(json.dumps(document).encode(), "plan.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b'{"plan": 1}', b"\xff", b"{" * 99])
def test_what_is_no_plan_is_said(data):
    with pytest.raises(VerificationError, match="no plan"):
        plan.read(data, "plan.json")


@pytest.mark.parametrize("field", ["source", "shown", "rules", "decisions"])
def test_it_is_stale_where_anything_moved(field):
    moved = dataclasses.replace(PLAN, **{field: "other"})
    with pytest.raises(RefusedError, match="is stale") as caught:
        plan.check_current(PLAN, moved)
    assert "tuxmirror plan almalinux/9.2 --channel vetted" in caught.value.way_out
    plan.check_current(PLAN, dataclasses.replace(PLAN))


def entry(time, action, snapshot, before):
    return {
        "time": time, "action": action, "tree": "t", "channel": "c",
        "snapshot": snapshot, "before": before,
    }  # fmt: skip


def test_since_when_a_channel_shows_what_it_shows():
    entries = [
        entry(1, "sync", "a", None),
        entry(2, "sync", "b", "a"),
        entry(3, "approve", "c", "b"),
        {"time": 4, "action": "hold packages", "pattern": "x", "tree": "*", "channel": "*"},
    ]
    assert journal.timeline(entries, "t", "c", "c") == [("a", 1), ("b", 2), ("c", 3)]
    # What it was rolled back from does not count, and going back makes nothing younger.
    entries.append(entry(5, "rollback", "b", "c"))
    assert journal.timeline(entries, "t", "c", "b") == [("a", 1), ("b", 2)]
