"""What upstream may do in one step without a person looking at it."""

from __future__ import annotations

from .config import MassChange
from .errors import RefusedError
from .summary import Changes

_NAMED = 5
# Older than the configured age is worth a warning, older than this many times it an error.
REFUSED_AFTER = 4


def check_mass_change(changes: Changes, limit: MassChange) -> None:
    """Packages gone, or with other bytes under their old name, beyond both limits.

    Raises:
        RefusedError: says how many, and some of them.
    """
    suspect = (*changes.removed, *changes.replaced)
    allowed = max(limit.packages, changes.before * limit.percent / 100)
    if not changes.before or len(suspect) <= allowed:
        return
    raise RefusedError(
        f"{len(suspect)} of {changes.before} packages are removed or replaced in one step",
        expected=f"at most {allowed:.0f} (mass_change)",
        found=", ".join(suspect[:_NAMED]) + (" …" if len(suspect) > _NAMED else ""),
        way_out="look at sync --dry-run; if upstream means it, say --allow-mass-change",
    )


def check_age(upstream_time: int, now: int, max_age: int) -> str | None:
    """How old upstream says it is; all times in seconds. Returns a warning, if one is due.

    A mirror that always shows the same, validly signed state keeps fixes from everybody behind
    it; upstream's TIME ticks even when no package changes.

    Raises:
        RefusedError: beyond all patience.
    """
    age = now - upstream_time
    if not max_age or age <= max_age:
        return None
    found = f"upstream's TIME is {_hours(age)} old (max_age is {_hours(max_age)})"
    if age <= max_age * REFUSED_AFTER:
        return f"{found}; it may be frozen, or its mirror service stands still"
    raise RefusedError(
        "upstream stands still",
        expected=f"TIME at most {_hours(max_age * REFUSED_AFTER)} old",
        found=found,
        path="TIME",
        way_out="try another upstream; for a tree that upstream closed, say max_age = never there",
    )


def _hours(seconds: int) -> str:
    return f"{seconds // 3600} h"
