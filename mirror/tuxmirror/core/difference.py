"""What lies between two snapshots: packages by NEVRA, advisories, CVEs, severities, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

from .package import Package
from .summary import Advisory


class Entry(NamedTuple):
    """A package of one repository; `size` in bytes."""

    repository: str
    nevra: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Difference:
    """`changed` kept their NEVRA and got other bytes; of those the new entries are here.

    Advisories and CVEs count as new where no repository of the older snapshot had them.
    """

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[Entry, ...]
    advisories_added: tuple[Advisory, ...]
    advisories_removed: tuple[Advisory, ...]

    @property
    def cves(self) -> list[str]:
        """Those that the new advisories speak of."""
        return sorted({cve for advisory in self.advisories_added for cve in advisory.cves})

    @property
    def severities(self) -> dict[str, int]:
        """New advisories by severity; those without one are left out."""
        counts = Counter(a.severity for a in self.advisories_added if a.severity)
        return dict(sorted(counts.items()))

    def as_dict(self) -> dict[str, object]:
        return {
            "added": [_entry(entry) for entry in self.added],
            "removed": [_entry(entry) for entry in self.removed],
            "changed": [_entry(entry) for entry in self.changed],
            "advisories_added": [asdict(advisory) for advisory in self.advisories_added],
            "advisories_removed": [asdict(advisory) for advisory in self.advisories_removed],
            "cves": self.cves,
            "severities": self.severities,
            "bytes_added": sum(entry.size for entry in (*self.added, *self.changed)),
            "bytes_removed": sum(entry.size for entry in self.removed),
        }


def entries(repository: str, packages: Iterable[Package]) -> list[Entry]:
    return [Entry(repository, p.nevra, p.sha256, p.size) for p in packages]


def compare(
    old: Iterable[Entry],
    new: Iterable[Entry],
    old_advisories: Iterable[Advisory],
    new_advisories: Iterable[Advisory],
) -> Difference:
    """The way from one to the other; the same package in two repositories counts in both."""
    before = {(entry.repository, entry.nevra): entry for entry in old}
    after = {(entry.repository, entry.nevra): entry for entry in new}
    known, fresh = _by_id(old_advisories), _by_id(new_advisories)
    both = before.keys() & after.keys()
    return Difference(
        added=tuple(sorted(after[key] for key in after.keys() - before.keys())),
        removed=tuple(sorted(before[key] for key in before.keys() - after.keys())),
        changed=tuple(sorted(after[k] for k in both if after[k].sha256 != before[k].sha256)),
        advisories_added=tuple(fresh[id_] for id_ in sorted(fresh.keys() - known.keys())),
        advisories_removed=tuple(known[id_] for id_ in sorted(known.keys() - fresh.keys())),
    )


def _by_id(advisories: Iterable[Advisory]) -> Mapping[str, Advisory]:
    return {advisory.id: advisory for advisory in advisories}


def _entry(entry: Entry) -> dict[str, object]:
    return entry._asdict()
