"""`tuxmirror snapshot`: which snapshots there are, and what is known of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.policy.plan import REASONS
from ..core.snapshot import Snapshot
from .context import Mirror
from .selection import find


def snapshots(mirror: Mirror, trees: Sequence[Tree]) -> list[dict[str, object]]:
    """One document a tree, its snapshots oldest first; a damaged one is said in its place."""
    return [{"tree": tree.name, "snapshots": _listed(mirror, tree)} for tree in trees]


def snapshot(mirror: Mirror, tree: Tree, text: str, packages: bool = False) -> dict[str, object]:
    """Everything that is recorded of one snapshot; `text` as `selection.find`.

    `packages`: also what a policy kept out, pulled in or kept of it, and why; None where that was
    not written down here, as of what came in a bundle.
    """
    found = find(mirror, tree, text)
    repositories = {name: asdict(fields) for name, fields in sorted(found.repositories.items())}
    marks = _marks(mirror, tree, found.id)
    return {
        "tree": tree.name,
        **_facts(found),
        **marks,
        "signed": mirror.state.signature(tree.name, found.id) is not None,
        "vetting": asdict(found.vetting) if found.vetting else None,
        "repositories": repositories,
        **({"reasons": _reasons(mirror, tree, found)} if packages else {}),
    }


def _reasons(mirror: Mirror, tree: Tree, found: Snapshot) -> object:
    if found.vetting is None:
        return dict.fromkeys(REASONS, ())
    try:
        data = mirror.vetting.reasons(tree.name, found.id)
        return json.loads(data) if data else None
    except (MirrorError, ValueError):
        return None


def _listed(mirror: Mirror, tree: Tree) -> list[dict[str, object]]:
    listed = []
    for name in mirror.state.snapshots(tree.name):
        try:
            facts = _facts(mirror.state.snapshot(tree.name, name))
        except MirrorError as error:
            facts = {"id": name, **error.as_dict()}
        listed.append({**facts, **_marks(mirror, tree, name)})
    return listed


def _facts(found: Snapshot) -> dict[str, object]:
    return {
        "id": found.id,
        "created": found.created,
        "packages": found.packages,
        "bytes": found.bytes,
        "tool": found.tool,
    }


def _marks(mirror: Mirror, tree: Tree, name: str) -> dict[str, object]:
    """Which channels show it, and whether it was verified last."""
    showing = []
    for channel in mirror.publisher.channels():
        publication = mirror.publisher.published(channel, tree.name)
        if publication is not None and publication.snapshot == name:
            showing.append(channel)
    return {"channels": showing, "last_verified": mirror.state.candidate(tree.name) == name}
