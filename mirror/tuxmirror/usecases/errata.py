"""The advisories of snapshots, whole: read from the metadata that was verified with them."""

from __future__ import annotations

from ..core import kinds
from ..core.advisory.catalogue import Catalogue
from ..core.advisory.merge import merge
from ..core.advisory.model import Advisory, scope_of
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.snapshot import Snapshot
from .contents import index_of
from .context import Mirror


def records(mirror: Mirror, tree: Tree, snapshot: Snapshot) -> list[Advisory]:
    """Of every repository as they stand there, not merged; none of a tree without a scope.

    Raises:
        MetadataError: an updateinfo that is damaged.
        StorageError, DigestError: the pool has lost it.
    """
    scope = scope_of(tree.name)
    if scope is None:
        return []
    found: list[Advisory] = []
    reader = mirror.metadata(mirror.state.incoming(tree.name))
    for name, repository in sorted(snapshot.repositories.items()):
        if kinds.is_whole(name):
            # What an installation tree says is the state of the release's first day.
            continue
        try:
            index = index_of(mirror, repository).file("updateinfo")
            if index is not None:
                path = mirror.pool.path(index.sha256)
                found += reader.errata(path, index.open_size, scope, name)
        except MirrorError as error:
            raise error.located(tree=tree.name, repository=name) from None
    return found


def catalogue(mirror: Mirror, channel: str) -> Catalogue:
    """What customers of a channel are shown now: the advisories of all its trees, merged."""
    found: list[Advisory] = []
    for tree in mirror.config.trees.values():
        publication = mirror.publisher.published(channel, tree.name)
        if publication is not None:
            snapshot = mirror.state.snapshot(tree.name, publication.snapshot)
            found += records(mirror, tree, snapshot)
    advisories, conflicts = merge(found)
    return Catalogue(tuple(advisories), conflicts=tuple(conflicts), channel=channel)
