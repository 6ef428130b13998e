"""What one snapshot has that another has not, for people and for `--json`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .snapshot import File


@dataclass(frozen=True)
class Advisory:
    """An updateinfo record, as far as a summary speaks of it."""

    id: str
    severity: str
    cves: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True)
class Changes:
    """Packages by path; `replaced` kept their path and got other bytes. Advisories that are new.

    `before` is the number of packages that there were.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    before: int = 0
    advisories: tuple[Advisory, ...] = field(default=())

    def as_dict(self) -> dict[str, object]:
        return {
            "added": len(self.added),
            "removed": len(self.removed),
            "replaced": len(self.replaced),
            "advisories": [advisory.id for advisory in self.advisories],
            "cves": sorted({cve for advisory in self.advisories for cve in advisory.cves}),
        }


def compare(
    old: Iterable[File],
    new: Iterable[File],
    old_advisories: Iterable[Advisory] = (),
    new_advisories: Iterable[Advisory] = (),
) -> Changes:
    """The way from one list of files to another; only packages count."""
    before = {file.path: file.sha256 for file in old if file.path.endswith(".rpm")}
    after = {file.path: file.sha256 for file in new if file.path.endswith(".rpm")}
    known = {advisory.id for advisory in old_advisories}
    fresh = {a.id: a for a in new_advisories if a.id not in known}
    return Changes(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        replaced=tuple(sorted(p for p in before.keys() & after.keys() if before[p] != after[p])),
        before=len(before),
        advisories=tuple(fresh[id_] for id_ in sorted(fresh)),
    )
