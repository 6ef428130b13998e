"""Our own advisories of a tree, from its folder of files, and what is known of their CVEs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..core.advisory import cve_data, own
from ..core.advisory.cve import Cve, combine
from ..core.advisory.model import Advisory, scope_of
from ..core.advisory.status import StatusRecord
from ..core.config import Tree
from ..core.errors import ConfigError, MirrorError
from ..core.package import Package
from .context import Mirror


class CveData(NamedTuple):
    """What the files of `cve_data` say."""

    cves: dict[str, Cve]
    statuses: tuple[StatusRecord, ...]


def fingerprint(mirror: Mirror, tree: Tree) -> str:
    """Changes with the advisories, and with the data that may give them a severity; empty where
    the tree has no advisories of its own."""
    if tree.advisories is None:
        return ""
    own_files = mirror.advisory_files(tree.advisories).fingerprint()
    return own_files[:16] + data_fingerprint(mirror)[:16]


def data_fingerprint(mirror: Mirror) -> str:
    """Of the data of CVEs; empty where none is configured."""
    folder = mirror.config.cve_data
    return mirror.advisory_files(folder).fingerprint() if folder else ""


def read(mirror: Mirror, tree: Tree) -> own.Own:
    """Raises AdvisoryError."""
    scope = scope_of(tree.name)
    if tree.advisories is None:
        return own.Own((), ())
    if scope is None:
        raise ConfigError(
            f"[{tree.name}] advisories: its name tells no release and product",
            expected="a tree such as tuxcare/9.2/esu",
        )
    try:
        nodes = mirror.advisory_files(tree.advisories).nodes()
        return own.read(nodes, scope, int(mirror.clock()))
    except MirrorError as error:
        raise error.located(tree=tree.name) from None


def of(
    mirror: Mirror, tree: Tree, packages: Mapping[str, Iterable[Package]]
) -> dict[str, Sequence[Advisory]]:
    """By repository: the advisories with the packages that it has of them.

    Raises:
        AdvisoryError: malformed, contradictory, or about packages that are not there.
    """
    found = read(mirror, tree)
    wanted = {cve for draft in found.drafts for cve in draft.advisory.cves}
    try:
        resolved = own.resolve(found, packages, load(mirror, wanted).cves)
    except MirrorError as error:
        raise error.located(tree=tree.name) from None
    parts: dict[str, Sequence[Advisory]] = {}
    for repository in packages:
        own_parts = [a.only(p for p in a.packages if p.repository == repository) for a in resolved]
        parts[repository] = [advisory for advisory in own_parts if advisory.packages]
    return parts


def load(mirror: Mirror, wanted: Collection[str]) -> CveData:
    """What is known of these CVEs, each source's word kept.

    Raises:
        AdvisoryError: a file that is malformed or contradicts itself.
    """
    folder = mirror.config.cve_data
    if folder is None:
        return CveData({}, ())
    by_name: dict[str, list[Cve]] = {}
    statuses: list[StatusRecord] = []
    for name, data in mirror.advisory_files(folder).json():
        found = cve_data.parse(data, name, wanted)
        statuses += found.statuses
        for cve in found.cves:
            by_name.setdefault(cve.id, []).append(cve)
    prefer = mirror.config.cve_severity
    cves = {name: combine(records, prefer) for name, records in sorted(by_name.items())}
    return CveData(cves, tuple(statuses))
