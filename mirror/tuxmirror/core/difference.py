"""What lies between two snapshots: packages by NEVRA, advisories, CVEs, severities, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple, TypeVar

from .package import Package
from .summary import Advisory


class Entry(NamedTuple):
    """A package of one repository; `size` in bytes."""

    repository: str
    nevra: str
    sha256: str
    size: int


class ImageEntry(NamedTuple):
    """An image, or what else of a repository is no package and no metadata; `size` in bytes."""

    repository: str
    path: str
    sha256: str
    size: int


_One = TypeVar("_One", Entry, ImageEntry)


class Images(NamedTuple):
    """`changed` kept their name and were made again; of those the new ones are here."""

    added: tuple[ImageEntry, ...]
    removed: tuple[ImageEntry, ...]
    changed: tuple[ImageEntry, ...]

    @property
    def fresh_bytes(self) -> int:
        return sum(image.size for image in (*self.added, *self.changed))

    def as_dict(self) -> dict[str, object]:
        return {
            f"images_{how}": [image._asdict() for image in images]
            for how, images in self._asdict().items()
        }


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
    known, fresh = _by_id(old_advisories), _by_id(new_advisories)
    added, removed, changed = _three_ways(
        {(entry.repository, entry.nevra): entry for entry in old},
        {(entry.repository, entry.nevra): entry for entry in new},
    )
    return Difference(
        added=added,
        removed=removed,
        changed=changed,
        advisories_added=tuple(fresh[id_] for id_ in sorted(fresh.keys() - known.keys())),
        advisories_removed=tuple(known[id_] for id_ in sorted(known.keys() - fresh.keys())),
    )


def compare_images(old: Iterable[ImageEntry], new: Iterable[ImageEntry]) -> Images:
    """The same of images; one that two repositories have counts in both."""
    return Images(
        *_three_ways(
            {(image.repository, image.path): image for image in old},
            {(image.repository, image.path): image for image in new},
        )
    )


def _three_ways(
    before: Mapping[tuple[str, str], _One], after: Mapping[tuple[str, str], _One]
) -> tuple[tuple[_One, ...], tuple[_One, ...], tuple[_One, ...]]:
    """What came, what went, and what has other bytes under its name."""
    both = before.keys() & after.keys()
    return (
        tuple(sorted(after[key] for key in after.keys() - before.keys())),
        tuple(sorted(before[key] for key in before.keys() - after.keys())),
        tuple(sorted(after[key] for key in both if after[key].sha256 != before[key].sha256)),
    )


def _by_id(advisories: Iterable[Advisory]) -> Mapping[str, Advisory]:
    return {advisory.id: advisory for advisory in advisories}


def _entry(entry: Entry) -> dict[str, object]:
    return entry._asdict()
