"""Our own advisories, from files (docs/advisory-files.md): strict, or refused by file and line.

A file holds advisories, statuses, or both:

    advisories:                         statuses:
      - id: CLSA-2026:001                 - cve: CVE-2026-0001
        title: openssl security update      package: openssl
        …                                   status: Ignored
                                            statement: …

or is one advisory by itself. What packages an advisory brings is said by source package or by
whole names, and resolved against the packages that are there (`resolve`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, NamedTuple

from ..errors import AdvisoryError
from ..package import Package
from .cve import Cve
from .documents import Fields, Node
from .model import (
    KINDS,
    NO_SEVERITY,
    SECURITY,
    SEVERITIES,
    Advisory,
    FixedPackage,
    Module,
    Reference,
    Scope,
)
from .status import Status, StatusRecord

_ID = r"[A-Z]{2,8}-[0-9]{4}:[0-9]{1,12}"
_CVE = r"CVE-[0-9]{4}-[0-9]{4,19}"
_SOURCE = r"[A-Za-z0-9][A-Za-z0-9._+-]*-[A-Za-z0-9._+~^]+-[A-Za-z0-9._+~^]+(\.src\.rpm)?"
_PACKAGE = (
    r"[A-Za-z0-9][A-Za-z0-9._+-]*-([0-9]{1,9}:)?[A-Za-z0-9._+~^]+-[A-Za-z0-9._+~^]+\.[a-z0-9_]+"
)
_MODULE = r"[A-Za-z0-9._+-]+:[A-Za-z0-9._+-]+:[0-9]+:[A-Za-z0-9._+-]+:[a-z0-9_]+"
_REFERENCES = ("bugzilla", "self", "other")
_LONG = 100_000


@dataclass(frozen=True)
class Draft:
    """An advisory of a file, before its packages are known. `sources` and `names` with places."""

    advisory: Advisory
    sources: tuple[tuple[str, str], ...]
    names: tuple[tuple[str, str], ...]
    module: Module | None
    severity_given: bool


class Own(NamedTuple):
    drafts: tuple[Draft, ...]
    statuses: tuple[StatusRecord, ...]


def read(documents: Iterable[Node], scope: Scope, now: int) -> Own:
    """What all files of a tree say together.

    Raises:
        AdvisoryError: names file and line.
    """
    drafts: list[Draft] = []
    statuses: list[StatusRecord] = []
    for document in documents:
        fields = document.fields("the file")
        many, records = fields.get("advisories"), fields.get("statuses")
        if many is None and records is None:
            drafts.append(_draft(document, scope, now))
            continue
        fields.done()
        drafts += [_draft(n, scope, now) for n in (many.items("advisories") if many else ())]
        statuses += [_status(n, scope, now) for n in (records.items("statuses") if records else ())]
    _check_unique(drafts, statuses)
    return Own(tuple(sorted(drafts, key=lambda d: d.advisory.id)), tuple(statuses))


def _draft(node: Node, scope: Scope, now: int) -> Draft:
    fields = node.fields("an advisory")
    name = fields.need("id").matching("an id", _ID, "such as CLSA-2026:001")
    kind = _or(fields.get("kind"), SECURITY, lambda n: n.one_of("kind", KINDS))
    severity = fields.get("severity")
    issued = fields.need("issued").date("issued", now)
    updated_node = fields.get("updated")
    updated = updated_node.date("updated", now) if updated_node else issued
    if updated_node and updated < issued:
        raise updated_node.fail("updated before it was issued")
    cves = _cves(fields.get("cves"))
    module = _module(fields.get("module"))
    advisory = Advisory(
        id=name,
        scope=scope,
        kind=kind,
        title=fields.need("title").text("a title"),
        severity=severity.one_of("severity", (*SEVERITIES, NO_SEVERITY))
        if severity
        else NO_SEVERITY,
        issued=issued,
        updated=updated,
        packages=(),
        cves=cves,
        references=_references(fields.get("references"), cves),
        description=_long(fields, "description"),
        summary=_or(fields.get("summary"), "", lambda n: n.text("summary", 2000, lines=True)),
        solution=_long(fields, "solution"),
        rights=_or(fields.get("rights"), "", lambda n: n.text("rights")),
        version=_or(
            fields.get("version"), "1", lambda n: n.matching("version", "[0-9]{1,9}", "a number")
        ),
        publisher=_or(fields.get("contact"), "", lambda n: n.text("contact")),
        origin=node.place,
    )
    sources = _named(fields.get("sources"), "a source package", _SOURCE, "name-version-release")
    names = _named(
        fields.get("packages"), "a package", _PACKAGE, "name-[epoch:]version-release.arch"
    )
    fields.done()
    if not sources and not names:
        raise node.fail(f"{name} has no packages", "'sources' or 'packages'")
    if kind == SECURITY and not cves:
        raise node.fail(f"{name} is about security and has no CVE", "'cves', or another 'kind'")
    if kind != SECURITY and (severity is not None and advisory.severity != NO_SEVERITY):
        raise node.fail(f"{name} is no security advisory and has a severity", "kind: security")
    return Draft(advisory, sources, names, module, severity is not None)


def _or(node: Node | None, default: str, convert: Callable[[Node], str]) -> str:
    return default if node is None else convert(node)


def _long(fields: Fields, key: str) -> str:
    return _or(fields.get(key), "", lambda n: n.text(key, _LONG, lines=True))


def _cves(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    found: dict[str, Node] = {}
    for item in node.items("cves"):
        name = item.matching("a CVE", _CVE, "CVE-YYYY-NNNN")
        if name in found:
            raise item.fail(f"{name} is listed twice")
        found[name] = item
    return tuple(sorted(found))


def _module(node: Node | None) -> Module | None:
    if node is None:
        return None
    text = node.matching("a module", _MODULE, "name:stream:version:context:arch")
    return Module(*text.split(":"))


def _references(node: Node | None, cves: Sequence[str]) -> tuple[Reference, ...]:
    found = [Reference("cve", c, f"https://www.cve.org/CVERecord?id={c}", c) for c in cves]
    for item in node.items("references") if node else ():
        fields = item.fields("a reference")
        url = fields.need("url").url("a reference's url")
        kind = _or(fields.get("kind"), "other", lambda n: n.one_of("kind", _REFERENCES))
        name = _or(fields.get("id"), url, lambda n: n.text("an id"))
        found.append(
            Reference(kind, name, url, _or(fields.get("title"), name, lambda n: n.text("a title")))
        )
        fields.done()
    return tuple(sorted(set(found)))


def _named(
    node: Node | None, what: str, pattern: str, expected: str
) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for item in node.items(f"{what}s") if node else ():
        name = item.matching(what, pattern, expected)
        if name in found:
            raise item.fail(f"{name} is listed twice")
        found[name] = item.place
    return tuple(found.items())


def _status(node: Node, scope: Scope, now: int) -> StatusRecord:
    fields = node.fields("a status")
    cve = fields.need("cve").matching("a CVE", _CVE, "CVE-YYYY-NNNN")
    package = fields.need("package").matching(
        "a package", r"[A-Za-z0-9][A-Za-z0-9._+-]*", "a source package's name"
    )
    word = fields.need("status")
    status = Status(word.one_of("status", [known.value for known in Status]))
    statement = fields.get("statement")
    version = fields.get("version")
    updated = fields.need("updated").date("updated", now)
    fields.done()
    if status is Status.RELEASED:
        raise word.fail("Released is said by publishing an advisory", "another status")
    if status is Status.IGNORED and statement is None:
        raise node.fail("Ignored without a statement", "'statement': why")
    return StatusRecord(
        cve,
        scope,
        package,
        status,
        version.text("a version") if version else "",
        statement.text("a statement", 5000, lines=True) if statement else "",
        updated,
        node.place,
    )


def _check_unique(drafts: Sequence[Draft], statuses: Sequence[StatusRecord]) -> None:
    places: dict[object, str] = {}
    for key, place in [
        *((d.advisory.id, d.advisory.origin) for d in drafts),
        *(((r.cve, r.package), r.origin) for r in statuses),
    ]:
        if key in places:
            name = key if isinstance(key, str) else " in ".join(key)  # type: ignore[arg-type]
            raise AdvisoryError(
                f"{name} is there twice", found=f"also at {places[key]}", path=place
            )
        places[key] = place


def resolve(
    own: Own, packages: Mapping[str, Iterable[Package]], cves: Mapping[str, Cve]
) -> list[Advisory]:
    """The advisories with the packages they bring, as they are in the repositories.

    A severity that no file gives is that of the gravest CVE.

    Args:
        packages: of each repository.

    Raises:
        AdvisoryError: a package that no repository has; a status that an advisory contradicts.
    """
    known = [_fixed(p, repository) for repository, found in packages.items() for p in found]
    by_source: dict[str, list[FixedPackage]] = {}
    by_name: dict[str, list[FixedPackage]] = {}
    for package in known:
        by_source.setdefault(package.source, []).append(package)
        for name in {package.nevra, package.identity}:
            by_name.setdefault(name, []).append(package)
    resolved = [_resolved(draft, by_source, by_name, cves) for draft in own.drafts]
    _check_statuses(own.statuses, resolved)
    return resolved


def _resolved(
    draft: Draft,
    by_source: Mapping[str, list[FixedPackage]],
    by_name: Mapping[str, list[FixedPackage]],
    cves: Mapping[str, Cve],
) -> Advisory:
    found: set[FixedPackage] = set()
    for name, place in draft.sources:
        file = name if name.endswith(".src.rpm") else f"{name}.src.rpm"
        if file not in by_source:
            raise _unknown(draft, name, place, by_source)
        found.update(by_source[file])
    for name, place in draft.names:
        if name not in by_name:
            raise _unknown(draft, name, place, by_name)
        found.update(by_name[name])
    advisory = draft.advisory.only(p._replace(module=draft.module) for p in found)
    if draft.severity_given or advisory.kind != SECURITY:
        return advisory
    verdicts = [cves[cve].verdict.severity for cve in advisory.cves if cve in cves]
    gravest = next((s for s in SEVERITIES if s in verdicts), None)
    if gravest is None:
        raise AdvisoryError(
            f"{advisory.id} has no severity, and none of its CVEs has a score",
            expected=f"'severity': {', '.join(SEVERITIES)}; or data of the CVEs (cve_data)",
            path=advisory.origin,
        )
    return advisory.with_severity(gravest)


def _unknown(draft: Draft, name: str, place: str, known: Iterable[str]) -> AdvisoryError:
    close = difflib.get_close_matches(name, list(known), 1, 0.8)
    return AdvisoryError(
        f"{draft.advisory.id}: no repository of the tree has {name}",
        expected="packages that are published with the advisory",
        found=f"the nearest is {close[0]}" if close else "nothing like it",
        path=place,
    )


def _fixed(package: Package, repository: str) -> FixedPackage:
    return FixedPackage(
        name=package.name,
        epoch=package.epoch,
        version=package.version,
        release=package.release,
        arch=package.arch,
        source=package.sourcerpm,
        repository=repository,
        filename=package.location.rpartition("/")[2],
        sha256=package.sha256,
        reboot=package.name == "kernel-core",
    )


def _check_statuses(statuses: Iterable[StatusRecord], advisories: Sequence[Advisory]) -> None:
    fixed = {(cve, name): a for a in advisories for cve in a.cves for name in a.source_names}
    for record in statuses:
        advisory = fixed.get((record.cve, record.package))
        if advisory is not None:
            raise AdvisoryError(
                f"{record.cve} in {record.package} is {record.status.value} here and fixed by"
                f" {advisory.id}",
                expected="one of them",
                found=f"{advisory.id} at {advisory.origin}",
                path=record.origin,
            )
