"""`tuxmirror advisory list|show|explain|sla`: what a channel fixes, why, and how fast."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..core import journal, sla
from ..core.advisory.catalogue import Catalogue
from ..core.advisory.model import NO_SEVERITY, SEVERITIES, Advisory, Scope, is_cve, scope_of
from ..core.errors import ConfigError
from ..core.sla import Report
from ..core.snapshot import Snapshot
from ..core.tracker import data, views
from ..core.tracker.data import iso
from ..core.tracker.views import Material
from . import advisories, publications, tracker
from .context import Mirror
from .site import Showing


class Known(NamedTuple):
    """What a channel shows now, and the snapshot of each scope."""

    material: Material
    snapshots: dict[Scope, Snapshot]

    @property
    def catalogue(self) -> Catalogue:
        return self.material.catalogue


def known(mirror: Mirror, channel: str) -> Known:
    """Raises ConfigError where the channel shows no advisories' tree."""
    snapshots: dict[str, Snapshot] = {}
    for name, tree in mirror.config.trees.items():
        publication = mirror.publisher.published(channel, name) if advisories.scope(tree) else None
        if publication is not None:
            snapshots[name] = mirror.state.snapshot(name, publication.snapshot)
    if not snapshots:
        raise ConfigError(
            f"{channel} shows no tree with advisories",
            expected=", ".join(mirror.publisher.channels()) or "something published",
            way_out="tuxmirror sync",
        )
    now = int(mirror.clock())
    ledger = publications.known(mirror, channel)
    catalogue = advisories.catalogue(mirror, Showing(channel, snapshots, {}, now))
    catalogue = replace(catalogue, first_published=ledger.first)
    material = Material(catalogue, ledger.baseline, tracker.pins(mirror), now=now)
    by_scope = {scope: s for name, s in snapshots.items() if (scope := scope_of(name))}
    return Known(material, by_scope)


def listed(
    found: Known, release: str | None, severity: str | None, package: str | None
) -> list[dict[str, Any]]:
    """The document of `advisory list`, newest first.

    Raises:
        ConfigError: a release that the channel does not show, or no severity: an empty answer would
            read as if there was nothing to fix.
    """
    releases = sorted({scope.release for scope in found.snapshots})
    if release is not None and release not in releases:
        raise ConfigError(f"no release '{release}' is shown here", expected=" or ".join(releases))
    words = (*SEVERITIES, NO_SEVERITY)
    if severity is not None and severity.casefold() not in map(str.casefold, words):
        raise ConfigError(f"no severity '{severity}'", expected=" or ".join(words))
    everything = found.catalogue.advisories
    chosen = [
        a
        for a in everything
        if (release is None or a.scope.release == release)
        and (severity is None or a.severity.casefold() == severity.casefold())
        and (package is None or package in a.source_names or _has(a, package))
    ]
    return [_advisory(found, a) for a in views.newest_first(found.material, chosen)]


def _has(advisory: Advisory, name: str) -> bool:
    return any(package.name == name for package in advisory.packages)


def shown(found: Known, name: str) -> list[dict[str, Any]]:
    """The document of `advisory show`: one a scope.

    Raises:
        ConfigError: nobody knows it; names what is meant, perhaps.
    """
    of_it = found.catalogue.advisory(name)
    if not of_it:
        raise _unknown("advisory", name, [a.id for a in found.catalogue.advisories])
    return [{**_advisory(found, a), **_details(found, a)} for a in of_it]


def _unknown(kind: str, name: str, names: Sequence[str]) -> ConfigError:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return ConfigError(
        f"no {kind} '{name}'", way_out=f"did you mean {' or '.join(near)}?" if near else None
    )


def _advisory(found: Known, advisory: Advisory) -> dict[str, Any]:
    published = found.catalogue.published(advisory)
    return {
        "id": advisory.id,
        "release": advisory.scope.title,
        "kind": advisory.kind,
        "severity": advisory.severity,
        "title": advisory.title,
        "issued": iso(advisory.issued),
        "published": iso(published) or None,
        "cves": list(advisory.cves),
        "packages": list(advisory.source_names),
    }


def _details(found: Known, advisory: Advisory) -> dict[str, Any]:
    fips = found.material.fips(advisory)
    return {
        "updated": iso(advisory.updated),
        "description": advisory.description,
        "builds": [build._asdict() for build in views.builds(advisory)],
        "commands": views.commands(advisory),
        "reboot": views.needs_reboot(advisory),
        "fips": fips.text if fips else None,
        "snapshot": found.snapshots[advisory.scope].id,
        "references": [reference._asdict() for reference in advisory.references],
    }


def explained(mirror: Mirror, found: Known, name: str) -> dict[str, Any]:
    """The document of `advisory explain`: all that is known of a CVE, and why.

    Raises:
        ConfigError: no CVE, or one that nobody here knows.
    """
    if not is_cve(name):
        raise ConfigError(f"'{name}' is no CVE", expected="such as CVE-2026-0001")
    if name not in found.catalogue.cve_ids:
        raise _unknown("advisory or record about", name, found.catalogue.cve_ids)
    cve = found.catalogue.cve(name)
    verdict = cve.verdict
    return {
        "cve": cve.id,
        "description": cve.description,
        "rejected": cve.rejected,
        "severity": verdict.band,
        "score": verdict.score,
        "rule": verdict.rule,
        "covered": verdict.covered,
        "needs_triage": verdict.needs_triage,
        "flags": {flag: views.FLAGS.get(flag, flag) for flag in cve.flags},
        "scores": [{**score._asdict(), "date": iso(score.date) or None} for score in cve.scores],
        "disclosures": [{**entry._asdict(), "date": iso(entry.date)} for entry in cve.disclosures],
        "disclosed": iso(cve.disclosed) or None,
        "releases": [_fix(mirror, found, fix) for fix in views.fixes(found.material, name)],
    }


def _fix(mirror: Mirror, found: Known, fix: views.Fix) -> dict[str, Any]:
    record = fix.record
    snapshot = found.snapshots.get(record.scope)
    return {
        "release": record.scope.title,
        "package": record.package,
        "status": record.status.value,
        "statement": record.statement,
        "version": record.version,
        "advisories": [advisory.id for advisory in fix.advisories],
        "clock": data.clock_document(fix.clock) if fix.clock else None,
        "snapshot": snapshot.id if snapshot else None,
        "vetted": _vetted(mirror, found, snapshot) if snapshot else None,
        "commands": [c for advisory in fix.advisories for c in views.commands(advisory)],
        "reboot": any(map(views.needs_reboot, fix.advisories)),
        "fips": fix.fips.text if fix.fips else None,
    }


def _vetted(mirror: Mirror, found: Known, snapshot: Snapshot) -> dict[str, Any] | None:
    """Who made the channel show the snapshot, by the log; None where it does not tell."""
    channel = found.catalogue.channel
    entries = mirror.journal.entries()
    names = journal.replaced(entries, snapshot.tree)
    # A signature made anew is nobody's decision.
    same = {snapshot.id, *(name for name, by in names.items() if by == snapshot.id)}
    for entry in reversed(entries):
        if (entry.get("tree"), entry.get("channel")) != (snapshot.tree, channel):
            continue
        if entry.get("snapshot") in same and entry["action"] in journal.PUBLISHING:
            user = entry.get("sudo_user") or entry.get("user")
            return {"action": entry["action"], "by": user, "time": iso(entry["time"])}
    return None


def response_times(found: Known) -> list[Report]:
    """Of all releases together, then of each."""
    return sla.reports(found.material.clocks, found.material.now)
