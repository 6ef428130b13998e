"""The error tree: exit statuses, what is said, which failure of several decides."""

import pytest

from tuxmirror.core import errors
from tuxmirror.core.errors import (
    ConfigError,
    DigestError,
    MetadataError,
    MirrorError,
    NetworkError,
    gravest,
    one_line,
)


def tree(kind=MirrorError):
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize(
    ("name", "status"),
    [("MirrorError", 70), ("ConfigError", 2), ("NetworkError", 3), ("VerificationError", 4),
     ("SignatureError", 4), ("DigestError", 4), ("MetadataError", 4), ("RefusedError", 5),
     ("RollbackError", 5), ("StorageError", 6), ("LockedError", 7)],
)  # fmt: skip
def test_exit_status_of_each_kind(name, status):
    assert getattr(errors, name)("x").exit_status == status


def test_codes_are_distinct():
    codes = [kind.code for kind in tree() if kind.__module__ == errors.__name__]
    assert len(codes) == len(set(codes))


def test_every_status_has_a_place_in_the_order():
    assert {kind.exit_status for kind in tree()} <= set(errors.GRAVITY)


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [([], 0), ([0, 0], 0), ([0, 3], 3), ([3, 6], 6), ([6, 5], 5), ([5, 4, 3, 6], 4), ([7, 3], 3)],
)
def test_gravest(statuses, worst):
    assert gravest(statuses) == worst
    assert gravest(statuses[::-1]) == worst


def test_text_has_place_message_both_sides_and_way_out():
    error = DigestError(
        "wrong", expected="a", found="b", way_out="c", tree="t", repository="r", path="p"
    )
    assert str(error).splitlines() == [
        "t r p: wrong", "  expected: a", "  found:    b", "  way out:  c",
    ]  # fmt: skip


def test_text_leaves_out_what_is_not_known():
    assert str(ConfigError("no such file")) == "no such file"


def test_json_leaves_out_what_is_not_known():
    assert ConfigError("x", path="p").as_dict() == {
        "error": "configuration", "message": "x", "path": "p", "exit_status": 2,
    }  # fmt: skip


def test_located_fills_in_and_never_overwrites():
    error = MetadataError("x", repository="known")
    same = error.located(tree="t", repository="other", path="p")
    assert same is error
    assert (error.tree, error.repository, error.path) == ("t", "known", "p")


@pytest.mark.parametrize("kind", [NetworkError, MetadataError])
def test_way_out_has_a_default_and_can_be_set(kind):
    assert kind("x").way_out
    assert kind("x", way_out="y").way_out == "y"


def test_a_line_of_output_stays_one():
    assert one_line("title\n! all is well\x1b[2J\u202e") == "title ! all is well\\x1b[2J\\u202e"


def test_what_strangers_say_moves_no_cursor_and_forges_no_line():
    error = MirrorError(
        "odd \x1b[2J\u202ename", found="one\n  way out:  run this\x9b", way_out="none"
    )
    assert str(error).splitlines() == [
        "odd \\x1b[2J\\u202ename",
        "  found:    one",
        "              way out:  run this\\x9b",
        "  way out:  none",
    ]
    assert error.as_dict()["message"] == "odd \x1b[2J\u202ename", "JSON has escapes of its own"
