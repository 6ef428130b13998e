"""A bundle's manifest: what it says comes back, and nothing else passes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core import bundle as rules
from tuxmirror.core.bundle import Bundle, Carried, Item
from tuxmirror.core.errors import VerificationError
from tuxmirror.core.snapshot import Repository, Snapshot

SHA = "ab" * 32
RECORD = Snapshot(
    "almalinux/9.2", 7, {"BaseOS/x86_64": Repository(SHA, SHA, 1, 2, 3, "F" * 40, "k", SHA)}, "t"
)
WHOLE = Bundle(1, "tuxmirror 1", (Carried(RECORD, None),), (Item(SHA, 3), Item("cd" * 32, 0)))


def test_it_comes_back():
    assert rules.decode(rules.encode(WHOLE)) == WHOLE
    assert WHOLE.bytes == 3
    assert WHOLE.contents[0].name == f"contents/ab/{SHA}"


def test_the_same_content_is_the_same_whenever_it_was_made():
    later = Bundle(2, "tuxmirror 2", WHOLE.trees, WHOLE.contents)
    assert WHOLE.same_as(later)
    assert not WHOLE.same_as(Bundle(1, "t", (Carried(RECORD, "0"),), WHOLE.contents))


def altered(**changes):
    return json.dumps({**json.loads(rules.encode(WHOLE)), **changes}).encode()


TREE = json.loads(rules.encode(WHOLE))["trees"][0]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        altered(format="tuxmirror-bundle-2"),
        altered(created="soon"),
        altered(trees=[]),
        altered(trees=[TREE, TREE]),
        altered(trees=[{**TREE, "snapshot": "0" * 16}]),
        altered(trees=[{**TREE, "tree": "almalinux/9.3"}]),
        altered(trees=[{**TREE, "record": TREE["record"].replace("BaseOS", "Other")}]),
        altered(contents=[[SHA, 1], [SHA, 1]]),
        altered(contents=[[SHA, -1]]),
        altered(contents=[[SHA, "1"]]),
        altered(contents=[["../" + SHA[3:], 1]]),
        altered(contents=[[SHA]]),
        altered(contents=5),
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(VerificationError):
        rules.decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(data):
    with pytest.raises(VerificationError):
        rules.decode(data)
