"""All advisories of a scope as one JSON document, and as a CSV of a line a package."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from ..catalogue import Catalogue
from ..model import Advisory, FixedPackage, Scope
from .claims import Claim
from .context import plain, stamp

COLUMNS = (
    "advisory", "kind", "severity", "issued", "updated", "published", "cves", "package", "source",
    "module", "repository", "title",
)  # fmt: skip
# What spreadsheets would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_path(scope: Scope) -> str:
    return f"advisories/{scope.slug}.json"


def csv_path(scope: Scope) -> str:
    return f"advisories/{scope.slug}.csv"


def write_json(scope: Scope, advisories: Sequence[Advisory], catalogue: Catalogue) -> bytes:
    document = {
        "release": scope.release,
        "product": scope.product,
        "name": scope.title,
        "advisories": [_entry(advisory, catalogue) for advisory in advisories],
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _entry(advisory: Advisory, catalogue: Catalogue) -> dict[str, Any]:
    published = catalogue.published(advisory)
    return {
        "id": advisory.id,
        "kind": advisory.kind,
        "severity": advisory.severity,
        "title": plain(advisory.title),
        "description": plain(advisory.description),
        "issued": stamp(advisory.issued),
        "updated": stamp(advisory.updated),
        "published": stamp(published) if published is not None else None,
        "version": advisory.version,
        "cves": [_cve(cve, catalogue) for cve in advisory.cves],
        "packages": [_package(package) for package in advisory.packages],
        "references": [
            {"kind": r.kind, "id": plain(r.id), "url": plain(r.url)} for r in advisory.references
        ],
    }


def _cve(name: str, catalogue: Catalogue) -> dict[str, Any]:
    verdict = catalogue.cve(name).verdict
    fields = {"id": name, "score": verdict.score, "severity": verdict.band}
    return {**fields, "source": verdict.source, "rule": verdict.rule, "flags": list(verdict.flags)}


def _package(package: FixedPackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "epoch": package.epoch,
        "version": package.version,
        "release": package.release,
        "arch": package.arch,
        "source": package.source,
        "module": package.module.nsvca if package.module else None,
        "repository": package.repository,
        "filename": package.filename,
    }


def read_json(data: bytes) -> dict[str, Claim]:
    found = {}
    for entry in json.loads(data)["advisories"]:
        packages = frozenset(
            f"{p['name']}-{p['epoch']}:{p['version']}-{p['release']}.{p['arch']}"
            for p in entry["packages"]
        )
        found[entry["id"]] = Claim(frozenset(cve["id"] for cve in entry["cves"]), packages)
    return found


def published_in(data: bytes) -> dict[str, int]:
    """When each advisory was first published, by what an earlier document says."""
    from datetime import datetime

    found = {}
    for entry in json.loads(data)["advisories"]:
        if entry["published"]:
            when = datetime.fromisoformat(entry["published"].replace("Z", "+00:00"))
            found[entry["id"]] = int(when.timestamp())
    return found


def write_csv(advisories: Sequence[Advisory], catalogue: Catalogue) -> bytes:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for advisory in advisories:
        published = catalogue.published(advisory)
        for package in advisory.packages:
            writer.writerow(
                [
                    _cell(advisory.id),
                    advisory.kind,
                    advisory.severity,
                    stamp(advisory.issued),
                    stamp(advisory.updated),
                    stamp(published) if published is not None else "",
                    " ".join(advisory.cves),
                    _cell(package.identity),
                    _cell(package.source),
                    package.module.nsvca if package.module else "",
                    package.repository,
                    _cell(advisory.title),
                ]
            )
    return target.getvalue().encode()


def _cell(text: str) -> str:
    text = plain(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def read_csv(data: bytes) -> dict[str, Claim]:
    found: dict[str, Claim] = {}
    for row in csv.DictReader(io.StringIO(data.decode(), newline="")):
        known = found.get(row["advisory"], Claim(frozenset(), frozenset()))
        cves = known.cves | frozenset(row["cves"].split())
        found[row["advisory"]] = Claim(cves, known.packages | {row["package"]})
    return found
