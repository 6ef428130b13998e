"""What upstream, or an edited policy, may do in one step without a person looking at it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .config import MassChange
from .errors import RefusedError
from .snapshot import File
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


def taken_away(shown: Iterable[File], then: Iterable[File], whole: Iterable[File]) -> list[str]:
    """Paths of packages that a policy takes from a channel, of one repository.

    Those that it shows and will not show `then`, though the `whole` repository that was chosen
    from has them. What gives way to another version that arrives in the same step was updated.
    """
    before, after = _packages(shown), _packages(then)
    arriving = {_name_arch(path) for path in after.keys() - before.keys()}
    there = set(_packages(whole).values())
    return sorted(
        path
        for path, sha256 in before.items()
        if path not in after and sha256 in there and _name_arch(path) not in arriving
    )


def _packages(files: Iterable[File]) -> dict[str, str]:
    return {file.path: file.sha256 for file in files if file.path.endswith(".rpm")}


def _name_arch(path: str) -> tuple[str, str]:
    """`curl` and `x86_64` of `Packages/curl-7.76.1-23.el9.x86_64.rpm`."""
    stem, _, arch = path.rpartition("/")[2][: -len(".rpm")].rpartition(".")
    return stem.rsplit("-", 2)[0], arch


def taken_at_once(before: int, limit: MassChange) -> float:
    """How many of `before` packages a policy may take away in one step."""
    return max(limit.packages, before * limit.percent / 100)


def check_taken_away(
    paths: Sequence[str], before: int, limit: MassChange, tree: str, channel: str
) -> None:
    """What a policy takes from a channel at once, of `before` packages that it shows.

    Raises:
        RefusedError: beyond both limits; says how many, and some of them.
    """
    allowed = taken_at_once(before, limit)
    if len(paths) <= allowed:
        return
    raise RefusedError(
        f"the policy would take {len(paths)} of {before} packages from {channel} that upstream"
        " still has",
        tree=tree,
        expected=f"at most {allowed:.0f} at once (mass_change)",
        found=", ".join(paths[:_NAMED]) + (" …" if len(paths) > _NAMED else ""),
        way_out=f"mend the policy; or look at tuxmirror plan {tree} --channel {channel} and, if"
        " that is meant, tuxmirror approve PLAN --allow-mass-change",
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
