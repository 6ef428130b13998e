"""Everything known of advisories and CVEs, asked by CVE, advisory, package or release."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Callable, NamedTuple, TypeVar

from .cve import Cve
from .merge import Conflict
from .model import Advisory, Scope
from .status import Status, StatusRecord

_Item = TypeVar("_Item")
_Key = TypeVar("_Key", bound=Hashable)


class FirstPublished(NamedTuple):
    """When customers of a channel could first see an advisory; seconds since the epoch."""

    channel: str
    scope: Scope
    advisory: str
    time: int


@dataclass(frozen=True)
class Catalogue:
    """Advisories are merged: one a scope and id. `cves` by id, also of those without a fix yet.

    `first_published` speaks of `channel` alone.
    """

    advisories: tuple[Advisory, ...] = ()
    cves: Mapping[str, Cve] = field(default_factory=dict)
    statuses: tuple[StatusRecord, ...] = ()
    first_published: Mapping[tuple[Scope, str], int] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    channel: str = ""

    @cached_property
    def _by_id(self) -> dict[str, tuple[Advisory, ...]]:
        return _index(self.advisories, lambda advisory: (advisory.id,))

    @cached_property
    def _by_cve(self) -> dict[str, tuple[Advisory, ...]]:
        return _index(self.advisories, lambda advisory: advisory.cves)

    @cached_property
    def _by_package(self) -> dict[str, tuple[Advisory, ...]]:
        def names(advisory: Advisory) -> set[str]:
            return {*advisory.source_names, *(package.name for package in advisory.packages)}

        return _index(self.advisories, names)

    @cached_property
    def _by_scope(self) -> dict[Scope, tuple[Advisory, ...]]:
        return _index(self.advisories, lambda advisory: (advisory.scope,))

    @cached_property
    def _statuses(self) -> dict[str, tuple[StatusRecord, ...]]:
        records = {(r.cve, r.scope, r.package): r for r in self._released()}
        for record in self.statuses:
            # What is published is released, whatever a file still says of it.
            records.setdefault((record.cve, record.scope, record.package), record)
        found: defaultdict[str, list[StatusRecord]] = defaultdict(list)
        for record in records.values():
            found[record.cve].append(record)
        return {cve: tuple(of_it) for cve, of_it in found.items()}

    def _released(self) -> list[StatusRecord]:
        found = []
        for advisory in self.advisories:
            when = self.first_published.get((advisory.scope, advisory.id), advisory.issued)
            names = advisory.source_names
            for package in names:
                of_it = (p for p in advisory.packages if p.source_name == package)
                evr = (advisory.packages[0] if len(names) == 1 else next(of_it)).evr
                found += [
                    StatusRecord(cve, advisory.scope, package, Status.RELEASED, evr, "", when)
                    for cve in advisory.cves
                ]
        return found

    def advisory(self, name: str) -> tuple[Advisory, ...]:
        """In every scope that has it; empty where nobody knows it."""
        return self._by_id.get(name, ())

    def fixing(self, cve: str) -> tuple[Advisory, ...]:
        """The advisories that fix a CVE."""
        return self._by_cve.get(cve, ())

    def of_package(self, name: str) -> tuple[Advisory, ...]:
        """By a binary package's name or a source package's."""
        return self._by_package.get(name, ())

    def of_release(self, release: str) -> tuple[Advisory, ...]:
        return tuple(a for scope in self.scopes if scope.release == release for a in self.of(scope))

    def of(self, scope: Scope) -> tuple[Advisory, ...]:
        return self._by_scope.get(scope, ())

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        return tuple(sorted({*self._by_scope, *(r.scope for r in self.statuses)}))

    def cve(self, name: str) -> Cve:
        """What is known of it; a CVE without any data where that is nothing."""
        return self.cves.get(name) or Cve(name)

    @cached_property
    def cve_ids(self) -> tuple[str, ...]:
        """All that an advisory, a status or imported data speaks of."""
        return tuple(sorted({*self.cves, *self._by_cve, *(r.cve for r in self.statuses)}))

    def status(self, cve: str) -> tuple[StatusRecord, ...]:
        """By scope and package: Released where an advisory fixes it, else what the files say."""
        return self._statuses.get(cve, ())

    def published(self, advisory: Advisory) -> int | None:
        """When customers of the channel could first see it."""
        return self.first_published.get((advisory.scope, advisory.id))


def _index(
    items: Iterable[_Item], keys: Callable[[_Item], Iterable[_Key]]
) -> dict[_Key, tuple[_Item, ...]]:
    found: dict[_Key, list[_Item]] = {}
    for item in items:
        for key in keys(item):
            found.setdefault(key, []).append(item)
    return {key: tuple(of_it) for key, of_it in found.items()}
