"""File lists that were lost, told again by what is published: nobody else has them.

A list is one line a file, so what lies published below a repository, without what only expired
there, gives the same bytes. Whether it did, its digest says.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence

from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.publication import Publication
from ..core.snapshot import File, Snapshot
from .context import Mirror, place
from .inventory import FILE_LIST


def mend(mirror: Mirror, tree: Tree, kept: Sequence[Snapshot]) -> int:
    """How many lists of these snapshots are whole again. The caller holds the tree's lock.

    Raises StorageError.
    """
    lost = {
        repository.files: name
        for snapshot in kept
        for name, repository in snapshot.repositories.items()
        if mirror.pool.digest(repository.files) != repository.files
    }
    mended = 0
    for sha, data in _told(mirror, tree, lost):
        mirror.pool.set_aside(sha)
        mirror.pool.add(data)
        mended += 1
        mirror.reporter.event("repaired", tree=tree.name, repository=lost.pop(sha), path=FILE_LIST)
    if mended:
        mirror.pool.flush()
    return mended


def _told(mirror: Mirror, tree: Tree, lost: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """SHA-256 and content of those that can be had; whoever reads on takes them out of `lost`."""
    for publication in mirror.publisher.publications(tree.name) if lost else ():
        # One that is damaged itself tells nothing; another may.
        with contextlib.suppress(MirrorError):
            snapshot = mirror.state.snapshot(tree.name, publication.snapshot)
            names = [n for n, r in snapshot.repositories.items() if r.files in lost]
            files = _own(mirror, tree, publication) if names else []
            for name in names:
                sha = snapshot.repositories[name].files
                data = _list(files, place(tree, name))
                if sha in lost and hashlib.sha256(data).hexdigest() == sha:
                    yield sha, data


def _own(mirror: Mirror, tree: Tree, publication: Publication) -> list[File]:
    """Without what only expired."""
    expired = {file.path for file in publication.retained}
    return [f for f in mirror.publisher.listed(tree.name, publication) if f.path not in expired]


def _list(files: Sequence[File], start: str) -> bytes:
    return snapshots.encode_files(
        file._replace(path=file.path[len(start) :]) for file in files if file.path.startswith(start)
    )
