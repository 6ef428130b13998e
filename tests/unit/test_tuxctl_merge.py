"""Taking back our own lines while other people's edits stay."""

import random

import pytest

from tuxctl.merge import take_back

ORIGINAL = b"[a]\nmirrorlist=m\n# baseurl=b\nenabled=1\n\n[b]\nname=x\nenabled=0\n"
WRITTEN = b"[a]\n# mirrorlist=m\nbaseurl=T\nenabled=1\n\n[b]\nname=x\nenabled=1\n"


def test_without_other_edits_the_original_comes_back():
    assert take_back(ORIGINAL, WRITTEN, WRITTEN) == (ORIGINAL, [])


def test_edits_elsewhere_stay():
    current = WRITTEN.replace(b"name=x", b"name=mine\nproxy=p") + b"# end\n"
    merged = take_back(ORIGINAL, WRITTEN, current)
    assert merged.data == ORIGINAL.replace(b"name=x", b"name=mine\nproxy=p") + b"# end\n"
    assert merged.kept == []


def test_an_edit_of_our_own_line_stays_and_is_told():
    current = WRITTEN.replace(b"baseurl=T", b"baseurl=MINE")
    merged = take_back(ORIGINAL, WRITTEN, current)
    assert b"baseurl=MINE\n" in merged.data
    assert b"name=x\nenabled=0\n" in merged.data
    assert b"baseurl=T\n" in merged.kept


def test_what_was_put_back_by_hand_already_is_no_conflict():
    current = ORIGINAL.replace(b"name=x", b"name=mine")
    assert take_back(ORIGINAL, WRITTEN, current) == (current, [])


def test_lines_appended_right_behind_ours_stay():
    merged = take_back(b"a\n", b"a\nexclude=x\n", b"a\nexclude=x\nmine\n")
    assert merged.data == b"a\nmine\n"


def test_a_removed_section_stays_removed():
    current = WRITTEN[: WRITTEN.index(b"[b]")]
    merged = take_back(ORIGINAL, WRITTEN, current)
    assert b"[b]" not in merged.data
    assert merged.data.startswith(b"[a]\nmirrorlist=m\n# baseurl=b\n")


@pytest.mark.parametrize("seed", range(200))
def test_edits_of_other_lines_and_ours_are_independent(seed):
    """Ours and theirs on different lines of distinct text: each can be undone alone."""
    rng = random.Random(seed)
    lines = [b"line %d\n" % number for number in range(30)]
    ours = set(rng.sample(range(0, 30, 3), 4))
    theirs = set(rng.sample(range(1, 30, 3), 4))

    def edited(numbers, mark):
        return [line.replace(b"line", mark) if n in numbers else line for n, line in lines_of]

    lines_of = list(enumerate(lines))
    original = b"".join(lines)
    written = b"".join(edited(ours, b"ours"))
    lines_of = list(enumerate(written.splitlines(True)))
    current = b"".join(edited(theirs, b"theirs"))
    lines_of = list(enumerate(lines))
    expected = b"".join(edited(theirs, b"theirs"))
    assert take_back(original, written, current) == (expected, [])


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_added_behind_a_missing_line_ending_is_no_edit_of_ours(end):
    original = end.join((b"[a]", b"x=1"))
    written = end.join((b"[a]", b"x=1", b"exclude=nss"))
    merged = take_back(original, written, written + end + b"# mine" + end)
    assert merged.data == end.join((b"[a]", b"x=1", b"# mine", b""))
    assert merged.kept == []
    again = take_back(original, written, b"# first" + end + written)
    assert again.data == b"# first" + end + original
