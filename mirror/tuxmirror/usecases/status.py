"""`tuxmirror status`: what is published, how old it is, what needs a person."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.config import Tree
from ..core.errors import MirrorError
from .context import Mirror


def status(mirror: Mirror, trees: Sequence[Tree]) -> list[dict[str, object]]:
    """One document a tree; times in seconds since the epoch. Reads only, and never fails as a
    whole: what cannot be read is said in its place."""
    return [_tree(mirror, tree) for tree in trees]


def _tree(mirror: Mirror, tree: Tree) -> dict[str, object]:
    run = mirror.state.last_run(tree.name)
    seen = mirror.state.upstream_time(tree.name)
    return {
        "tree": tree.name,
        "metadata_signature": "local" if tree.type == "local" else tree.metadata_signature,
        "last_sync": run.time if run else None,
        "last_error": run.error if run else None,
        "upstream_time": seen.value or None if seen else None,
        "candidate": _candidate(mirror, tree),
        "channels": {channel: _shown(mirror, channel, tree) for channel in _channels(mirror)},
        "quarantine": mirror.state.quarantined(tree.name),
    }


def _channels(mirror: Mirror) -> list[str]:
    return [channel for channel in mirror.publisher.channels() if channel != "candidate"]


def _candidate(mirror: Mirror, tree: Tree) -> dict[str, object] | None:
    try:
        candidate = mirror.state.candidate(tree.name)
    except MirrorError as error:
        return error.as_dict()
    return _snapshot(mirror, tree, candidate) if candidate else None


def _shown(mirror: Mirror, channel: str, tree: Tree) -> dict[str, object] | None:
    try:
        publication = mirror.publisher.published(channel, tree.name)
    except MirrorError as error:
        return error.as_dict()
    if publication is None:
        return None
    retained = {"retained": len(publication.retained)}
    return {**_snapshot(mirror, tree, publication.snapshot), **retained}


def _snapshot(mirror: Mirror, tree: Tree, name: str) -> dict[str, object]:
    try:
        snapshot = mirror.state.snapshot(tree.name, name)
    except MirrorError as error:
        return {"snapshot": name, **error.as_dict()}
    facts = {"created": snapshot.created, "packages": snapshot.packages, "bytes": snapshot.bytes}
    return {"snapshot": name, **facts}
