"""`tuxmirror diff`: what a client gains and loses between two snapshots."""

from __future__ import annotations

from ..core import difference
from ..core.config import Tree
from ..core.difference import Difference, Entry
from ..core.snapshot import Snapshot
from ..core.summary import Advisory
from . import contents
from .context import Mirror
from .selection import find


def diff(mirror: Mirror, tree: Tree, old: str, new: str) -> dict[str, object]:
    """The document of `diff TREE OLD NEW`; both as `selection.find`."""
    before, after = find(mirror, tree, old), find(mirror, tree, new)
    found = between(mirror, tree, before, after)
    return {"tree": tree.name, "from": before.id, "to": after.id, **found.as_dict()}


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
