"""`tuxmirror diff`: what a client gains and loses between two snapshots."""

from __future__ import annotations

from ..core import difference, kinds
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.difference import Difference, Entry, ImageEntry
from ..core.snapshot import Snapshot
from ..core.summary import Advisory
from . import contents
from .context import Mirror
from .selection import find


def diff(mirror: Mirror, tree: Tree, old: str, new: str) -> dict[str, object]:
    """The document of `diff TREE OLD NEW`; both as `selection.find`."""
    before, after = find(mirror, tree, old), find(mirror, tree, new)
    found = between(mirror, tree, before, after)
    images = difference.compare_images(_images(mirror, before), _images(mirror, after))
    return {
        "tree": tree.name,
        "from": before.id,
        "to": after.id,
        **found.as_dict(),
        **images.as_dict(),
        "image_bytes_added": images.fresh_bytes,
    }


def _images(mirror: Mirror, snapshot: Snapshot) -> list[ImageEntry]:
    """What is in it beside packages and what describes them."""
    return [
        ImageEntry(name, file.path, file.sha256, file.size)
        for name, repository in sorted(snapshot.repositories.items())
        if kinds.is_whole(name)
        for file in snapshots.decode_files(mirror.pool.read(repository.files))
        if not (kinds.is_metadata(name, file.path) or file.path.endswith(".rpm"))
    ]


def between(mirror: Mirror, tree: Tree, before: Snapshot, after: Snapshot) -> Difference:
    """Reads only the repositories that differ.

    Raises:
        StorageError, VerificationError: the pool has lost what a snapshot names.
    """
    alike = {
        name
        for name in before.repositories.keys() & after.repositories.keys()
        if before.repositories[name].files == after.repositories[name].files
    }
    old, old_advisories = _read(mirror, tree, before, alike)
    new, new_advisories = _read(mirror, tree, after, alike)
    return difference.compare(old, new, old_advisories, new_advisories)


def _read(
    mirror: Mirror, tree: Tree, snapshot: Snapshot, alike: set[str]
) -> tuple[list[Entry], list[Advisory]]:
    packages: list[Entry] = []
    advisories: list[Advisory] = []
    for name, repository in sorted(snapshot.repositories.items()):
        if name not in alike:
            content = contents.read(mirror, tree, name, repository)
            packages += difference.entries(name, content.packages)
            advisories += content.advisories
    return packages, advisories
