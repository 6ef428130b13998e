"""AlmaLinux's own OSV database (github.com/AlmaLinux/osv-database, MIT) as an upstream.

A document names packages and the versions that fix them, no arches: the packages are built for
x86_64, empty, under those names and versions.
"""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .repodata import Advisory
from .rpms import RpmSpec

_SEVERITIES = ("Critical", "Important", "Moderate", "Low")


class Record(NamedTuple):
    """What a document says: `fixed` are `name-epoch:version-release`."""

    id: str
    title: str
    published: int
    cves: frozenset[str]
    packages: tuple[RpmSpec, ...]

    @property
    def fixed(self) -> frozenset[str]:
        return frozenset(f"{p.name}-{p.epoch}:{p.version}-{p.release}" for p in self.packages)


def read(folder: Path, ecosystem: str) -> list[Record]:
    """The folder's documents of one ecosystem, such as `AlmaLinux:9`, by id."""
    documents = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [_record(d) for d in documents if d["affected"][0]["package"]["ecosystem"] == ecosystem]


def advisories(records: Sequence[Record]) -> list[Advisory]:
    """As updateinfo records; a document's summary begins with its severity."""
    found = []
    for record in records:
        word = record.title.partition(":")[0]
        severity = word if word in _SEVERITIES else "None"
        cves = tuple(sorted(record.cves))
        found.append(
            Advisory(
                record.id,
                record.title,
                record.packages,
                severity=severity,
                cves=cves,
                issued=record.published,
            )
        )
    return found


def packages(records: Sequence[Record]) -> list[RpmSpec]:
    """Each once: several advisories may bring the same build."""
    found = {(p.name, p.epoch, p.version, p.release): p for r in records for p in r.packages}
    return list(found.values())


def _record(document: dict) -> Record:
    found = {}
    for affected in document["affected"]:
        [fixed] = [
            event["fixed"]
            for range_ in affected["ranges"]
            for event in range_["events"]
            if "fixed" in event
        ]
        epoch, _, rest = fixed.rpartition(":")
        version, _, release = rest.rpartition("-")
        name = affected["package"]["name"]
        source = f"{name}-{version}-{release}.src.rpm"
        spec = RpmSpec(
            name, version, release, epoch=int(epoch or 0), arch="x86_64", sourcerpm=source
        )
        found[name, fixed] = spec
    published = calendar.timegm(time.strptime(document["published"][:19], "%Y-%m-%dT%H:%M:%S"))
    return Record(
        document["id"],
        document["summary"],
        published,
        frozenset(document["related"]),
        tuple(found.values()),
    )
