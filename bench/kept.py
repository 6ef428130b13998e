"""What was measured is kept part by part, so that a bench that was stopped can go on.

<folder>/parts/<part>.json      {"commit", "rounds", "seconds", "load", "rows": […]}
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .measure import Cost, Series
from .scenarios import Row

_CHECKOUT = Path(__file__).parents[1]


class Part(NamedTuple):
    """One part's rows. `load` is the machine's when it ended, `seconds` what all of it took."""

    name: str
    commit: str
    rounds: int
    seconds: float
    load: float
    rows: list[Row]


def save(folder: Path, part: Part) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fields = part._asdict()
    fields["rows"] = [row._replace(series=row.series.costs)._asdict() for row in part.rows]
    target = folder / f"{part.name}.json"
    fresh = target.with_suffix(".new")
    fresh.write_text(json.dumps(fields, indent=1))
    fresh.replace(target)


def load(folder: Path, names: Sequence[str]) -> dict[str, Part]:
    """Those of the parts that were measured, in that order."""
    found = {}
    for name in names:
        path = folder / f"{name}.json"
        if path.exists():
            fields = json.loads(path.read_text())
            fields["rows"] = [_row(row) for row in fields["rows"]]
            found[name] = Part(**fields)
    return found


def _row(fields: dict) -> Row:
    costs = [Cost(*cost) for cost in fields.pop("series")]
    return Row(series=Series(costs), **fields)


def commit() -> str:
    """The checkout's; "and changes" where files differ from it, its results aside."""
    name = _git("rev-parse", "--short", "HEAD") or "unknown"
    changed = _git("status", "--porcelain", "--", ".", ":!bench/results", ":!tests/full-run.md")
    return f"{name} and changes" if changed else name


def machine_load() -> float:
    return round(os.getloadavg()[0], 1)


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=_CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
