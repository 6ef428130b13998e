"""The pages of the tracker.

A page has a key made of all that it shows: where the key is the one of last time, so are the
bytes, and nobody renders it again. What a page shows is put together only when it is rendered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Callable, NamedTuple

from ..advisory.model import Advisory, Scope
from ..advisory.status import Status, StatusRecord
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


class Part(NamedTuple):
    """Of a long list, its rows from `start` to `end`; there are `of` parts.

    `number` counts from the oldest: a part keeps its name and its rows while the list grows. The
    newest is what links to the list lead to, and alone speaks of the whole.
    """

    number: int
    of: int
    start: int
    end: int

    @property
    def newest(self) -> bool:
        return self.number == self.of

    @property
    def key(self) -> tuple[int, bool, int]:
        """What pages may show of it: all but the newest know no more than their neighbours."""
        return self.number, self.number + 1 == self.of, self.of if self.newest else 0


class Listing(NamedTuple):
    """A list of CVEs: one kind (years, severity, status) and one of its names."""

    kind: str
    name: str
    rows: tuple[Row, ...]

    @property
    def parts(self) -> list[tuple[Part, tuple[Row, ...]]]:
        return [(part, self.rows[part.start : part.end]) for part in _parts(len(self.rows))]

    @property
    def title(self) -> str:
        if self.kind == "years":
            return f"CVEs of {self.name}"
        return f"{self.name} CVEs" if self.kind == "severity" else f"CVEs: {self.name}"


def _parts(count: int) -> list[Part]:
    """The parts of a list, newest first, of at most ROWS_A_PAGE rows each.

    Full ones from its end on, so that what is new at its top leaves them alone; the first two
    share the rest, lest a page has a single row.
    """
    rest = count % ROWS_A_PAGE
    ends = list(range(rest or ROWS_A_PAGE, count + 1, ROWS_A_PAGE)) or [count]
    if rest and len(ends) > 1:
        ends[0] = ends[1] // 2
    last = len(ends)
    starts = [0, *ends]
    return [Part(last - n, last, starts[n], end) for n, end in enumerate(ends)]


def _number(part: Part) -> int | None:
    """As `paths` takes it."""
    return None if part.newest else part.number


class ScopeFacts(NamedTuple):
    """How many advisories and CVEs a release has, and how many CVEs stand at which status."""

    scope: Scope
    advisories: int
    cves: int
    statuses: tuple[tuple[str, int], ...]


class File(NamedTuple):
    """A file that is no page. What makes it costs less than to look whether it is another."""

    path: str
    data: Callable[[], bytes]


class Site:
    """Everything below `cve/` for one state of a channel."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._catalogue = material.catalogue
        self.rows = views.rows(material)
        self.reports = reports(material.clocks, material.now)
        self._report_keys = _report_keys(self.reports)
        self._digests = {id(a): self._digest(a) for a in self._catalogue.advisories}
        self._cve_keys = self._keys_of_cves()
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
        whole, parts = data.tables(self._material)
        found = [
            File(paths.SEARCH_INDEX, self._index),
            File(paths.SLA_JSON, self._sla_data),
            File(paths.CVES_CSV, whole.as_csv),
            File(paths.CVES_JSON, whole.as_json),
        ]
        for scope, table in parts.items():
            found.append(File(paths.scope_data(scope, "csv"), table.as_csv))
            found.append(File(paths.scope_data(scope, "json"), table.as_json))
        return found

    def _index(self) -> bytes:
        return data.search_index(self._material, self.rows)

    def _sla_data(self) -> bytes:
        return data.sla_file(self.reports)

    def _digest(self, advisory: Advisory) -> str:
        """Of all that pages say of it: also when it was published, and what FIPS pins do to it."""
        published = self._catalogue.published(advisory)
        baseline = (advisory.scope, advisory.id) in self._material.baseline
        pins = self._pins_keys.get(advisory.scope.release)
        return views.digest(views.advisory_digest(advisory), published, baseline, pins)

    def _keys_of_cves(self) -> dict[str, str]:
        """Of all that is known of each: rows and clocks follow from it."""
        catalogue, digests = self._catalogue, self._digests
        keys = {}
        for row in self.rows:
            name, cve = row.cve, catalogue.cve(row.cve)
            keys[name] = views.digest(
                name, cve.description, cve.cwes, cve.rejected, cve.prefer,
                [*map(tuple, cve.scores)], [*map(tuple, cve.disclosures)],
                [*map(tuple, cve.references)], [*map(_record, catalogue.status(name))],
                [digests[id(advisory)] for advisory in catalogue.fixing(name)],
            )  # fmt: skip
        return keys

    def _of(self, advisories: Sequence[Advisory]) -> list[str]:
        return [self._digests[id(advisory)] for advisory in advisories]

    def _overview(self) -> Iterator[Page]:
        newest = self._advisories[:_NEWEST]
        bands = views.count_bands(row.band for row in self.rows)
        statuses = _statuses(self.rows)
        scopes = self._scope_facts
        total = self.reports[0]
        key = views.digest(
            bands, statuses, _facts(scopes), self._report_keys[0], self._of(newest),
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
            for part, rows in listing.parts:
                yield Page(
                    paths.listing(listing.kind, listing.name, _number(part)),
                    "cves.html",
                    views.digest(listing.kind, listing.name, part.key,
                                 part.newest and len(listing.rows),
                                 [self._cve_keys[row.cve] for row in rows]),
                    _values(listing=listing, rows=rows, part=part),
                )  # fmt: skip

    def _cves(self) -> Iterator[Page]:
        for name, key in self._cve_keys.items():
            yield Page(paths.cve(name), "cve.html", key, partial(self._cve_values, name))

    @cached_property
    def _pins_keys(self) -> dict[str, str]:
        return {name: views.pins_digest(pins) for name, pins in self._material.pins.items()}

    def _cve_values(self, name: str) -> Values:
        return {
            "year": str(views.cve_number(name)[0] or ""),
            "cve": self._catalogue.cve(name),
            "fixes": views.fixes(self._material, name),
        }

    def _advisory_lists(self) -> Iterator[Page]:
        total = len(self._advisories)
        for part in _parts(total):
            rows = self._advisories[part.start : part.end]
            yield Page(
                paths.advisories(_number(part)),
                "advisories.html",
                views.digest(part.key, part.newest and total, self._of(rows)),
                _values(advisories=rows, part=part, total=total),
            )

    def _advisory_pages(self) -> Iterator[Page]:
        for name in sorted({advisory.id for advisory in self._catalogue.advisories}):
            of_it = self._catalogue.advisory(name)
            verdicts = [self._catalogue.cve(c).verdict for a in of_it for c in a.cves]
            rated = [(verdict.band, verdict.score) for verdict in verdicts]
            key = views.digest(self._of(of_it), rated)
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
        facts = [
            (p.name, _plain(p.supported), p.bands, len(p.advisories), len(p.open)) for p in found
        ]
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
                package.name, _plain(package.supported), package.binaries, package.bands,
                [_record(record) for record in package.open],
                self._of(package.advisories),
            )  # fmt: skip
            yield Page(paths.package(package.name), "package.html", key, _values(package=package))

    def _releases(self) -> Iterator[Page]:
        facts = self._scope_facts
        extras = self._material.extras
        linked = sorted(extras)
        report_keys = {r.title: key for r, key in zip(self.reports, self._report_keys)}
        yield Page(
            paths.RELEASES,
            "releases.html",
            views.digest(_facts(facts), linked),
            _values(scopes=facts, extras=extras),
        )
        for scope, advisories, cves, statuses in facts:
            rows = tuple(self._rows_by_release.get(scope.title, ()))
            listing = Listing("releases", paths.scope_slug(scope), rows)
            bands = views.count_bands(row.band for row in rows)
            report = next((r for r in self.reports if r.title == scope.title), None)
            report_key = report_keys.get(scope.title)
            for part, shown in listing.parts:
                # The newest part alone speaks of all: one more CVE does not change the others.
                whole = (advisories, cves, statuses, bands, report_key) if part.newest else ()
                yield Page(
                    paths.listing("releases", listing.name, _number(part)),
                    "release.html",
                    views.digest(tuple(scope), whole, part.key, linked,
                                 [self._cve_keys[r.cve] for r in shown]),
                    _values(scope=scope, advisories=advisories, cves=cves, statuses=statuses,
                            severity=_severity_chart(bands), report=report, rows=shown,
                            sla=_sla_chart(report) if report else None, extras=extras,
                            listing=listing, part=part),
                )  # fmt: skip

    def _sla(self) -> Iterator[Page]:
        yield Page(
            paths.SLA,
            "sla.html",
            views.digest(self._report_keys),
            lambda: {
                "reports": self.reports,
                "charts": [_sla_chart(report) for report in self.reports],
                "breaches": _shown(self.reports[0].breaches),
                "overdue": _shown(self.reports[0].overdue),
                "extras": self._material.extras,
            },
        )


def _plain(values: Iterable[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """What a key can be made of."""
    return list(map(tuple, values))


def _facts(found: Iterable[ScopeFacts]) -> list[tuple[object, ...]]:
    return [(tuple(facts.scope), *facts[1:]) for facts in found]


def _record(record: StatusRecord) -> tuple[object, ...]:
    status = record.status.value
    named = (record.cve, *record.scope, record.package, status)
    return (*named, record.version, record.statement, record.updated)


def _clock(clock: Clock) -> tuple[object, ...]:
    return (clock.cve, *clock.scope, *clock[2:])


def _report_keys(found: Sequence[Report]) -> list[str]:
    """Of all their fields. The first report's clocks are those of the others, so that its key is
    made of theirs."""
    whole, *parts = found
    keys = [views.digest(_fields(part, clocks=True)) for part in parts]
    return [views.digest(_fields(whole, clocks=False), keys), *keys]


def _fields(report: Report, clocks: bool) -> list[object]:
    found: list[object] = []
    for value in vars(report).values():
        if not isinstance(value, tuple) or not value or not isinstance(value[0], Clock):
            found.append(value)
        elif clocks:
            found.append([_clock(clock) for clock in value])
    return found


def _shown(clocks: Sequence[Clock]) -> Sequence[Clock]:
    return clocks[:_BREACHES_SHOWN]


def _values(**values: object) -> Callable[[], Values]:
    return lambda: values


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
