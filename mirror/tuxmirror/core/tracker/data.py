"""The tracker's downloads: CSV and JSON with the columns of the public service, the search index.

A row is a CVE in a source package of a release and product.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from json.encoder import encode_basestring

from ..advisory.model import Scope
from ..advisory.status import StatusRecord
from ..sla import Clock, Report
from .views import BANDS, Material, Row

# What a spreadsheet would take for a formula is text.
_FORMULA = frozenset("=+-@\t\r")


# The columns, as the public service has them; all of it is text.
FIELDS = (
    "cve",
    "os_name",
    "project_name",
    "version",
    "score",
    "severity",
    "status",
    "last_updated",
)


class Table:
    """Rows of the downloads, as they stand in CSV and in JSON."""

    def __init__(self) -> None:
        self.csv: list[str] = []
        self.json: list[str] = []

    def as_csv(self) -> bytes:
        return "".join([_csv_line(FIELDS), *self.csv]).encode()

    def as_json(self) -> bytes:
        # A document a line: easy to compare, and as small as its content.
        return "[\n{}\n]\n".format(",\n".join(self.json)).encode() if self.json else b"[]\n"


def tables(material: Material) -> tuple[Table, dict[Scope, Table]]:
    """All rows, and those of each scope: by CVE, newest number first, then release and package."""
    whole = Table()
    parts = {scope: Table() for scope in material.catalogue.scopes}
    for scope, values in _entries(material):
        # Once for both: there are tens of thousands.
        as_csv, as_json = _csv_line(values), _json_line(values)
        for table in (whole, parts[scope]):
            table.csv.append(as_csv)
            table.json.append(as_json)
    return whole, parts


def _entries(material: Material) -> Iterator[tuple[Scope, Sequence[str]]]:
    catalogue = material.catalogue
    for cve in material.newest:
        verdict = catalogue.cve(cve).verdict
        score = "" if verdict.score is None else f"{verdict.score:.1f}"
        band = verdict.band.upper()
        records: Sequence[StatusRecord] = catalogue.status(cve)
        if len(records) > 1:
            records = sorted(records, key=lambda r: (r.scope, r.package))
        for _, scope, package, status, version, _, updated, _ in records:
            title, word, day = scope.title, status.value, iso(updated)
            yield scope, (cve, title, package, version, score, band, word, day)


class _Echo:
    """Has the writer of CSV return its lines."""

    def write(self, line: str) -> str:
        return line


_write_csv = csv.writer(_Echo(), lineterminator="\r\n").writerow
_JSON_FORM = "{" + ", ".join(f'"{name}": %s' for name in FIELDS) + "}"


def _csv_line(values: Sequence[str]) -> str:
    line = _write_csv([f"'{value}" if value[:1] in _FORMULA else value for value in values])
    return str(line)


def _json_line(values: Sequence[str]) -> str:
    return _JSON_FORM % tuple(map(encode_basestring, values))


@lru_cache(maxsize=1 << 16)
def iso(seconds: int | None) -> str:
    """`2026-11-30T18:00:00Z`; nothing for no date."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def search_index(material: Material, rows: Sequence[Row]) -> bytes:
    """What the script searches: names once, rows point at them by number.

    {"bands": […], "statuses": […], "releases": […], "packages": […],
     "cves": [[id, band, score, [package…], [[release, status]…]]…],
     "advisories": [[id, title, release, [package…]]…]}
    """
    advisories = material.catalogue.advisories
    # Few different ones, many times: each is looked at once.
    places = {row.releases for row in rows}
    names = {row.packages for row in rows} | {a.source_names for a in advisories}
    statuses = sorted({status for place in places for _, status in place})
    releases = sorted(
        {name for place in places for name, _ in place} | {a.scope.title for a in advisories}
    )
    packages = sorted({name for of_it in names for name in of_it})
    band_of, status_of = _numbers(BANDS), _numbers(statuses)
    release_of, package_of = _numbers(releases), _numbers(packages)
    packages_of = {of_it: [package_of[name] for name in of_it] for of_it in names}
    standing = {p: [[release_of[name], status_of[status]] for name, status in p] for p in places}
    index = {
        "bands": BANDS,
        "statuses": statuses,
        "releases": releases,
        "packages": packages,
        "cves": [
            [cve, band_of[band], score, packages_of[names], standing[place]]
            for cve, band, score, names, place, _, _ in rows
        ],
        "advisories": [
            [a.id, a.title, release_of[a.scope.title], packages_of[a.source_names]]
            for a in advisories
        ],
    }
    return _compact(index).encode()


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
                lines[id(clock)] = _line(clock_document(clock))
        return ",\n".join(lines[id(clock)] for clock in clocks)

    texts = []
    for report in found:
        head = _compact(_numbers_of(report))[:-1]
        breaches, overdue = listed(report.breaches), listed(report.overdue)
        texts.append(f'{head},"breaches":[{breaches}],"overdue":[{overdue}]}}')
    return f"[{','.join(texts)}]\n".encode()


def _line(document: Mapping[str, object]) -> str:
    """As `_compact`, which costs three times as much a call; values are texts, numbers or None."""
    fields = (f'"{name}":{_encoded(value)}' for name, value in document.items())
    return f"{{{','.join(fields)}}}"


def _encoded(value: object) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else repr(value)


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
