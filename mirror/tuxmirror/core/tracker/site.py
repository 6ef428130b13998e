"""The pages of the tracker.

A page has a key made of all that it shows: where the key is the one of last time, so are the
bytes, and nobody renders it again. What a page shows is put together only when it is rendered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Callable, NamedTuple

from ..advisory.model import Advisory, Scope
from ..advisory.status import Status
from ..errors import MetadataError
from ..sla import Clock, Report, reports
from . import charts, data, paths, views
from .views import Material, Row

ROWS_A_PAGE = 250
_NEWEST = 20
_BREACHES_SHOWN = 200

Values = Mapping[str, object]


class Page(NamedTuple):
    """A page to render. `path` is below the channel; `template` a name the renderer knows."""

    path: str
    template: str
    key: str
    values: Callable[[], Values]


class Listing(NamedTuple):
    """A list of CVEs: one kind (years, severity, status) and one of its names."""

    kind: str
    name: str
    rows: tuple[Row, ...]

    @property
    def parts(self) -> list[tuple[Row, ...]]:
        return [
            self.rows[start : start + ROWS_A_PAGE]
            for start in range(0, max(len(self.rows), 1), ROWS_A_PAGE)
        ]

    @property
    def title(self) -> str:
        if self.kind == "years":
            return f"CVEs of {self.name}"
        return f"{self.name} CVEs" if self.kind == "severity" else f"CVEs: {self.name}"


class ScopeFacts(NamedTuple):
    """How many advisories and CVEs a release has, and how many CVEs stand at which status."""

    scope: Scope
    advisories: int
    cves: int
    statuses: tuple[tuple[str, int], ...]


class File(NamedTuple):
    """A file that is no page; `key` as a page's."""

    path: str
    key: str
    data: Callable[[], bytes]


class Site:
    """Everything below `cve/` for one state of a channel."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._catalogue = material.catalogue
        self.rows = views.rows(material)
        self.reports = reports(material.clocks, material.now)
        self._row_keys = {row.cve: views.digest(tuple.__repr__(row)) for row in self.rows}
        self._digests = {id(a): views.advisory_digest(a) for a in self._catalogue.advisories}
        self._listings = list(_listings(self.rows))
        self._advisories = views.newest_first(material, self._catalogue.advisories)

    @property
    def common(self) -> Values:
        """What every template may use."""
        return {"published": self._catalogue.published}

    def pages(self) -> list[Page]:
        """All of them. Raises MetadataError where two would have the same file name."""
        found = [
            *self._overview(),
            *self._lists(),
            *self._cves(),
            *self._advisory_lists(),
            *self._advisory_pages(),
            *self._packages(),
            *self._releases(),
            *self._sla(),
        ]
        _check_paths(found)
        return found

    def files(self) -> list[File]:
        """CSV, JSON and the search index."""
        rows = data.entries(self._material)
        key = views.digest(_plain(entry for _, entry in rows))
        entries = [entry for _, entry in rows]
        found = [
            File(paths.CVES_CSV, key, lambda: data.as_csv(entries)),
            File(paths.CVES_JSON, key, lambda: data.as_json(entries)),
            File(paths.SEARCH_INDEX, self._index_key(), self._index),
            File(paths.SLA_JSON, views.digest(self.reports), self._sla_data),
        ]
        by_scope: dict[Scope, list[data.Entry]] = {scope: [] for scope in self._catalogue.scopes}
        for scope, entry in rows:
            by_scope[scope].append(entry)
        for scope, of_it in by_scope.items():
            key = views.digest(_plain(of_it))
            found.append(File(paths.scope_data(scope, "csv"), key, _csv(of_it)))
            found.append(File(paths.scope_data(scope, "json"), key, _json(of_it)))
        return found

    def _index_key(self) -> str:
        advisories = [(a.id, a.title, a.scope, a.source_names) for a in self._catalogue.advisories]
        return views.digest(self._row_keys, advisories)

    def _index(self) -> bytes:
        return data.search_index(self._material, self.rows)

    def _sla_data(self) -> bytes:
        import json

        return (json.dumps(data.sla_document(self.reports), indent=1) + "\n").encode()

    def _of(self, advisories: Sequence[Advisory]) -> list[str]:
        return [self._digests[id(advisory)] for advisory in advisories]

    def _published(self, advisories: Sequence[Advisory]) -> list[int | None]:
        return [self._catalogue.published(advisory) for advisory in advisories]

    def _overview(self) -> Iterator[Page]:
        newest = self._advisories[:_NEWEST]
        bands = views.count_bands(row.band for row in self.rows)
        statuses = _statuses(self.rows)
        scopes = self._scope_facts
        total = self.reports[0]
        key = views.digest(
            bands, statuses, scopes, total, self._of(newest), self._published(newest),
            len(self._catalogue.advisories),
        )  # fmt: skip
        yield Page(
            paths.INDEX,
            "overview.html",
            key,
            lambda: {
                "newest": newest,
                "advisories": len(self._catalogue.advisories),
                "cves": len(self.rows),
                "open": sum(n for name, n in statuses if Status(name).open),
                "severity": _severity_chart(bands),
                "sla": _sla_chart(total),
                "report": total,
                "scopes": scopes,
            },
        )
        yield Page(
            paths.SEARCH,
            "search.html",
            views.digest(bands, statuses, [scope.title for scope in self._catalogue.scopes]),
            lambda: {
                "bands": [band for band, _ in bands],
                "statuses": [name for name, _ in statuses],
                "scopes": self._catalogue.scopes,
            },
        )

    @cached_property
    def _rows_by_release(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            for title in {title for title, _ in row.releases}:
                found.setdefault(title, []).append(row)
        return found

    @cached_property
    def _scope_facts(self) -> list[ScopeFacts]:
        counts: dict[str, Counter[str]] = {s.title: Counter() for s in self._catalogue.scopes}
        cves: Counter[str] = Counter()
        for row in self.rows:
            cves.update({title for title, _ in row.releases})
            for title, status in row.releases:
                counts[title][status] += 1
        return [
            ScopeFacts(
                scope,
                len(self._catalogue.of(scope)),
                cves[scope.title],
                tuple((s.value, n) for s in Status if (n := counts[scope.title][s.value])),
            )
            for scope in self._catalogue.scopes
        ]

    def _lists(self) -> Iterator[Page]:
        facts = [(li.kind, li.name, len(li.rows)) for li in self._listings]
        yield Page(
            paths.BROWSE, "browse.html", views.digest(facts), lambda: {"listings": self._listings}
        )
        for listing in self._listings:
            parts = listing.parts
            for number, rows in enumerate(parts, 1):
                yield Page(
                    paths.listing(listing.kind, listing.name, number),
                    "cves.html",
                    views.digest(listing.kind, listing.name, number, len(parts), len(listing.rows),
                                 [self._row_keys[row.cve] for row in rows]),
                    _values(listing=listing, rows=rows, part=number, parts=len(parts)),
                )  # fmt: skip

    def _cves(self) -> Iterator[Page]:
        for row in self.rows:
            cve, name = self._catalogue.cve(row.cve), row.cve
            fixing = self._catalogue.fixing(name)
            pins = [self._pins_keys.get(a.scope.release) for a in fixing]
            records = [
                (r.scope.title, r.package, r.status.value, r.version, r.statement)
                for r in self._catalogue.status(name)
            ]
            key = views.digest(
                self._row_keys[name], _plain(cve.scores), _plain(cve.disclosures),
                _plain(cve.references), cve.cwes, cve.description, cve.rejected, records,
                self._of(fixing), [_clock_key(c) for c in self._material.clocks_of(name)], pins,
            )  # fmt: skip
            yield Page(paths.cve(name), "cve.html", key, self._cve_values(row))

    @cached_property
    def _pins_keys(self) -> dict[str, str]:
        return {release: views.digest(pins) for release, pins in self._material.pins.items()}

    def _cve_values(self, row: Row) -> Callable[[], Values]:
        return lambda: {
            "year": str(views.cve_number(row.cve)[0] or ""),
            "cve": self._catalogue.cve(row.cve),
            "fixes": views.fixes(self._material, row.cve),
        }

    def _advisory_lists(self) -> Iterator[Page]:
        starts = range(0, max(len(self._advisories), 1), ROWS_A_PAGE)
        for number, start in enumerate(starts, 1):
            part = self._advisories[start : start + ROWS_A_PAGE]
            yield Page(
                paths.advisories(number),
                "advisories.html",
                views.digest(number, len(starts), len(self._advisories), self._of(part),
                             self._published(part)),
                _values(advisories=part, part=number, parts=len(starts),
                        total=len(self._advisories)),
            )  # fmt: skip

    def _advisory_pages(self) -> Iterator[Page]:
        for name in sorted({advisory.id for advisory in self._catalogue.advisories}):
            of_it = self._catalogue.advisory(name)
            bands = [self._catalogue.cve(c).verdict.band for a in of_it for c in a.cves]
            scores = [self._catalogue.cve(c).verdict.score for a in of_it for c in a.cves]
            pins = [self._pins_keys.get(a.scope.release) for a in of_it]
            key = views.digest(self._of(of_it), self._published(of_it), bands, scores, pins)
            yield Page(paths.advisory(name), "advisory.html", key, self._advisory_values(of_it))

    def _advisory_values(self, of_it: Sequence[Advisory]) -> Callable[[], Values]:
        return lambda: {
            "advisory": of_it[0],
            "scopes": [
                (a, views.builds(a), self._catalogue.published(a), self._material.fips(a))
                for a in of_it
            ],
            "cves": [self._catalogue.cve(c) for c in sorted({c for a in of_it for c in a.cves})],
        }

    def _packages(self) -> Iterator[Page]:
        found = views.packages(self._material)
        facts = [(p.name, p.supported, p.bands, len(p.advisories), len(p.open)) for p in found]
        yield Page(
            paths.PACKAGES,
            "packages.html",
            views.digest(facts),
            lambda: {
                "supported": [p for p in found if p.supported],
                "others": [p for p in found if not p.supported],
            },
        )
        for package in found:
            key = views.digest(
                package.name, package.supported, package.binaries, package.bands, package.open,
                self._of(package.advisories), self._published(package.advisories),
            )  # fmt: skip
            yield Page(paths.package(package.name), "package.html", key, _values(package=package))

    def _releases(self) -> Iterator[Page]:
        facts = self._scope_facts
        extras = self._material.extras
        yield Page(
            paths.RELEASES,
            "releases.html",
            views.digest(facts, sorted(extras)),
            _values(scopes=facts, extras=extras),
        )
        for scope, advisories, cves, statuses in facts:
            rows = tuple(self._rows_by_release.get(scope.title, ()))
            listing = Listing("releases", paths.scope_slug(scope), rows)
            bands = views.count_bands(row.band for row in rows)
            report = next((r for r in self.reports if r.title == scope.title), None)
            parts = listing.parts
            for number, part in enumerate(parts, 1):
                yield Page(
                    paths.listing("releases", listing.name, number),
                    "release.html",
                    views.digest(scope, advisories, cves, statuses, bands, report, number,
                                 len(parts), sorted(extras), [self._row_keys[r.cve] for r in part]),
                    _values(scope=scope, advisories=advisories, cves=cves, statuses=statuses,
                            severity=_severity_chart(bands), report=report, rows=part,
                            sla=_sla_chart(report) if report else None, extras=extras,
                            listing=listing, part=number, parts=len(parts)),
                )  # fmt: skip

    def _sla(self) -> Iterator[Page]:
        yield Page(
            paths.SLA,
            "sla.html",
            views.digest(self.reports),
            lambda: {
                "reports": self.reports,
                "charts": [_sla_chart(report) for report in self.reports],
                "breaches": _shown(self.reports[0].breaches),
                "overdue": _shown(self.reports[0].overdue),
                "extras": self._material.extras,
            },
        )


def _plain(values: Iterable[tuple[object, ...]]) -> list[str]:
    """Without the names of fields: they cost most of the time of a key."""
    return [tuple.__repr__(value) for value in values]


def _clock_key(clock: Clock) -> str:
    return tuple.__repr__(clock._replace(scope=clock.scope.title))  # type: ignore[arg-type]


def _shown(clocks: Sequence[Clock]) -> Sequence[Clock]:
    return clocks[:_BREACHES_SHOWN]


def _values(**values: object) -> Callable[[], Values]:
    return lambda: values


def _csv(entries: Sequence[data.Entry]) -> Callable[[], bytes]:
    return lambda: data.as_csv(entries)


def _json(entries: Sequence[data.Entry]) -> Callable[[], bytes]:
    return lambda: data.as_json(entries)


def _listings(rows: Sequence[Row]) -> Iterator[Listing]:
    """By year, severity and status; those without a CVE are left out."""
    years: dict[str, list[Row]] = {}
    bands: dict[str, list[Row]] = {band: [] for band in views.BANDS}
    statuses: dict[str, list[Row]] = {status.value: [] for status in Status}
    for row in rows:
        years.setdefault(str(views.cve_number(row.cve)[0]), []).append(row)
        bands[row.band].append(row)
        for status in {status for _, status in row.releases}:
            statuses[status].append(row)
    for kind, groups in (("years", years), ("severity", bands), ("status", statuses)):
        for name, group in groups.items():
            if group:
                yield Listing(kind, name, tuple(group))


def _statuses(rows: Sequence[Row]) -> list[tuple[str, int]]:
    counts = Counter(status for row in rows for status in {status for _, status in row.releases})
    return [(status.value, counts[status.value]) for status in Status if counts[status.value]]


def _severity_chart(bands: Sequence[tuple[str, int]]) -> charts.Chart:
    values = [(band, number, band.lower()) for band, number in bands]
    return charts.bars("severity", "CVEs by severity", values)


def _sla_chart(report: Report) -> charts.Chart:
    kinds = ("met", "met", "late", "breach")
    values = [(f"{name} days", n, kind) for (name, n), kind in zip(report.buckets, kinds)]
    return charts.bars("sla", "Days from disclosure to publication", values)


def _check_paths(pages: Sequence[Page]) -> None:
    """Two names may become the same file name; then one page would hide the other."""
    seen: set[str] = set()
    for page in pages:
        if page.path in seen:
            raise MetadataError(
                "two pages of the tracker would have the same name",
                path=page.path,
                way_out="rename one of the advisories or packages that differ in punctuation alone",
            )
        seen.add(page.path)
