"""What changed in a tree since the last snapshot; speaks of changed repositories alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import repomd, summary
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import StorageError, VerificationError
from ..core.snapshot import File, Snapshot
from ..core.summary import Advisory, Changes
from .context import Mirror
from .source import Change


def since(mirror: Mirror, tree: Tree, current: Snapshot | None, change: Change) -> Changes:
    """From `current` to `change`, package by package and advisory by advisory."""
    old: list[File] = []
    old_advisories: list[Advisory] = []
    new: list[File] = []
    new_advisories: list[Advisory] = []
    for name, content in change.contents.items():
        repository = current.repositories.get(name) if current else None
        if repository:
            files = snapshots.decode_files(mirror.pool.read(repository.files))
            old += [file._replace(path=f"{name}/{file.path}") for file in files]
            old_advisories += _advisories(mirror, tree, files)
        new += [File(f"{name}/{p.location}", p.sha256, p.size) for p in content.packages]
        new_advisories += content.advisories
    return summary.compare(old, new, old_advisories, new_advisories)


def _advisories(mirror: Mirror, tree: Tree, files: Sequence[File]) -> list[Advisory]:
    """Those of an earlier snapshot; none where its metadata cannot be read any more."""
    by_path = {file.path: file for file in files}
    try:
        index = repomd.parse(mirror.pool.read(by_path["repodata/repomd.xml"].sha256))
        updateinfo = index.file("updateinfo")
        if updateinfo is None:
            return []
        reader = mirror.metadata(mirror.state.incoming(tree.name))
        return reader.advisories(mirror.pool.path(updateinfo.sha256), updateinfo.open_size)
    except (KeyError, StorageError, VerificationError):
        return []
