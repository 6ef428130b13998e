"""The tracker's downloads: CSV and JSON with the columns of the public service, the search index.

    cve, os_name, project_name, version, score, severity, status, last_updated

A row is a CVE in a source package of a release and product.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from json.encoder import encode_basestring
from typing import NamedTuple

from ..advisory.model import Scope
from ..advisory.status import StatusRecord
from ..sla import Clock, Report
from .views import BANDS, Material, Row

# What a spreadsheet would take for a formula is text.
_FORMULA = frozenset("=+-@\t\r")


class Entry(NamedTuple):
    """A line of the downloads; all of it text, as in the public service's."""

    cve: str
    os_name: str
    project_name: str
    version: str
    score: str
    severity: str
    status: str
    last_updated: str


def entries(material: Material) -> list[tuple[Scope, Entry]]:
    """By CVE, newest number first, then release and package."""
    found = []
    catalogue = material.catalogue
    for cve in material.newest:
        verdict = catalogue.cve(cve).verdict
        score = "" if verdict.score is None else f"{verdict.score:.1f}"
        severity = verdict.band.upper()
        records: Sequence[StatusRecord] = catalogue.status(cve)
        if len(records) > 1:
            records = sorted(records, key=lambda r: (r.scope, r.package))
        for record in records:
            # By position: there are tens of thousands, and names take as long again.
            entry = Entry(
                cve,
                record.scope.title,
                record.package,
                record.version,
                score,
                severity,
                record.status.value,
                iso(record.updated),
            )
            found.append((record.scope, entry))
    return found


@lru_cache(maxsize=1 << 16)
def iso(seconds: int | None) -> str:
    """`2026-11-30T18:00:00Z`; nothing for no date."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_csv(found: Iterable[Entry]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(Entry._fields)
    writer.writerows(
        [f"'{value}" if value[:1] in _FORMULA else value for value in entry] for entry in found
    )
    return text.getvalue().encode()


def as_json(found: Iterable[Entry]) -> bytes:
    # A document a line: easy to compare, and as small as its content.
    form = "{" + ", ".join(f'"{name}": %s' for name in Entry._fields) + "}"
    lines = ",\n".join(form % tuple(map(encode_basestring, entry)) for entry in found)
    return f"[\n{lines}\n]\n".encode() if lines else b"[]\n"


def search_index(material: Material, rows: Sequence[Row]) -> bytes:
    """What the script searches: names once, rows point at them by number.

    {"bands": […], "statuses": […], "releases": […], "packages": […],
     "cves": [[id, band, score, [package…], [[release, status]…]]…],
     "advisories": [[id, file, title, release, band, [package…], day]…]}
    """
    statuses = sorted({status for row in rows for _, status in row.releases})
    advisories = material.catalogue.advisories
    releases = sorted(
        {name for row in rows for name, _ in row.releases} | {a.scope.title for a in advisories}
    )
    packages = sorted(
        {name for row in rows for name in row.packages}
        | {name for a in advisories for name in a.source_names}
    )
    band_of, status_of = _numbers(BANDS), _numbers(statuses)
    release_of, package_of = _numbers(releases), _numbers(packages)
    index = {
        "bands": BANDS,
        "statuses": statuses,
        "releases": releases,
        "packages": packages,
        "cves": [
            [
                row.cve,
                band_of[row.band],
                row.score,
                [package_of[name] for name in row.packages],
                [[release_of[name], status_of[status]] for name, status in row.releases],
            ]
            for row in rows
        ],
        "advisories": [
            [a.id, a.title, release_of[a.scope.title], [package_of[n] for n in a.source_names]]
            for a in advisories
        ],
    }
    return json.dumps(index, ensure_ascii=False, separators=(",", ":")).encode()


def _numbers(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def sla_document(reports: Sequence[Report]) -> list[dict[str, object]]:
    """`advisory sla --json` and the tracker's `sla.json`; days are whole, begun ones count."""
    return [_report(report) for report in reports]


def sla_file(found: Sequence[Report]) -> bytes:
    """The same as a file, a clock a line: one more changes one line, and each is encoded once."""
    lines: dict[int, str] = {}

    def listed(clocks: Sequence[Clock]) -> str:
        for clock in clocks:
            if id(clock) not in lines:
                lines[id(clock)] = _compact(clock_document(clock))
        return ",\n".join(lines[id(clock)] for clock in clocks)

    texts = []
    for report in found:
        head = _compact(_numbers_of(report))[:-1]
        breaches, overdue = listed(report.breaches), listed(report.overdue)
        texts.append(f'{head},"breaches":[{breaches}],"overdue":[{overdue}]}}')
    return f"[{','.join(texts)}]\n".encode()


# Made once: `json.dumps` with separators makes an encoder for every call.
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _report(report: Report) -> dict[str, object]:
    return {
        **_numbers_of(report),
        "breaches": [clock_document(clock) for clock in report.breaches],
        "overdue": [clock_document(clock) for clock in report.overdue],
    }


def _numbers_of(report: Report) -> dict[str, object]:
    return {
        "title": report.title,
        "measured": report.measured,
        "within_target": report.within,
        "share_within_target": None if report.share is None else round(report.share, 4),
        "buckets": dict(report.buckets),
        "median_days": report.median,
        "p90_days": report.p90,
        "upstream_median_days": report.upstream_median,
        "own_median_days": report.own_median,
        "undated": report.undated,
        "baseline": report.baseline,
        "running": len(report.running),
    }


def clock_document(clock: Clock) -> dict[str, object]:
    return {
        "cve": clock.cve,
        "release": clock.scope.title,
        "package": clock.package,
        "advisory": clock.advisory or None,
        "disclosed": iso(clock.disclosed) or None,
        "issued_upstream": iso(clock.issued) or None,
        "published": iso(clock.published) or None,
        "due": iso(clock.due) or None,
        "days": clock.days,
        "upstream_days": clock.upstream_days,
        "own_days": clock.own_days,
        "counts": clock.counts,
        "baseline": clock.baseline,
        "reason": clock.reason(),
    }
