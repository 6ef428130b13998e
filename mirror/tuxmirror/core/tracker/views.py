"""What the pages show, as values: the catalogue, the clocks and FIPS answers put together."""

from __future__ import annotations

import hashlib
import marshal
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

from ..advisory.catalogue import Catalogue
from ..advisory.cve import Cve
from ..advisory.model import ESSENTIAL, Advisory, Scope
from ..advisory.status import Status, StatusRecord
from ..fips import Answer, Pin, effect
from ..sla import Clock, clocks

BANDS = ("Critical", "High", "Medium", "Low", "None", "Unknown")
# The words of updateinfo for the same.
SEVERITY_BANDS = {"Critical": "Critical", "Important": "High", "Moderate": "Medium", "Low": "Low"}
_ORDER = list(Status)

FLAGS = {
    "single-source": "One source alone has scored it.",
    "v2-only": "Only a CVSS 2 score exists, which is not compared with 7.0: it needs triage.",
    "v4-only": "Only a CVSS 4 score exists, which is not compared with 7.0: it needs triage.",
    "missing": "Nobody has scored it yet: it needs triage.",
    "placeholder-date": "A source gives the first of January, midnight, for a date it does not"
    " know; that date is not counted.",
}


@dataclass(frozen=True)
class Material:
    """All that the tracker shows. `baseline` as in `sla.clocks`, `pins` by release; `now` in
    seconds decides what is overdue.

    `extras` are files beside the tracker that pages may point at, by their path in the channel.
    """

    catalogue: Catalogue
    baseline: frozenset[tuple[Scope, str]] = frozenset()
    pins: Mapping[str, Sequence[Pin]] = field(default_factory=dict)
    extras: frozenset[str] = frozenset()
    now: int = 0

    @cached_property
    def clocks(self) -> list[Clock]:
        return clocks(self.catalogue, self.baseline)

    @cached_property
    def _clocks(self) -> dict[str, list[Clock]]:
        found: dict[str, list[Clock]] = {}
        for clock in self.clocks:
            found.setdefault(clock.cve, []).append(clock)
        return found

    @cached_property
    def newest(self) -> list[str]:
        """Every CVE, newest number first."""
        return sorted(self.catalogue.cve_ids, key=cve_number, reverse=True)

    def clocks_of(self, cve: str) -> list[Clock]:
        return self._clocks.get(cve, [])

    def fips(self, advisory: Advisory) -> Answer | None:
        """None where nothing is validated on the release, so that nobody asks."""
        pins = self.pins.get(advisory.scope.release)
        return effect(advisory.packages, pins) if pins else None


class Row(NamedTuple):
    """A CVE in a list. `releases` are the titles of scopes with the status there."""

    cve: str
    band: str
    score: float | None
    packages: tuple[str, ...]
    releases: tuple[tuple[str, str], ...]
    flags: tuple[str, ...]
    updated: int


class Builds(NamedTuple):
    """The packages of an advisory that share a version: names and arches as people read them."""

    source: str
    evr: str
    names: tuple[str, ...]
    arches: tuple[str, ...]
    module: str


class Fix(NamedTuple):
    """What was or will be done about a CVE in a package of a release."""

    record: StatusRecord
    clock: Clock | None
    advisories: tuple[Advisory, ...]
    fips: Answer | None


def digest(*values: object) -> str:
    """Equal values, equal digest, in this and every other run.

    Args:
        values: texts, numbers, None, and lists and plain tuples of those. Version 2 of marshal's
            format writes them by value, several times as fast as repr; of named tuples and other
            objects it raises ValueError.
    """
    data = marshal.dumps(values, 2)  # type: ignore[arg-type]
    return hashlib.sha256(data).hexdigest()[:24]


def advisory_digest(advisory: Advisory) -> str:
    """Of everything about it."""
    packages = [
        tuple(package)
        if package.module is None
        else (*package[:6], tuple(package.module), *package[7:])
        for package in advisory.packages
    ]
    texts = (advisory.title, advisory.description, advisory.summary, advisory.solution)
    facts = (advisory.id, advisory.scope.title, advisory.kind, advisory.severity, advisory.rights)
    times = (advisory.issued, advisory.updated, advisory.version, advisory.publisher)
    references = [tuple(reference) for reference in advisory.references]
    return digest(facts, times, texts, packages, advisory.cves, references)


def pins_digest(pins: Sequence[Pin]) -> str:
    """Sets are sorted: they come in another order in every run."""
    return digest(
        [
            [
                sorted(value) if isinstance(value, frozenset) else value
                for value in vars(pin).values()
            ]
            for pin in pins
        ]
    )


def rows(material: Material) -> list[Row]:
    """Of every CVE, newest number first."""
    catalogue = material.catalogue
    return [_row(catalogue.cve(name), catalogue.status(name)) for name in material.newest]


@lru_cache(maxsize=1 << 16)
def cve_number(name: str) -> tuple[int, int, str]:
    """`CVE-2026-10000` after `CVE-2026-9999`."""
    parts = name.split("-")
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        return int(parts[1]), int(parts[2]), name
    return 0, 0, name


def _row(cve: Cve, records: Sequence[StatusRecord]) -> Row:
    verdict = cve.verdict
    if len(records) == 1:  # as most have
        [one] = records
        packages: tuple[str, ...] = (one.package,)
        releases: tuple[tuple[str, str], ...] = ((one.scope.title, one.status.value),)
        updated = one.updated
    else:
        packages = tuple(sorted({record.package for record in records}))
        releases = tuple(sorted({(r.scope.title, r.status.value) for r in records}))
        updated = max((record.updated for record in records), default=0)
    return Row(cve.id, verdict.band, verdict.score, packages, releases, cve.flags, updated)


def fixes(material: Material, cve: str) -> list[Fix]:
    """By release and package; what is still open first."""
    catalogue = material.catalogue
    clocks = {(c.scope, c.package): c for c in material.clocks_of(cve)}
    fixing = catalogue.fixing(cve)
    found = []
    for record in catalogue.status(cve):
        of_it = tuple(
            a for a in fixing if a.scope == record.scope and record.package in a.source_names
        )
        answers = [answer for answer in map(material.fips, of_it) if answer]
        found.append(
            Fix(
                record,
                clocks.get((record.scope, record.package)),
                of_it,
                answers[0] if answers else None,
            )
        )
    return sorted(found, key=lambda fix: (_ORDER.index(fix.record.status), _place(fix.record)))


def _place(record: StatusRecord) -> tuple[Scope, str]:
    return record.scope, record.package


def builds(advisory: Advisory) -> list[Builds]:
    """Its packages in groups that fit on a line or two."""
    groups: dict[tuple[str, str, str], tuple[set[str], set[str]]] = {}
    for package in advisory.packages:
        module = package.module.name_stream if package.module else ""
        names, arches = groups.setdefault(
            (package.source_name, package.evr, module), (set(), set())
        )
        names.add(package.name)
        arches.add(package.arch)
    return [
        Builds(source, evr, tuple(sorted(names)), tuple(sorted(arches)), module)
        for (source, evr, module), (names, arches) in sorted(groups.items())
    ]


def commands(advisory: Advisory) -> list[str]:
    """What brings the fix to a host. Modules and kernels need a word of their own elsewhere."""
    return [f"dnf upgrade --advisory={advisory.id}"]


def needs_reboot(advisory: Advisory) -> bool:
    """The running kernel is replaced by nothing but a boot."""
    kernels = ("kernel", "kernel-core", "kernel-rt", "kernel-rt-core")
    return any(p.reboot or p.name in kernels for p in advisory.packages)


class PackageView(NamedTuple):
    """A source package: is it ours to support, what was fixed in it, what is open."""

    name: str
    supported: tuple[Scope, ...]
    binaries: tuple[str, ...]
    advisories: tuple[Advisory, ...]
    open: tuple[StatusRecord, ...]
    bands: tuple[tuple[str, int], ...]


def packages(material: Material) -> list[PackageView]:
    """Every source package that an advisory or a status speaks of, by name.

    Supported are those that a product of ours has fixed or is at work on.
    """
    catalogue = material.catalogue
    advisories: dict[str, list[Advisory]] = {}
    binaries: dict[str, set[str]] = {}
    scopes: dict[str, set[Scope]] = {}
    open_: dict[str, list[StatusRecord]] = {}
    cves: dict[str, set[str]] = {}
    band_of = {cve: catalogue.cve(cve).verdict.band for cve in catalogue.cve_ids}
    for advisory in newest_first(material, catalogue.advisories):
        for name in advisory.source_names:
            advisories.setdefault(name, []).append(advisory)
            cves.setdefault(name, set()).update(advisory.cves)
            scopes.setdefault(name, set()).add(advisory.scope)
        for package in advisory.packages:
            binaries.setdefault(package.source_name, set()).add(package.name)
    for cve in catalogue.cve_ids:
        for record in catalogue.status(cve):
            if record.status is Status.RELEASED:
                continue  # known from its advisory
            cves.setdefault(record.package, set()).add(cve)
            scopes.setdefault(record.package, set()).add(record.scope)
            if record.status.open:
                open_.setdefault(record.package, []).append(record)
    return [
        PackageView(
            name,
            tuple(sorted(s for s in scopes[name] if s.product != ESSENTIAL)),
            tuple(sorted(binaries.get(name, ()))),
            tuple(advisories.get(name, ())),
            tuple(sorted(open_.get(name, ()), key=lambda r: (r.scope, cve_number(r.cve)))),
            count_bands(map(band_of.__getitem__, cves[name])),
        )
        for name in sorted(scopes)
    ]


def newest_first(material: Material, found: Iterable[Advisory]) -> tuple[Advisory, ...]:
    """By the day that customers could first see it, else by its own."""
    return tuple(sorted(found, key=lambda a: (shown_since(material, a), a.id), reverse=True))


def shown_since(material: Material, advisory: Advisory) -> int:
    """For lists: baseline advisories stand where they were issued, not where we began."""
    published = material.catalogue.published(advisory)
    return advisory.issued if published is None else published


def count_bands(found: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """All bands, gravest first, with how many there are."""
    counts = Counter(found)
    return tuple((band, counts.pop(band, 0)) for band in BANDS) + tuple(counts.items())
