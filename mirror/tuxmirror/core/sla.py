"""The fourteen days: from public disclosure to the first publication that customers could see.

A clock is kept for each CVE in each source package of a release and product. The target is that
of the Enterprise Support guide (Target response times): CVSS v3 of 7.0 and more within 14 days.
What scores less has a clock and no target; what has no comparable score counts with those that
have one, for nobody may call it harmless yet.

    disclosed ------------> issued upstream ------------> published by us
               upstream's                    ours
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from .advisory.catalogue import Catalogue
from .advisory.model import ESSENTIAL, Advisory, Scope
from .advisory.status import Status

DAY = 86400
TARGET_DAYS = 14
# Upper bounds in days; the last bucket has none.
BUCKETS = (("0-7", 7), ("8-14", 14), ("15-30", 30), (">30", None))
_DONE_BEFORE = (Status.NOT_VULNERABLE, Status.ALREADY_FIXED, Status.IGNORED)


class Clock(NamedTuple):
    """Times in seconds since the epoch; None where nobody knows, or it has not happened yet.

    `counts` says whether the target is for it; `baseline` that the fix was there when we began
    to keep records, so that nobody can say how long it took.
    """

    cve: str
    scope: Scope
    package: str
    advisory: str
    disclosed: int | None
    issued: int | None
    published: int | None
    counts: bool
    baseline: bool = False
    statement: str = ""

    @property
    def due(self) -> int | None:
        return None if self.disclosed is None else self.disclosed + TARGET_DAYS * DAY

    @property
    def days(self) -> int | None:
        """Begun days from disclosure to publication; 0 where we were first."""
        return _days(self.disclosed, self.published)

    @property
    def upstream_days(self) -> int | None:
        return _days(self.disclosed, self.issued)

    @property
    def own_days(self) -> int | None:
        """Ours: after upstream's fix, or after the disclosure where the fix is our own."""
        return _days(self.disclosed if self.issued is None else self.issued, self.published)

    def age(self, now: int) -> int | None:
        """Days that it has been running, or did run."""
        return _days(self.disclosed, self.published or now)

    def reason(self) -> str:
        """Why it took so long, as far as records tell."""
        if self.statement:
            return self.statement
        if self.upstream_days is not None and self.upstream_days > TARGET_DAYS:
            return f"upstream's fix came on day {self.upstream_days}, ours {self.own_days} later"
        return "no reason is recorded"


def _days(start: int | None, end: int | None) -> int | None:
    if start is None or end is None:
        return None
    return max(0, -((start - end) // DAY))


def clocks(catalogue: Catalogue, baseline: frozenset[tuple[Scope, str]]) -> list[Clock]:
    """Of everything that is fixed or will be, sorted; what never needed a fix has none.

    Args:
        baseline: advisories that were there when records began.
    """
    first = _first_fixes(catalogue)
    found = []
    for cve in catalogue.cve_ids:
        known = catalogue.cve(cve)
        verdict, disclosed = known.verdict, known.disclosed
        counts = not known.rejected and (verdict.covered or verdict.needs_triage)
        of_it = []
        # By position: there are tens of thousands, and names take as long again.
        for _, scope, package, status, _, statement, _, _ in catalogue.status(cve):
            if status in _DONE_BEFORE:
                continue
            # What an advisory fixes has no other status than Released.
            fix = first.get((cve, scope, package))
            clock = Clock(
                cve,
                scope,
                package,
                fix.id if fix else "",
                disclosed,
                # A fix of our own has no upstream to wait for.
                fix.issued if fix and scope.product == ESSENTIAL else None,
                catalogue.published(fix) if fix else None,
                counts,
                bool(fix and (scope, fix.id) in baseline),
                statement,
            )
            of_it.append(clock)
        # CVEs come sorted.
        found += sorted(of_it) if len(of_it) > 1 else of_it
    return found


def _first_fixes(catalogue: Catalogue) -> dict[tuple[str, Scope, str], Advisory]:
    """The advisory that fixed a CVE in a package first, by publication, else by its own date."""
    first: dict[tuple[str, Scope, str], tuple[tuple[int, str], Advisory]] = {}
    for advisory in catalogue.advisories:
        when = catalogue.published(advisory)
        age = (advisory.issued if when is None else when, advisory.id)
        for package in advisory.source_names:
            for cve in advisory.cves:
                key = (cve, advisory.scope, package)
                known = first.get(key)
                if known is None or age < known[0]:
                    first[key] = age, advisory
    return {key: advisory for key, (_, advisory) in first.items()}


@dataclass(frozen=True)
class Report:
    """What `advisory sla` answers, of one scope or of all.

    `undated` have no disclosure date, `baseline` were there before, `overdue` run past the
    target without a fix. Days are None where nothing was measured.
    """

    title: str
    buckets: tuple[tuple[str, int], ...]
    measured: int
    within: int
    median: float | None
    p90: int | None
    upstream_median: float | None
    own_median: float | None
    breaches: tuple[Clock, ...]
    running: tuple[Clock, ...]
    overdue: tuple[Clock, ...]
    undated: int
    baseline: int

    @property
    def share(self) -> float | None:
        """Of what was measured, in target: 0 to 1."""
        return self.within / self.measured if self.measured else None


def report(title: str, found: Iterable[Clock], now: int) -> Report:
    """Over the clocks that the target is for.

    Args:
        now: seconds since the epoch; decides what is overdue.
    """
    counted = [clock for clock in found if clock.counts]
    shown = [(clock.days, clock) for clock in counted if not clock.baseline]
    measured = [(days, clock) for days, clock in shown if days is not None]
    days = sorted(number for number, _ in measured)
    running = [c for c in counted if c.published is None and not c.baseline]
    return Report(
        title=title,
        buckets=tuple((name, _between(days, low, high)) for name, low, high in _bounds()),
        measured=len(days),
        within=sum(1 for day in days if day <= TARGET_DAYS),
        median=median(days) if days else None,
        p90=percentile(days, 90),
        upstream_median=_median(c.upstream_days for _, c in measured),
        own_median=_median(c.own_days for _, c in measured),
        breaches=_worst(c for number, c in measured if number > TARGET_DAYS),
        running=tuple(sorted(running, key=lambda c: (c.disclosed or now, c))),
        overdue=tuple(c for c in running if c.due is not None and c.due < now),
        undated=sum(1 for c in counted if c.disclosed is None),
        baseline=sum(1 for c in counted if c.baseline),
    )


def reports(found: Sequence[Clock], now: int) -> list[Report]:
    """Of all together, then of each release and product."""
    by_scope: dict[Scope, list[Clock]] = {}
    for clock in found:
        by_scope.setdefault(clock.scope, []).append(clock)
    parts = [report(scope.title, of_it, now) for scope, of_it in sorted(by_scope.items())]
    return [report("All releases", found, now), *parts]


def percentile(values: Sequence[int], percent: int) -> int | None:
    """Nearest rank: the smallest value that `percent` of the sorted values do not exceed."""
    if not values:
        return None
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _bounds() -> list[tuple[str, int, int | None]]:
    lows = [-1, *(high for _, high in BUCKETS[:-1] if high is not None)]
    return [(name, low, high) for (name, high), low in zip(BUCKETS, lows)]


def _between(days: Iterable[int], low: int, high: int | None) -> int:
    return sum(1 for day in days if low < day and (high is None or day <= high))


def _median(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _worst(found: Iterable[Clock]) -> tuple[Clock, ...]:
    return tuple(sorted(found, key=lambda clock: (-(clock.days or 0), clock)))
