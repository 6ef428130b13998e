"""The mirror's own records that were lost, told again by what is published: nobody else has them.

A snapshot's record lies beside what it describes. What a publication kept of earlier ones is what
lies there besides. A file list is one line a file, so what lies there gives the same bytes; whether
it did, its digest says.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence

from ..core import publication as rules
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.snapshot import File
from . import inventory, manifest
from .context import Mirror, place
from .publish import files_of, showing


def mend(mirror: Mirror, tree: Tree) -> int:
    """How many records are whole again; what nothing tells stays lost, for others to say.

    The caller holds the tree's lock. Raises StorageError.
    """
    mended = 0
    for channel in mirror.publisher.channels():
        with showing(mirror, tree):
            shown = mirror.publisher.shown_snapshot(channel, tree.name)
            if shown is None:
                continue
            # What is damaged itself tells nothing; another channel may.
            for part in (_snapshot, _file_lists, _publication):
                with contextlib.suppress(MirrorError):
                    mended += part(mirror, tree, channel, shown)
    if mended:
        mirror.pool.flush()
    return mended


def _snapshot(mirror: Mirror, tree: Tree, channel: str, shown: str) -> int:
    with contextlib.suppress(MirrorError):
        mirror.state.snapshot(tree.name, shown)
        return 0
    data = mirror.publisher.read(channel, tree.name, manifest.NAME)
    snapshot = snapshots.decode(data, f"{channel}/{tree.name}/{manifest.NAME}")
    if snapshot.id != shown:
        return 0
    signature = None
    with contextlib.suppress(MirrorError):
        signature = mirror.publisher.read(channel, tree.name, manifest.SIGNATURE)
    # A damaged one would not be written over.
    mirror.state.remove_snapshot(tree.name, shown)
    mirror.state.save_snapshot(snapshot, signature)
    return _tell(mirror, tree, path=f"snapshot {shown}")


def _file_lists(mirror: Mirror, tree: Tree, channel: str, shown: str) -> int:
    snapshot = mirror.state.snapshot(tree.name, shown)
    lost = {
        name: repository.files
        for name, repository in snapshot.repositories.items()
        if mirror.pool.digest(repository.files) != repository.files
    }
    if not lost:
        return 0
    files = _own(mirror, tree, channel)
    mended = 0
    for name, sha in lost.items():
        data = _list(files, place(tree, name))
        if hashlib.sha256(data).hexdigest() == sha:
            mirror.pool.set_aside(sha)
            mirror.pool.add(data)
            mended += _tell(mirror, tree, repository=name, path=inventory.FILE_LIST)
    return mended


def _own(mirror: Mirror, tree: Tree, channel: str) -> list[File]:
    """Without what only expired."""
    publication = mirror.publisher.published(channel, tree.name)
    expired = {file.path for file in publication.retained} if publication else set()
    return [f for f in mirror.publisher.listed(channel, tree.name) if f.path not in expired]


def _list(files: Sequence[File], start: str) -> bytes:
    return snapshots.encode_files(
        file._replace(path=file.path[len(start) :]) for file in files if file.path.startswith(start)
    )


def _publication(mirror: Mirror, tree: Tree, channel: str, shown: str) -> int:
    """How long the rest was to stay is lost: the grace time begins again."""
    with contextlib.suppress(MirrorError):
        mirror.publisher.published(channel, tree.name)
        return 0
    own = files_of(mirror, tree, mirror.state.snapshot(tree.name, shown))
    until = int(mirror.clock()) + mirror.config.grace
    retained = [
        rules.Retained(*file, until)
        for file in mirror.publisher.listed(channel, tree.name)
        if file.path not in own and rules.outlives(file)
    ]
    publication = rules.Publication(shown, tuple(sorted(retained)))
    mirror.publisher.restore(channel, tree.name, publication)
    return _tell(mirror, tree, path=f"{channel}: record of what it shows")


def _tell(mirror: Mirror, tree: Tree, **where: str) -> int:
    mirror.reporter.event("repaired", tree=tree.name, **where)
    return 1
