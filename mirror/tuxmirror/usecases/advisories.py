"""The advisories of what a channel is about to show: the model that all formats are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..core.advisory import parity
from ..core.advisory.catalogue import Catalogue
from ..core.advisory.formats import tables
from ..core.advisory.formats.context import Issuer
from ..core.advisory.merge import Conflict, merge
from ..core.advisory.model import Advisory, Scope, scope_of
from ..core.advisory.status import StatusRecord
from ..core.config import Tree
from ..core.errors import MirrorError, RefusedError
from ..core.snapshot import Snapshot
from . import contents, errata, own_advisories, publications
from .context import Mirror
from .site import Showing

PREFIX = "advisories"
# The packages of the release package's own repository fix nothing.
_WITHOUT = ("base",)


class Material(NamedTuple):
    """Of one tree's snapshot. `lost` are packages that their repository does not have, by
    advisory; `advisories` speak of the others alone."""

    advisories: tuple[Advisory, ...]
    conflicts: tuple[Conflict, ...]
    lost: dict[str, list[str]]


def owner(tree: str) -> str:
    """Of the tree's part of a channel's site."""
    return f"{PREFIX}/{tree}"


def scope(tree: Tree) -> Scope | None:
    """None where the tree's advisories are not published in other formats."""
    found = scope_of(tree.name) if tree.feeds else None
    return None if found is None or found.product in _WITHOUT else found


def is_ours(tree: Tree) -> bool:
    """Whether we wrote its advisories: what contradicts itself in them is refused, in upstream's it
    is told and left out."""
    return tree.type == "local"


def issuer(mirror: Mirror) -> Issuer:
    """Whom other formats name as their publisher."""
    config = mirror.config
    return Issuer(config.publisher, config.site_url, config.contact)


def material(mirror: Mirror, tree: Tree, snapshot: Snapshot) -> Material:
    """Raises MirrorError where the metadata is damaged; RefusedError where advisories of ours
    contradict each other, or those of a tree of ours or a filtered one name packages that are not
    there."""
    found = mirror.memory.materials.get(snapshot.id, lambda: _merged(mirror, tree, snapshot))
    if found.lost and (is_ours(tree) or snapshot.vetting is not None):
        raise parity.not_closed(tree.name, found.lost)
    if found.conflicts and is_ours(tree):
        raise _contradiction(tree, found.conflicts)
    return found


def _merged(mirror: Mirror, tree: Tree, snapshot: Snapshot) -> Material:
    advisories, conflicts = merge(errata.records(mirror, tree, snapshot))
    if not advisories:
        return Material((), (), {})
    available = {
        name: {f"{p.name}-{p.epoch}:{p.version}-{p.release}.{p.arch}" for p in content.packages}
        for name, repository in snapshot.repositories.items()
        for content in [contents.read(mirror, tree, name, repository)]
    }
    lost = parity.missing(advisories, available)
    return Material(tuple(parity.without(advisories, lost)), tuple(conflicts), lost)


def _contradiction(tree: Tree, conflicts: Iterable[Conflict]) -> MirrorError:
    first = next(iter(conflicts))
    return RefusedError(
        f"records of {first.id} contradict each other: {first.reason}",
        tree=tree.name,
        found=" and ".join(first.origins),
    )


def catalogue(mirror: Mirror, showing: Showing) -> Catalogue:
    """Everything known of what a channel is about to show, with the times at which its customers
    could first see it: now, for what it did not show before."""
    advisories: list[Advisory] = []
    conflicts: list[Conflict] = []
    statuses: list[StatusRecord] = []
    first: dict[tuple[Scope, str], int] = {}
    for name, snapshot in sorted(showing.snapshots.items()):
        tree = showing.tree(mirror, name)
        if scope(tree) is None:
            continue
        found = material(mirror, tree, snapshot)
        advisories += found.advisories
        conflicts += found.conflicts
        statuses += own_advisories.read(mirror, tree).statuses
        first.update(_first_published(mirror, showing, tree, found.advisories))
    wanted = {cve for a in advisories for cve in a.cves} | {record.cve for record in statuses}
    data = own_advisories.load(mirror, wanted)
    return Catalogue(
        tuple(advisories),
        data.cves,
        (*statuses, *data.statuses),
        first,
        tuple(conflicts),
        showing.channel,
    )


def _first_published(
    mirror: Mirror, showing: Showing, tree: Tree, advisories: Iterable[Advisory]
) -> dict[tuple[Scope, str], int]:
    """What the ledger says, or the channel's own list; now, for what is in neither."""
    listed: dict[str, int] = {}
    shown = showing.parts.get(owner(tree.name))
    for file in shown.files if shown else ():
        if file.path.startswith(f"{PREFIX}/") and file.path.endswith(".json"):
            listed = tables.published_in(mirror.pool.read(file.sha256))
    with_ledger = showing.channel != publications.CANDIDATE
    written = publications.known(mirror, showing.channel).first if with_ledger else {}
    return {
        (a.scope, a.id): written.get((a.scope, a.id), listed.get(a.id, showing.time))
        for a in advisories
    }
