"""Taking back one's own edit of a file while keeping what others edited since. Pure."""

import difflib
from typing import List, NamedTuple, Tuple

Hunk = Tuple[int, int, List[bytes]]

_ENDS = (b"\n", b"\r")


class Merged(NamedTuple):
    """`data`: the merged bytes. `kept`: lines of ours that someone changed since, left alone."""

    data: bytes
    kept: List[bytes]


def _hunks(old: List[bytes], new: List[bytes]) -> List[Hunk]:
    """The differences as (start, end, replacement) of line numbers in `old`."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [
        (start, end, new[new_start:new_end])
        for tag, start, end, new_start, new_end in matcher.get_opcodes()
        if tag != "equal"
    ]


def _split(hunks: List[Hunk]) -> List[Hunk]:
    """The same differences, a line each where as many lines came as went."""
    split: List[Hunk] = []
    for start, end, lines in hunks:
        if len(lines) == end - start:
            split.extend((start + n, start + n + 1, [line]) for n, line in enumerate(lines))
        else:
            split.append((start, end, lines))
    return split


def _clash(mine: Hunk, theirs: Hunk) -> bool:
    """Whether two hunks over the same lines touch each other.

    Neighbours do not: an insertion at the edge of a hunk says where it belongs.
    """
    if mine[0] == mine[1] and theirs[0] == theirs[1]:
        return mine[0] == theirs[0] and mine[2] != theirs[2]
    return mine[0] < theirs[1] and theirs[0] < mine[1]


def take_back(original: bytes, written: bytes, current: bytes) -> Merged:
    """`current` with the change from `original` to `written` undone.

    Where somebody changed the very lines that were written, theirs stay.
    """
    if current == written:
        return Merged(original, [])
    end = b"" if written.endswith(_ENDS) else b"\r\n" if b"\r\n" in written else b"\n"
    if not end:
        return _take_back(original, written, current)
    # Whoever adds a line to a file without a last line ending gives its last line one: that is no
    # edit of the line.
    merged = _take_back(*(_ended(data, end) for data in (original, written, current)))
    if not current.endswith(_ENDS) and merged.data.endswith(end):
        merged = merged._replace(data=merged.data[: -len(end)])
    return merged


def _ended(data: bytes, end: bytes) -> bytes:
    return data if not data or data.endswith(_ENDS) else data + end


def _take_back(original: bytes, written: bytes, current: bytes) -> Merged:
    base = written.splitlines(True)
    undo = _hunks(base, original.splitlines(True))
    later = _split(_hunks(base, current.splitlines(True)))
    kept: List[bytes] = []
    apply = list(later)
    for hunk in undo:
        if all(piece in later for piece in _split([hunk])):
            continue  # already taken back by hand
        if any(_clash(hunk, other) for other in later):
            kept.extend(base[hunk[0] : hunk[1]])
        else:
            apply.append(hunk)
    lines = list(base)
    # From the end, so that the earlier line numbers stay right.
    for start, end, replacement in sorted(apply, key=lambda hunk: hunk[:2], reverse=True):
        lines[start:end] = replacement
    return Merged(b"".join(lines), kept)
