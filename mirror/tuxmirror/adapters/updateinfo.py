"""updateinfo records as advisories, and advisories as updateinfo.xml, by createrepo_c."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

import createrepo_c

from ..core.advisory.model import (
    KINDS,
    NO_SEVERITY,
    SECURITY,
    SEVERITIES,
    Advisory,
    FixedPackage,
    Module,
    Reference,
    Scope,
    is_cve,
    sort_key,
)
from ..core.errors import MetadataError


def from_record(record: createrepo_c.UpdateRecord, scope: Scope, repository: str) -> Advisory:
    """What a record of a repository says.

    Raises:
        MetadataError: without an id.
    """
    if not record.id:
        raise MetadataError("an advisory without an id", found=repr((record.title or "")[:80]))
    packages = [
        _package(package, collection, repository)
        for collection in record.collections
        for package in collection.packages
    ]
    references = {_reference(reference) for reference in record.references}
    issued = _seconds(record.issued_date)
    return Advisory(
        id=record.id,
        scope=scope,
        kind=record.type if record.type in KINDS else "bugfix",
        title=record.title or "",
        severity=record.severity if record.severity in SEVERITIES else NO_SEVERITY,
        issued=issued,
        updated=max(issued, _seconds(record.updated_date)),
        packages=tuple(sorted(set(packages), key=sort_key)),
        cves=tuple(sorted({r.id for r in references if r.kind == "cve" and is_cve(r.id)})),
        references=tuple(sorted(references)),
        description=record.description or "",
        summary=record.summary or "",
        solution=record.solution or "",
        rights=record.rights or "",
        version=record.version or "1",
        publisher=record.fromstr or "",
        origin=f"{repository} {record.id}",
    )


def _package(
    package: createrepo_c.UpdateCollectionPackage,
    collection: createrepo_c.UpdateCollection,
    repository: str,
) -> FixedPackage:
    module = collection.module
    epoch = package.epoch or "0"
    return FixedPackage(
        name=package.name or "",
        epoch=int(epoch) if epoch.isdecimal() else 0,
        version=package.version or "",
        release=package.release or "",
        arch=package.arch or "",
        source=package.src or "",
        module=Module(
            module.name or "",
            module.stream or "",
            str(module.version or ""),
            module.context or "",
            module.arch or "",
        )
        if module
        else None,
        repository=repository,
        filename=package.filename or "",
        sha256=(package.sum or "") if package.sum_type == createrepo_c.SHA256 else "",
        reboot=bool(package.reboot_suggested),
    )


def _reference(reference: createrepo_c.UpdateReference) -> Reference:
    return Reference(
        reference.type or "other", reference.id or "", reference.href or "", reference.title or ""
    )


def _seconds(when: datetime | int | None) -> int:
    """createrepo_c gives a date without a zone, or seconds; updateinfo's dates are UTC."""
    if isinstance(when, datetime):
        return int(when.replace(tzinfo=timezone.utc).timestamp())
    return int(when or 0)


def write(advisories: Iterable[Advisory], collection: str) -> bytes:
    """updateinfo.xml of one repository; `collection` is what the repository is called in it."""
    info = createrepo_c.UpdateInfo()
    for advisory in advisories:
        info.append(_record(advisory, collection))
    return str(info.xml_dump()).encode()


def _record(advisory: Advisory, collection: str) -> createrepo_c.UpdateRecord:
    record = createrepo_c.UpdateRecord()
    record.fromstr = advisory.publisher
    record.status = "final"
    record.type = advisory.kind
    record.version = advisory.version
    record.id = advisory.id
    record.title = advisory.title
    record.issued_date = _date(advisory.issued)
    record.updated_date = _date(advisory.updated)
    record.severity = advisory.severity if advisory.kind == SECURITY else NO_SEVERITY
    record.summary = advisory.summary or advisory.title
    record.description = advisory.description
    record.solution = advisory.solution
    record.rights = advisory.rights
    record.reboot_suggested = any(package.reboot for package in advisory.packages)
    for reference in advisory.references:
        record.append_reference(_update_reference(reference))
    for module in sorted({p.module for p in advisory.packages}, key=lambda m: m or ()):
        packages = [p for p in advisory.packages if p.module == module]
        record.append_collection(_collection(collection, module, packages))
    return record


def _date(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


def _update_reference(reference: Reference) -> createrepo_c.UpdateReference:
    made = createrepo_c.UpdateReference()
    made.type, made.id, made.href = reference.kind, reference.id, reference.url
    made.title = reference.title or reference.id
    return made


def _collection(
    name: str, module: Module | None, packages: Sequence[FixedPackage]
) -> createrepo_c.UpdateCollection:
    collection = createrepo_c.UpdateCollection()
    collection.shortname = name
    collection.name = f"{name} {module.name_stream}" if module else name
    if module:
        made = createrepo_c.UpdateCollectionModule()
        made.name, made.stream, made.context, made.arch = (
            module.name,
            module.stream,
            module.context,
            module.arch,
        )
        made.version = int(module.version or 0)
        collection.module = made
    for package in packages:
        collection.append(_update_package(package))
    return collection


def _update_package(package: FixedPackage) -> createrepo_c.UpdateCollectionPackage:
    made = createrepo_c.UpdateCollectionPackage()
    made.name, made.version, made.release = package.name, package.version, package.release
    made.epoch, made.arch, made.src = str(package.epoch), package.arch, package.source
    made.filename = package.filename or f"{package.name}-{package.version}-{package.release}.rpm"
    made.reboot_suggested = package.reboot
    if package.sha256:
        made.sum, made.sum_type = package.sha256, createrepo_c.SHA256
    return made
