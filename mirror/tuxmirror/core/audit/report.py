"""What an audit answers: per release and product, which advisories a host needs and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..advisory.catalogue import Catalogue
from ..advisory.model import Advisory, Scope
from ..fips import Answer
from .host import Host, Installed, is_modular, module_file
from .results import FALSE, TRUE, Finding

_SEVERITIES = ("Critical", "Important", "Moderate", "Low", "None")


class Needed(NamedTuple):
    """An advisory that the host lacks, or may lack: then `undecided` says what nobody can tell."""

    advisory: Advisory
    finding: Finding
    fips: Answer | None

    @property
    def command(self) -> str:
        return f"dnf upgrade --advisory={self.advisory.id}"


class ScopeReport(NamedTuple):
    """`snapshot` is the one that was asked; `definitions` how many were judged."""

    scope: Scope
    snapshot: str
    definitions: int
    needed: tuple[Needed, ...]
    unknown: tuple[Needed, ...]


class Report(NamedTuple):
    """`as_of` in seconds since the epoch; `notes` are what the reader has to know besides."""

    source: str
    host: Host
    release: str
    channel: str
    as_of: int
    scopes: tuple[ScopeReport, ...]
    notes: tuple[str, ...]

    @property
    def severities(self) -> dict[str, int]:
        """What is needed, gravest first; those that nothing needs are left out."""
        found = [needed.advisory.severity for part in self.scopes for needed in part.needed]
        return {word: found.count(word) for word in _SEVERITIES if word in found}

    def as_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "packages": len(self.host.packages),
            "release": self.release,
            "arch": self.host.arch,
            "channel": self.channel,
            "as_of": self.as_of,
            "severities": self.severities,
            "notes": list(self.notes),
            "scopes": [_scope_document(part) for part in self.scopes],
        }


def _scope_document(part: ScopeReport) -> dict[str, Any]:
    return {
        "title": part.scope.title,
        "release": part.scope.release,
        "product": part.scope.product,
        "snapshot": part.snapshot,
        "definitions": part.definitions,
        "needed": [_needed_document(needed) for needed in part.needed],
        "unknown": [_needed_document(needed) for needed in part.unknown],
    }


def _needed_document(needed: Needed) -> dict[str, Any]:
    return {
        "advisory": needed.advisory.id,
        "definition": needed.finding.definition,
        "result": needed.finding.result,
        "severity": needed.advisory.severity,
        "title": needed.advisory.title,
        "cves": list(needed.advisory.cves),
        "packages": [
            {"installed": evidence.package.nevra, "fixed": evidence.fixed}
            for evidence in needed.finding.evidence
        ],
        "undecided": list(needed.finding.undecided) if needed.finding.result != TRUE else [],
        "command": needed.command,
        "fips": needed.fips.text if needed.fips else None,
    }


def scope_report(
    scope: Scope,
    snapshot: str,
    findings: Sequence[Finding],
    advisories: Iterable[Advisory],
    fips: Callable[[Advisory], Answer | None],
) -> ScopeReport:
    """What OpenSCAP said of a scope's definitions, gravest and newest first."""
    by_id = {advisory.id: advisory for advisory in advisories}
    of_it = [
        Needed(by_id[finding.advisory], finding, fips(by_id[finding.advisory]))
        for finding in findings
        if finding.result != FALSE and finding.advisory in by_id
    ]
    of_it.sort(key=_gravity)
    return ScopeReport(
        scope,
        snapshot,
        len(findings),
        tuple(needed for needed in of_it if needed.finding.result == TRUE),
        tuple(needed for needed in of_it if needed.finding.result != TRUE),
    )


def _gravity(needed: Needed) -> tuple[int, int, str]:
    severity = needed.advisory.severity
    place = _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
    return place, -needed.advisory.updated, needed.advisory.id


def known_modules(host: Host, catalogue: Catalogue) -> Mapping[str, str]:
    """Module files as dnf would have them, for streams that installed builds are known to be of.

    A list does not say which streams are enabled; a build that an advisory names does.
    """
    if host.modules_complete:
        return host.modules
    streams = {
        (package.name, package.version, package.release, package.arch): package.module
        for advisory in catalogue.advisories
        for package in advisory.packages
        if package.module
    }
    found = {}
    for package in host.packages:
        module = streams.get((package.name, package.version, package.release, package.arch))
        if module is not None:
            found[f"{module.name}.module"] = module_file(module.name, module.stream)
    # What somebody told counts more than what was found out.
    return {**found, **host.modules}


def notes(host: Host, guessed_epochs: Sequence[str], kernels: bool) -> list[str]:
    """What a list cannot tell, as far as it matters.

    Args:
        guessed_epochs: names of packages for which the epoch 0 was assumed.
        kernels: some definition asks for the running kernel.
    """
    found = []
    if guessed_epochs:
        names = ", ".join(guessed_epochs[:5]) + ("…" if len(guessed_epochs) > 5 else "")
        found.append(
            f"The list has no epochs, and nobody here knows those of {names}"
            f" ({len(guessed_epochs)} in all): 0 was assumed. A list with epochs is exact."
        )
    if kernels and host.running_kernel is None and _has_kernel(host.packages):
        found.append(
            "Packages do not say which kernel is running: installed kernels alone were"
            " judged. Name it with --running-kernel (uname -r)."
        )
    modular = sorted({p.name for p in host.packages if is_modular(p.release)})
    if modular and not host.modules_complete:
        found.append(
            f"Packages of modules ({len(modular)}): a list does not say which streams are"
            " enabled. Name what is unknown below with --module NAME:STREAM."
        )
    return found


def _has_kernel(packages: Iterable[Installed]) -> bool:
    return any(p.name in ("kernel", "kernel-core") for p in packages)
