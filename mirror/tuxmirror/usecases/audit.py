"""`tuxmirror audit`: what a host lacks, from its package list, as OpenSCAP judges it.

The definitions are those of the snapshots that the channel shows, or showed at a time: they are
written from the same advisories by the same code as the published ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..core import fips, journal
from ..core.advisory.catalogue import Catalogue
from ..core.advisory.formats import oval
from ..core.advisory.model import Advisory, Scope, scope_of, security
from ..core.audit import characteristics, report, results, rpmqa
from ..core.audit.host import RELEASE_PACKAGE, Host, Installed
from ..core.audit.report import Report, ScopeReport
from ..core.errors import ConfigError, RefusedError
from ..core.snapshot import Snapshot
from . import advisories, contents, tracker
from .context import Mirror
from .site import Showing


class Question(NamedTuple):
    """`release` None: the host's own; `when` in seconds since the epoch, None: now."""

    host: Host
    source: str
    channel: str
    release: str | None = None
    when: int | None = None


def audit(mirror: Mirror, question: Question) -> Report:
    """Raises:
    ConfigError: nobody can tell the host's release, or the channel shows nothing of it.
    RefusedError: nothing was published then, or the snapshot is not kept any more.
    """
    release = _release(question)
    as_of = int(mirror.clock()) if question.when is None else question.when
    snapshots = _snapshots(mirror, question, release)
    catalogue = advisories.catalogue(mirror, Showing(question.channel, snapshots, {}, as_of))
    host = _on_release(question.host, release)
    packages, guessed = rpmqa.with_epochs(host.packages, *_epochs(mirror, snapshots, catalogue))
    host = replace(host, packages=packages)
    host = replace(host, modules=report.known_modules(host, catalogue))
    pins = tracker.pins(mirror).get(release, ())
    parts: list[ScopeReport] = []
    asked_kernel = False
    for name, snapshot in snapshots.items():
        scope = scope_of(name)
        assert scope is not None  # noqa: S101  # `_snapshots` leaves others out
        part, kernel = _judge(mirror, scope, snapshot, catalogue, host, pins)
        asked_kernel = asked_kernel or kernel
        parts.append(part)
    notes = report.notes(host, guessed, asked_kernel)
    return Report(
        question.source, host, release, question.channel, as_of, tuple(parts), tuple(notes)
    )


def _release(question: Question) -> str:
    release = question.release or question.host.release
    if release is None:
        raise ConfigError(
            f"{question.source}: does not say which release it is of",
            expected=f"the package {RELEASE_PACKAGE} in it",
            way_out="name it: --release 9.2",
        )
    return release


def _on_release(host: Host, release: str) -> Host:
    """The host as the definitions' gate sees it: of the release that it is audited for."""
    if host.release == release:
        return host
    others = tuple(p for p in host.packages if p.name != RELEASE_PACKAGE)
    gate = Installed(RELEASE_PACKAGE, 0, release, f"1.el{release.partition('.')[0]}", host.arch)
    return replace(host, packages=(*others, gate))


def _snapshots(mirror: Mirror, question: Question, release: str) -> dict[str, Snapshot]:
    """By tree: what the channel shows of the release, or showed then."""
    found: dict[str, Snapshot] = {}
    trees = [t for t in mirror.config.trees.values() if advisories.scope(t)]
    of_release = [t.name for t in trees if t.name.split("/")[1] == release]
    for name in of_release:
        shown = _shown(mirror, question, name)
        if shown is not None:
            found[name] = mirror.state.snapshot(name, shown)
    if found:
        return found
    if not of_release:
        known = sorted({tree.name.split("/")[1] for tree in trees})
        raise ConfigError(
            f"no tree of the configuration is of release {release}",
            expected=", ".join(known) or "a tree such as [almalinux/9.2]",
            way_out="name another: --release",
        )
    raise RefusedError(
        f"{question.channel} showed nothing of release {release}"
        + (" then" if question.when is not None else ""),
        way_out="tuxmirror log says what was published when",
    )


def _shown(mirror: Mirror, question: Question, tree: str) -> str | None:
    if question.when is None:
        publication = mirror.publisher.published(question.channel, tree)
        return publication.snapshot if publication else None
    return journal.shown_at(mirror.journal.entries(), tree, question.channel, question.when)


def _epochs(
    mirror: Mirror, snapshots: Mapping[str, Snapshot], catalogue: Catalogue
) -> tuple[dict[tuple[str, str, str, str], int], dict[str, int]]:
    """Of all builds that the snapshots have or their advisories name; names with two have none."""
    exact: dict[tuple[str, str, str, str], int] = {}
    by_name: dict[str, set[int]] = {}
    for name, snapshot in snapshots.items():
        for repository, record in snapshot.repositories.items():
            found = contents.read(mirror, mirror.config.trees[name], repository, record)
            for p in found.packages:
                exact[p.name, p.version, p.release, p.arch] = p.epoch
                by_name.setdefault(p.name, set()).add(p.epoch)
    for advisory in catalogue.advisories:
        for fixed in advisory.packages:
            exact[fixed.name, fixed.version, fixed.release, fixed.arch] = fixed.epoch
            by_name.setdefault(fixed.name, set()).add(fixed.epoch)
    return exact, {name: min(epochs) for name, epochs in by_name.items() if len(epochs) == 1}


def _judge(
    mirror: Mirror,
    scope: Scope,
    snapshot: Snapshot,
    catalogue: Catalogue,
    host: Host,
    pins: Sequence[fips.Pin],
) -> tuple[ScopeReport, bool]:
    """The report, and whether a definition asks for the running kernel."""
    found = security(catalogue.of(scope))
    if not found:
        return ScopeReport(scope, snapshot.id, 0, (), ()), False
    path = oval.path(scope)
    definitions = oval.write(scope, found, catalogue, advisories.issuer(mirror))
    described = characteristics.describe(definitions, host, path)
    said = mirror.scanner.analyse(definitions, described.data)
    findings = results.findings(said, described.packages)
    if len(findings) != len(found):
        raise RefusedError(
            "OpenSCAP did not judge every definition",
            expected=f"{len(found)} results",
            found=str(len(findings)),
            path=path,
        )

    def answer(advisory: Advisory) -> fips.Answer | None:
        return fips.effect(advisory.packages, pins) if pins else None

    kernel = any(asks.startswith("uname") for asks in described.not_collected.values())
    return report.scope_report(scope, snapshot.id, findings, found, answer), kernel
