"""Geometry of the diagrams: bars with their labels, as numbers for a template to draw.

No colour and no style stands here: those are classes, so that light and dark pages differ and a
strict content security policy holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH = 440
ROW = 30
_BAR_HEIGHT = 16
_LABEL = 100
_NUMBER = 112


class Bar(NamedTuple):
    """Lengths in the drawing's units; `y` is the bar's upper edge, `text_y` the baseline."""

    label: str
    value: int
    share: str
    kind: str
    x: int
    y: int
    width: float
    height: int
    text_y: int


class Chart(NamedTuple):
    """`alternative` says in words what the bars show; `track` is the longest bar there can be."""

    name: str
    title: str
    alternative: str
    width: int
    height: int
    track: int
    bars: tuple[Bar, ...]


def bars(name: str, title: str, values: Sequence[tuple[str, int, str]]) -> Chart:
    """Horizontal bars. `values` are label, number and the class of the colour."""
    total = sum(number for _, number, _ in values)
    largest = max((number for _, number, _ in values), default=0) or 1
    room = WIDTH - _LABEL - _NUMBER
    drawn = tuple(
        Bar(
            label=label,
            value=number,
            share=f"{100 * number / total:.0f} %" if total else "-",
            kind=kind,
            x=_LABEL,
            y=index * ROW + (ROW - _BAR_HEIGHT) // 2,
            # What is there is seen, however little it is.
            width=round(max(2.0, room * number / largest), 1) if number else 0,
            height=_BAR_HEIGHT,
            text_y=index * ROW + ROW // 2 + 4,
        )
        for index, (label, number, kind) in enumerate(values)
    )
    words = ", ".join(f"{bar.label}: {bar.value} ({bar.share})" for bar in drawn)
    alternative = f"{title}. {words}." if total else f"{title}. Nothing yet."
    return Chart(name, title, alternative, WIDTH, ROW * len(drawn), room, drawn)
