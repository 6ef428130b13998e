"""OSV (https://ossf.github.io/osv-schema/), one document an advisory, as AlmaLinux publishes it.

`affected` names binary packages. The format has no place for arches, so that
`ecosystem_specific.packages` says exactly which packages bring the fix.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..catalogue import Catalogue
from ..model import ESSENTIAL, Advisory, FixedPackage, Module, Scope
from .claims import Claim
from .context import Issuer, advisory_url, cve_url, plain, stamp, stem

_SCHEMA = "1.6.0"


def folder(scope: Scope) -> str:
    """Below the channel."""
    return f"osv/{scope.slug}"


def path(scope: Scope, advisory: Advisory) -> str:
    return f"{folder(scope)}/{stem(advisory.id)}.json"


def ecosystem(scope: Scope) -> str:
    """AlmaLinux's own is by major release; packages of ours are a stream of their own."""
    if scope.product == ESSENTIAL:
        return f"AlmaLinux:{scope.major}"
    return f"TuxCare:{scope.title}"


def write(advisory: Advisory, catalogue: Catalogue, issuer: Issuer) -> bytes:
    document = {
        "schema_version": _SCHEMA,
        "id": advisory.id,
        "published": stamp(advisory.issued),
        "modified": stamp(advisory.updated),
        "summary": plain(advisory.title),
        "details": plain(advisory.description),
        "related": list(advisory.cves),
        "affected": [_affected(advisory.scope, *group) for group in _groups(advisory)],
        "references": _references(advisory, issuer),
        "database_specific": {"severity": advisory.severity, "cves": _scores(advisory, catalogue)},
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def read(documents: Iterable[bytes]) -> dict[str, Claim]:
    found = {}
    for data in documents:
        document = json.loads(data)
        packages = [p for a in document["affected"] for p in a["ecosystem_specific"]["packages"]]
        for affected in document["affected"]:
            _check_fixed(affected)
        found[document["id"]] = Claim(frozenset(document["related"]), frozenset(packages))
    return found


def _check_fixed(affected: Mapping[str, Any]) -> None:
    """The packages named are those that the range speaks of: a name and a version."""
    [fixed] = [e["fixed"] for e in affected["ranges"][0]["events"] if "fixed" in e]
    evr = fixed if ":" in fixed else f"0:{fixed}"
    for package in affected["ecosystem_specific"]["packages"]:
        if not package.startswith(f"{affected['package']['name']}-{evr}."):
            raise ValueError(f"{package} is not fixed in {evr}")


_Group = tuple[str, str, "Module | None", list[FixedPackage]]


def _groups(advisory: Advisory) -> list[_Group]:
    found: dict[tuple[str, str, Module | None], list[FixedPackage]] = {}
    for package in advisory.packages:
        found.setdefault((package.name, package.evr, package.module), []).append(package)
    return [(*key, packages) for key, packages in found.items()]


def _affected(
    scope: Scope, name: str, evr: str, module: Module | None, packages: list[FixedPackage]
) -> dict[str, Any]:
    specific: dict[str, Any] = {"packages": sorted({p.identity for p in packages})}
    if module:
        specific["module"] = module.name_stream
    return {
        "package": {"ecosystem": ecosystem(scope), "name": name},
        "ranges": [
            {
                "type": "ECOSYSTEM",
                "events": [{"introduced": "0"}, {"fixed": evr.removeprefix("0:")}],
            }
        ],
        "ecosystem_specific": specific,
    }


def _references(advisory: Advisory, issuer: Issuer) -> list[dict[str, str]]:
    url = advisory_url(issuer, advisory.id)
    found = [{"type": "ADVISORY", "url": url}]
    found += [{"type": "REPORT", "url": cve_url(cve)} for cve in advisory.cves]
    known = {item["url"] for item in found}
    for reference in advisory.references:
        if reference.url.startswith(("https://", "http://")) and reference.url not in known:
            known.add(reference.url)
            found.append({"type": "WEB", "url": plain(reference.url)})
    return found


def _scores(advisory: Advisory, catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Severity is the advisory's; the schema has one place for a score, and CVEs have many."""
    found = {}
    for cve in advisory.cves:
        verdict = catalogue.cve(cve).verdict
        if verdict.score is not None:
            found[cve] = {"score": verdict.score, "source": verdict.source, "rule": verdict.rule}
    return found
