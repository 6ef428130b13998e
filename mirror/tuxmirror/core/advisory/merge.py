"""One advisory from the records that several repositories, or one twice, have of it.

Within a repository, records of the same id:
- same date and version, different packages: together they are the advisory;
- same date and version, one has all packages of the other: that one;
- another date or version, packages in common: the newer one;
- anything else contradicts itself.

Repositories of one scope (BaseOS, AppStream, the arches) each have their part of an advisory, and
upstream does not always date them alike: the parts are put together, the newest text counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from .model import Advisory, Scope, sort_key


class Conflict(NamedTuple):
    """Records that contradict each other; the newest of them was taken."""

    id: str
    reason: str
    origins: tuple[str, ...]


def merge(records: Iterable[Advisory]) -> tuple[list[Advisory], list[Conflict]]:
    """Advisories by scope and id, sorted, and what could not be put together cleanly."""
    by_repository: dict[tuple[Scope, str, str], list[Advisory]] = {}
    for record in records:
        repository = record.packages[0].repository if record.packages else ""
        by_repository.setdefault((record.scope, record.id, repository), []).append(record)
    conflicts: list[Conflict] = []
    parts: dict[tuple[Scope, str], list[Advisory]] = {}
    for (scope, name, _), same in by_repository.items():
        parts.setdefault((scope, name), []).append(_within(same, conflicts))
    return [_across(parts[key]) for key in sorted(parts)], conflicts


def _within(records: Sequence[Advisory], conflicts: list[Conflict]) -> Advisory:
    """Of one repository."""
    merged = records[0]
    for record in records[1:]:
        reason = _contradiction(merged, record)
        if reason:
            origins = (merged.origin, record.origin)
            conflicts.append(Conflict(record.id, reason, origins))
            merged = max(merged, record, key=_age)
        elif _age(merged) != _age(record):
            merged = max(merged, record, key=_age)
        else:
            merged = _union((merged, record))
    return merged


def _contradiction(one: Advisory, other: Advisory) -> str | None:
    mine, theirs = one.identities, other.identities
    if _age(one) == _age(other):
        if mine & theirs and not (mine >= theirs or mine <= theirs):
            return "the same date and version with packages that overlap in part"
        return None
    if not mine & theirs:
        return "another date or version with other packages"
    return None


def _across(parts: Sequence[Advisory]) -> Advisory:
    """Of several repositories of one scope."""
    return _union(sorted(parts, key=_age, reverse=True))


def _union(parts: Sequence[Advisory]) -> Advisory:
    """The first one's text, everybody's packages, CVEs and references."""
    return replace(
        parts[0],
        issued=min(part.issued for part in parts),
        updated=max(part.updated for part in parts),
        cves=tuple(sorted({cve for part in parts for cve in part.cves})),
        references=tuple(sorted({ref for part in parts for ref in part.references})),
        packages=tuple(sorted({p for part in parts for p in part.packages}, key=sort_key)),
    )


def _age(advisory: Advisory) -> tuple[int, tuple[int, ...], str]:
    numbers = tuple(int(n) for n in advisory.version.split(".") if n.isdecimal())
    return advisory.updated, numbers, advisory.version
