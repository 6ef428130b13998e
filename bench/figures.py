"""Tables of figures, and how sure a median is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import comb
from statistics import median
from typing import NamedTuple


class Figure(NamedTuple):
    """One line of a report. `good` is whether the target was met; None: there is none, or the
    rounds lie too far apart to tell."""

    what: str
    value: str
    target: str = ""
    good: bool | None = None


class Interval(NamedTuple):
    """A median, and between which values it lies at 95 %."""

    middle: float
    low: float
    high: float

    def at_most(self, target: float) -> bool | None:
        """Whether the median is below a target; None where the interval does not tell."""
        return True if self.high <= target else False if self.low > target else None

    def at_least(self, target: float) -> bool | None:
        return True if self.low >= target else False if self.high < target else None

    def text(self, digits: int = 2) -> str:
        return f"{self.middle:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def median_interval(values: Sequence[float]) -> Interval:
    """The median and its 95 % interval by order statistics, which assumes nothing of the values
    but that they are independent. Fewer than six cannot be that sure; theirs spans them all."""
    ordered, count = sorted(values), len(values)
    rank, left_off = 0, 0.0
    # So many of the smallest (and largest) go that the median is among them in 2.5 % of cases.
    while rank < count // 2 and left_off + comb(count, rank) / 2**count <= 0.025:
        left_off += comb(count, rank) / 2**count
        rank += 1
    first = max(rank - 1, 0)
    return Interval(median(ordered), ordered[first], ordered[count - 1 - first])


def markdown(title: str, about: str, figures: Sequence[Figure], machine: str) -> str:
    lines = [
        f"# {title}",
        "",
        f"{time.strftime('%Y-%m-%d')}, {machine}.",
        about,
        "",
        "| what | measured | target | |",
        "|---|---:|---:|---|",
    ]
    for figure in figures:
        open_question = "too noisy to tell" if figure.target else ""
        verdict = {None: open_question, True: "met", False: "**missed**"}[figure.good]
        lines.append(f"| {figure.what} | {figure.value} | {figure.target} | {verdict} |")
    return "\n".join([*lines, ""])
