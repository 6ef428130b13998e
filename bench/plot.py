"""Cost against size as an SVG: log scales, one line a kind of work."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT, _MARGIN = 640, 400, 60
_COLOURS = ("#1f6feb", "#1a7f37", "#9a6700", "#cf222e", "#8250df", "#57606a")
# Names stand above the plot, two a row.
_ROW, _COLUMN = 18, 290

Points = Sequence[tuple[float, float]]


def svg(lines: Mapping[str, Points], x_title: str, y_title: str) -> str:
    """`lines` by name; x and y above 0."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    across = _Scale(min(xs), max(xs), _MARGIN, _WIDTH - 20)
    top = 20 + _ROW * math.ceil(len(lines) / 2)
    up = _Scale(min(ys) / 1.5, max(ys) * 1.5, _HEIGHT - _MARGIN, top)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 14}" text-anchor="middle">{x_title}</text>',
        f'<text x="14" y="{_HEIGHT / 2}" text-anchor="middle"'
        f' transform="rotate(-90 14 {_HEIGHT / 2})">{y_title}</text>',
        *_ticks(across, up, sorted(set(xs))),
    ]
    for number, (name, points) in enumerate(lines.items()):
        parts += _line(name, points, across, up, _COLOURS[number % len(_COLOURS)], number)
    return "\n".join([*parts, "</svg>", ""])


class _Scale:
    """Logarithmic: from values to places on the paper."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        span = math.log(self.high / self.low) or 1.0
        return self._start + (self._end - self._start) * math.log(value / self.low) / span


def _ticks(across: _Scale, up: _Scale, xs: Sequence[float]) -> list[str]:
    parts = []
    for x in xs:
        parts.append(
            f'<text x="{across(x):.0f}" y="{_HEIGHT - _MARGIN + 18}" text-anchor="middle">'
            f"{x:,.0f}</text>"
        )
    for power in range(-3, 4):
        for step in (1, 3):
            value = step * 10.0**power
            if up.low <= value <= up.high:
                y = up(value)
                parts.append(
                    f'<line x1="{_MARGIN}" x2="{_WIDTH - 20}" y1="{y:.0f}" y2="{y:.0f}"'
                    ' stroke="#d0d7de"/>'
                    f'<text x="{_MARGIN - 8}" y="{y + 4:.0f}" text-anchor="end">{value:g}</text>'
                )
    return parts


def _line(
    name: str, points: Points, across: _Scale, up: _Scale, colour: str, number: int
) -> list[str]:
    places = [(across(x), up(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    left, top = _MARGIN + 16 + _COLUMN * (number % 2), 16 + _ROW * (number // 2)
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *dots,
        f'<circle cx="{left}" cy="{top}" r="4" fill="{colour}"/>',
        f'<text x="{left + 10}" y="{top + 4}">{name}</text>',
    ]
