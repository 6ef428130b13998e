"""CSAF 2.0 (OASIS, docs.oasis-open.org/csaf/csaf/v2.0): security advisories, and VEX a CVE.

    csaf/<scope>/<year>/clsa-2026_001.json        csaf_security_advisory
    csaf/<scope>/vex/<year>/almalinux9_2-esu-cve-2026-0001.json
                                                  csaf_vex: also what is not fixed, and why

File names follow section 5.1, the years of folders requirement 11 of section 7.1: that of the
first release. A product id is `<scope>:<package identity>`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..catalogue import Catalogue
from ..cve import Cve
from ..model import Advisory, FixedPackage, Scope
from ..status import Status, StatusRecord
from .claims import Claim
from .context import Issuer, advisory_url, cve_url, plain, purl, source_purl, stamp

_NAME = re.compile(r"[^+\-a-z0-9]+")
_ENGINE = {"engine": {"name": "tuxmirror"}}


def folder(scope: Scope) -> str:
    """Below the channel."""
    return f"csaf/{scope.slug}"


def vex_folder(scope: Scope) -> str:
    return f"{folder(scope)}/vex"


def path(scope: Scope, advisory: Advisory) -> str:
    return f"{folder(scope)}/{_year(advisory.issued)}/{_file(advisory.id)}"


def vex_path(scope: Scope, cve: str, records: Sequence[StatusRecord], catalogue: Catalogue) -> str:
    """`records` are what is known of it in the scope."""
    first, _ = _dates(records, _fixes(scope, cve, catalogue))
    return f"{vex_folder(scope)}/{_year(first)}/{_file(_vex_id(scope, cve))}"


def _vex_id(scope: Scope, cve: str) -> str:
    return f"{scope.slug}-{cve}"


def _file(name: str) -> str:
    """Of the document with that tracking id."""
    return f"{_NAME.sub('_', name.lower())}.json"


def _year(seconds: int) -> str:
    return stamp(seconds)[:4]


def released(document: bytes) -> str:
    """A document's current release date."""
    return str(json.loads(document)["document"]["tracking"]["current_release_date"])


# --- advisories -------------------------------------------------------------------------------


def write(advisory: Advisory, catalogue: Catalogue, issuer: Issuer) -> bytes:
    scope = advisory.scope
    page = advisory_url(issuer, advisory.id)
    document = {
        "category": "csaf_security_advisory",
        **_document(f"{advisory.id}: {advisory.title}", issuer),
        "aggregate_severity": {"text": advisory.severity},
        "notes": [
            {
                "category": "description",
                "text": plain(advisory.description or advisory.title),
                "title": "Details",
            }
        ],
        "references": [
            _reference("self", f"{issuer.url}/{path(scope, advisory)}", "this document"),
            _reference("external", page, advisory.id),
        ],
        "tracking": _tracking(advisory.id, _revisions(advisory, catalogue)),
    }
    products = [_product_id(scope, package.identity) for package in advisory.packages]
    products = sorted(set(products))
    whole = {
        "document": document,
        "product_tree": _tree(scope, issuer, advisory.packages),
        "vulnerabilities": [
            _vulnerability(catalogue.cve(cve), products, page) for cve in advisory.cves
        ]
        or [_without_cve(advisory, products, page)],
    }
    return _encode(whole)


def read(documents: Iterable[bytes]) -> dict[str, Claim]:
    """Of security advisories."""
    found = {}
    for data in documents:
        document = json.loads(data)
        cves, packages = set(), set()
        for vulnerability in document["vulnerabilities"]:
            if "cve" in vulnerability:
                cves.add(vulnerability["cve"])
            packages |= {_identity(p) for p in vulnerability["product_status"]["fixed"]}
        listed = {_identity(product) for product in _listed(document["product_tree"]["branches"])}
        if listed != packages:
            raise ValueError("the product tree lists other packages than are fixed")
        name = document["document"]["tracking"]["id"]
        found[name] = Claim(frozenset(cves), frozenset(packages))
    return found


def _listed(branches: Sequence[dict[str, Any]]) -> Iterable[str]:
    for branch in branches:
        if "product" in branch:
            yield branch["product"]["product_id"]
        yield from _listed(branch.get("branches", ()))


def _identity(product: str) -> str:
    return product.partition(":")[2]


def _product_id(scope: Scope, identity: str) -> str:
    return f"{scope.slug}:{identity}"


def _document(title: str, issuer: Issuer) -> dict[str, Any]:
    return {
        "csaf_version": "2.0",
        "distribution": {"tlp": {"label": "WHITE", "url": "https://www.first.org/tlp/"}},
        "lang": "en",
        "publisher": publisher(issuer),
        "title": plain(title),
    }


def publisher(issuer: Issuer) -> dict[str, str]:
    found = {"category": "vendor", "name": issuer.name, "namespace": issuer.url}
    if issuer.contact:
        found["contact_details"] = issuer.contact
    return found


# What happened to a document, oldest first: when, and what.
_Revisions = list[tuple[int, str]]


def _revisions(advisory: Advisory, catalogue: Catalogue) -> _Revisions:
    """Who asks what is new since yesterday goes by the last: an advisory counts as new when the
    channel came to show it, however old it was by then."""
    found = _named(advisory.issued, advisory.updated)
    shown = catalogue.published(advisory)
    if shown is not None and shown > advisory.updated:
        found.append((shown, "shown in this channel"))
    return found


def _named(first: int, last: int) -> _Revisions:
    return [(first, "first published"), *([(last, "updated")] if last > first else [])]


def _tracking(name: str, revisions: _Revisions) -> dict[str, Any]:
    history = [
        {"date": stamp(date), "number": str(number), "summary": summary}
        for number, (date, summary) in enumerate(revisions, 1)
    ]
    return {
        "current_release_date": history[-1]["date"],
        "generator": _ENGINE,
        "id": name,
        "initial_release_date": history[0]["date"],
        "revision_history": history,
        "status": "final",
        "version": history[-1]["number"],
    }


def _reference(category: str, url: str, summary: str) -> dict[str, str]:
    return {"category": category, "summary": summary, "url": url}


def _tree(scope: Scope, issuer: Issuer, packages: Iterable[FixedPackage]) -> dict[str, Any]:
    unique = {package.identity: package for package in packages}
    versions = [
        {
            "category": "product_version",
            "name": identity,
            "product": {
                "name": f"{identity} in {scope.title}",
                "product_id": _product_id(scope, identity),
                "product_identification_helper": {"purl": purl(package, scope)},
            },
        }
        for identity, package in sorted(unique.items())
    ]
    return _branches(scope, issuer, versions)


def _branches(scope: Scope, issuer: Issuer, versions: list[dict[str, Any]]) -> dict[str, Any]:
    stream = {"category": "product_name", "name": scope.title, "branches": versions}
    return {"branches": [{"category": "vendor", "name": issuer.name, "branches": [stream]}]}


def _vulnerability(cve: Cve, products: list[str], page: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "cve": cve.id,
        "notes": [{"category": "description", "text": plain(cve.description or cve.id)}],
        "product_status": {"fixed": products},
        "references": [_reference("external", cve_url(cve.id), cve.id)],
        "remediations": [_fix(products, page)],
    }
    if cve.disclosed is not None:
        found["release_date"] = stamp(cve.disclosed)
    scores = _scores(cve, products)
    if scores:
        found["scores"] = scores
    return found


def _without_cve(advisory: Advisory, products: list[str], page: str) -> dict[str, Any]:
    return {
        "ids": [{"system_name": "advisory", "text": advisory.id}],
        "notes": [
            {"category": "description", "text": plain(advisory.description or advisory.title)}
        ],
        "product_status": {"fixed": products},
        "remediations": [_fix(products, page)],
    }


def _fix(products: list[str], page: str) -> dict[str, Any]:
    return {
        "category": "vendor_fix",
        "details": "Install the update with dnf.",
        "product_ids": products,
        "url": page,
    }


def _scores(cve: Cve, products: list[str]) -> list[dict[str, Any]]:
    """The one that counts; the schema of CSAF 2.0 has no place for whose it is."""
    verdict = cve.verdict
    if verdict.score is None or not verdict.vector.startswith("CVSS:3"):
        return []
    return [
        {
            "cvss_v3": {
                "baseScore": verdict.score,
                "baseSeverity": verdict.band.upper(),
                "vectorString": verdict.vector,
                "version": verdict.version,
            },
            "products": products,
        }
    ]


# --- VEX --------------------------------------------------------------------------------------

_INVESTIGATED = (Status.NEEDS_TRIAGE, Status.IN_RESEARCH)


def write_vex(
    scope: Scope, cve: str, records: Sequence[StatusRecord], catalogue: Catalogue, issuer: Issuer
) -> bytes:
    """What the packages of a scope have to do with a CVE.

    Packages that bring the fix are named whole; of others the source package is.
    """
    known = catalogue.cve(cve)
    fixes = _fixes(scope, cve, catalogue)
    fixed = {package.identity: package for advisory in fixes for package in advisory.packages}
    by_status: dict[Status, list[StatusRecord]] = {}
    for record in records:
        if record.status is not Status.RELEASED:
            by_status.setdefault(record.status, []).append(record)
    own = vex_path(scope, cve, records, catalogue)
    document = {
        "category": "csaf_vex",
        **_document(f"{cve} in {scope.title}", issuer),
        "references": [
            _reference("self", f"{issuer.url}/{own}", "this document"),
        ],
        "tracking": _tracking(_vex_id(scope, cve), _named(*_dates(records, fixes))),
    }
    versions = _tree(scope, issuer, fixed.values())["branches"][0]["branches"][0]["branches"]
    versions += [
        _component(scope, name)
        for name in sorted({r.package for found in by_status.values() for r in found})
    ]
    whole = {
        "document": document,
        "product_tree": _branches(scope, issuer, versions),
        "vulnerabilities": [_vex(scope, known, sorted(fixed), by_status, fixes, issuer)],
    }
    return _encode(whole)


def _fixes(scope: Scope, cve: str, catalogue: Catalogue) -> list[Advisory]:
    return [advisory for advisory in catalogue.fixing(cve) if advisory.scope == scope]


def _dates(records: Sequence[StatusRecord], fixes: Sequence[Advisory]) -> tuple[int, int]:
    """The first and the last time that something was said."""
    dates = [date for a in fixes for date in (a.issued, a.updated)] + [r.updated for r in records]
    return min(dates), max(dates)


def read_vex(documents: Iterable[bytes]) -> dict[str, frozenset[str]]:
    """Packages that fix a CVE, by CVE."""
    found = {}
    for data in documents:
        [vulnerability] = json.loads(data)["vulnerabilities"]
        fixed = vulnerability["product_status"].get("fixed", [])
        found[vulnerability["cve"]] = frozenset(
            _identity(product) for product in fixed if "." in product.partition(":")[2]
        )
    return found


def _component(scope: Scope, package: str) -> dict[str, Any]:
    return {
        "category": "product_name",
        "name": package,
        "product": {
            "name": f"{package} in {scope.title}",
            "product_id": _source_id(scope, package),
            "product_identification_helper": {"purl": source_purl(package, scope)},
        },
    }


def _source_id(scope: Scope, package: str) -> str:
    return f"{scope.slug}/{package}"


def _vex(
    scope: Scope,
    cve: Cve,
    fixed: list[str],
    by_status: dict[Status, list[StatusRecord]],
    fixes: Sequence[Advisory],
    issuer: Issuer,
) -> dict[str, Any]:
    def ids(*statuses: Status) -> list[str]:
        records = [r for s in statuses for r in by_status.get(s, ())]
        return sorted({_source_id(scope, record.package) for record in records})

    status: dict[str, list[str]] = {
        "fixed": [_product_id(scope, identity) for identity in fixed] + ids(Status.ALREADY_FIXED),
        "under_investigation": ids(*_INVESTIGATED),
        "known_not_affected": ids(Status.NOT_VULNERABLE),
        "known_affected": ids(
            Status.IGNORED, Status.IN_PROGRESS, Status.IN_TESTING, Status.IN_ROLLOUT
        ),
    }
    found: dict[str, Any] = {
        "cve": cve.id,
        "notes": [{"category": "description", "text": plain(cve.description or cve.id)}],
        "product_status": {name: products for name, products in status.items() if products},
        "references": [_reference("external", cve_url(cve.id), cve.id)],
    }
    if cve.disclosed is not None:
        found["release_date"] = stamp(cve.disclosed)
    scores = _scores(cve, sorted({p for name in status for p in status[name]}))
    if scores:
        found["scores"] = scores
    threats = [
        _statement(scope, r, "impact", "not vulnerable")
        for r in by_status.get(Status.NOT_VULNERABLE, ())
    ]
    if threats:
        found["threats"] = threats
    remediations = _remediations(scope, by_status, fixes, issuer)
    if remediations:
        found["remediations"] = remediations
    return found


def _statement(scope: Scope, record: StatusRecord, category: str, default: str) -> dict[str, Any]:
    return {
        "category": category,
        "details": plain(record.statement or default),
        "product_ids": [_source_id(scope, record.package)],
    }


def _remediations(
    scope: Scope,
    by_status: dict[Status, list[StatusRecord]],
    fixes: Sequence[Advisory],
    issuer: Issuer,
) -> list[dict[str, Any]]:
    """Every affected product has one (profile csaf_vex, section 4.5)."""
    found = [
        _fix(
            sorted({_product_id(scope, identity) for identity in advisory.identities}),
            advisory_url(issuer, advisory.id),
        )
        for advisory in fixes
    ]
    for record in by_status.get(Status.IGNORED, ()):
        found.append(_statement(scope, record, "no_fix_planned", "no fix is planned"))
    for status in (Status.IN_PROGRESS, Status.IN_TESTING, Status.IN_ROLLOUT):
        for record in by_status.get(status, ()):
            text = f"{status.value}: a fix is being made"
            found.append(_statement(scope, record, "none_available", text))
    return found


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, ensure_ascii=False).encode() + b"\n"
