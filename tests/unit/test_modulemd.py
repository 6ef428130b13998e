"""Modules of an upstream that means harm: documents that grow, or crash their parser."""

import pytest

from tuxmirror.adapters.modulemd import documents
from tuxmirror.core.errors import MetadataError

HEAD = "---\ndocument: modulemd\nversion: 2\ndata:\n"
GOOD = HEAD + "  name: perl\n  stream: '5.26'\n  version: 8\n"


def aliases(kind):
    """Nine levels of nine: 387 million of the last."""
    lines = []
    for level in range(9):
        below = ",".join([f"*l{level - 1}"] * 9) if level else None
        if kind == "list":
            value = f"[{below or 'lol'}]"
        else:
            value = f"{{ <<: [{below}] }}" if below else "{ k: 1 }"
        lines.append(f"  l{level}: &l{level} {value}\n")
    name = "*l8" if kind == "list" else "x"
    return HEAD + "".join(lines) + f"  name: {name}\n  stream: a\n  version: 1\n"


BOMBS = {
    "aliases": (aliases("list"), "alias"),
    "merged aliases": (aliases("mapping"), "alias"),
    "lists in lists": (HEAD + "  name: " + "[" * 100_000, "inside each other"),
    "mappings in mappings": (HEAD + "  name: " + "{a: " * 100_000, "inside each other"),
    "lists on one line": (HEAD + "  name:\n    " + "- " * 100_000 + "a", "inside each other"),
    "lists by indentation": (
        "".join(" " * depth + "-\n" for depth in range(2_000)),
        "inside each other",
    ),
    "keys that are mappings": ("? " * 100_000 + "a", "inside each other"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_documents_are_read_within_bounds(case):
    text, word = BOMBS[case]
    with pytest.raises(MetadataError, match="cannot be understood") as caught:
        documents(text.encode(), "AppStream/x86_64")
    assert word in caught.value.found


def test_such_characters_in_a_description_do_no_harm():
    text = (
        GOOD + "  summary: R&D *all* of it\n  description: >-\n    " + "[x] & *y {z} " * 300 + "\n"
    )
    [found] = documents(text.encode(), "AppStream/x86_64")
    assert found.build.name == "perl"
