"""Which of two builds is the newer one, as rpm decides it.

Source of the rule: rpm's `rpmvercmp`. Versions are compared segment by segment, numbers as numbers,
letters as text, a number is newer than letters; `~` sorts before the end, `^` after it and before
anything else.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Callable

_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|~|\^")


def compare(one: str, other: str) -> int:
    """Of two versions or two releases: below 0, 0 or above 0."""
    ours, theirs = _SEGMENT.findall(one), _SEGMENT.findall(other)
    for a, b in zip(ours, theirs):
        result = _segments(a, b)
        if result:
            return result
    if len(ours) == len(theirs):
        return 0
    longer = ours if len(ours) > len(theirs) else theirs
    sign = 1 if longer is ours else -1
    return -sign if longer[min(len(ours), len(theirs))] == "~" else sign


def _segments(a: str, b: str) -> int:
    if a == b:
        return 0
    for mark, sign in (("~", -1), ("^", -1)):
        if mark in (a, b):
            return sign if a == mark else -sign
    if a.isdigit() != b.isdigit():
        return 1 if a.isdigit() else -1
    left: Any = int(a) if a.isdigit() else a
    right: Any = int(b) if b.isdigit() else b
    return (left > right) - (left < right)


def _evrs(one: tuple[int, str, str], other: tuple[int, str, str]) -> int:
    epochs = (one[0] > other[0]) - (one[0] < other[0])
    return epochs or compare(one[1], other[1]) or compare(one[2], other[2])


key: Callable[[tuple[int, str, str]], Any] = functools.cmp_to_key(_evrs)
"""For `sorted` and `max`, of (epoch, version, release)."""
