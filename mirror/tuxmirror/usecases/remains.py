"""What ends a damage that `verify --repair` could not mend: it depends on who made the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core import kinds
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.snapshot import Repository, Snapshot
from . import successor
from .context import Mirror
from .upstream import SIGNATURE


def explain(
    mirror: Mirror, tree: Tree, kept: Iterable[Snapshot], damaged: Mapping[str, MirrorError]
) -> None:
    """Each error of `damaged`, by SHA-256, gets the way out that leads out."""
    named: dict[str, list[str]] = {}
    for error in damaged.values():
        error.way_out = (
            "nobody who was asked has it any more: --from URL asks another root; else restore a"
            " backup, or publish another snapshot and prune this one"
        )
    for snapshot in kept:
        for name, repository in snapshot.repositories.items():
            if repository.files in damaged:
                damaged[repository.files].way_out = (
                    "nothing that is published tells it any more: restore a backup, or tuxmirror"
                    f" prune --snapshot {snapshot.id}"
                )
            for sha, path in _paths(mirror, repository).items():
                if sha in damaged:
                    named.setdefault(sha, []).append(snapshot.id)
                    way_out = _way_out(mirror, tree, name, repository, path, named[sha])
                    if way_out:
                        damaged[sha].way_out = way_out


def _paths(mirror: Mirror, repository: Repository) -> dict[str, str]:
    try:
        files = snapshots.decode_files(mirror.pool.read(repository.files))
    except MirrorError:
        return {}
    return {file.sha256: file.path for file in files}


def _way_out(
    mirror: Mirror, tree: Tree, name: str, repository: Repository, path: str, where: list[str]
) -> str | None:
    """Of what the mirror or another operator made; None where upstream is who had it."""
    if successor.came_by_bundle(mirror, tree):
        return (
            "tuxmirror import the bundle that brought it once more, or any later one; then"
            f" tuxmirror verify --repair {tree.name}"
        )
    if path == SIGNATURE and successor.signs(mirror, tree, repository):
        return (
            "only the operator's key can sign it again: name it (signing_key in [main]), then"
            f" tuxmirror verify --repair {tree.name}"
        )
    if tree.type == "local":
        return f"put {tree.source} back as it was, then tuxmirror verify --repair {tree.name}"
    # Not `sync`: the policy reads what is shown before it chooses.
    if repository.origin is not None and kinds.is_metadata(name, path):
        return (
            "what it was cut from is lost as well: --from URL asks another root for that; else"
            f" restore a backup, or publish another snapshot (tuxmirror rollback {tree.name}) and"
            f" sync, then tuxmirror prune --snapshot {where[0]}"
        )
    return None
