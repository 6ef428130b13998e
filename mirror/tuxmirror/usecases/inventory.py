"""Which files of the pool a tree needs, and what they are there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..core import journal
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.snapshot import Repository, Snapshot
from .context import Mirror

# In place of a path: what belongs to the snapshot itself.
FILE_LIST = "(file list)"
VERIFIED = "(record of what was verified)"


class Wanted(NamedTuple):
    """A content that a snapshot or publication names; `path` is below the repository."""

    sha256: str
    size: int
    repository: str
    path: str


def kept(mirror: Mirror, tree: Tree) -> tuple[list[Snapshot], list[MirrorError]]:
    """What was verified last, what channels show, all that one may go back to; and what cannot be
    told any more. What was replaced counts only where it is still shown."""
    found: dict[str, Snapshot] = {}
    problems: list[MirrorError] = []

    def add(name: str | None) -> None:
        if name and name not in found:
            found[name] = mirror.state.snapshot(tree.name, name)

    for channel in (None, *mirror.publisher.channels()):
        try:
            if channel is None:
                add(mirror.state.candidate(tree.name))
            else:
                publication = mirror.publisher.published(channel, tree.name)
                add(publication.snapshot if publication else None)
        except MirrorError as error:
            problems.append(error.located(tree=tree.name))
    gone = replaced(mirror, tree.name)
    for name in mirror.state.snapshots(tree.name):
        try:
            if name not in gone:
                add(name)
        except MirrorError as error:
            if error.message not in {problem.message for problem in problems}:
                problems.append(error.located(tree=tree.name))
    return list(found.values()), problems


def replaced(mirror: Mirror, tree: str) -> dict[str, str]:
    """Snapshots that have a successor, and its id: see `usecases.successor`.

    None where the log cannot be read: then each stands for itself.
    """
    known = mirror.state.snapshots(tree)
    try:
        found = journal.replaced(mirror.journal.entries(), tree)
    except MirrorError:
        return {}
    return {name: by for name, by in found.items() if name in known and by in known}


def wanted(mirror: Mirror, found: Iterable[Snapshot]) -> dict[str, Wanted]:
    """By SHA-256. Of a file list that is damaged only the list itself is told."""
    contents: dict[str, Wanted] = {}
    for snapshot in found:
        for name, repository in snapshot.repositories.items():
            for file in _files(mirror, name, repository):
                contents.setdefault(file.sha256, file)
    return contents


def _files(mirror: Mirror, name: str, repository: Repository) -> list[Wanted]:
    own = [
        Wanted(repository.files, 0, name, FILE_LIST),
        Wanted(repository.verified, 0, name, VERIFIED),
    ]
    try:
        files = snapshots.decode_files(mirror.pool.read(repository.files))
    except MirrorError:
        return own
    return [*own, *(Wanted(file.sha256, file.size, name, file.path) for file in files)]


def retained(mirror: Mirror, tree: Tree) -> dict[str, Wanted]:
    """What channels keep showing of earlier snapshots; the path tells the repository."""
    contents: dict[str, Wanted] = {}
    for channel in mirror.publisher.channels():
        try:
            publication = mirror.publisher.published(channel, tree.name)
        except MirrorError:
            continue
        for file in publication.retained if publication else ():
            name, path = _split(tree, file.path)
            contents.setdefault(file.sha256, Wanted(file.sha256, file.size, name, path))
    return contents


def _split(tree: Tree, path: str) -> tuple[str, str]:
    """`BaseOS/x86_64/os/Packages/a.rpm` -> `BaseOS/x86_64`, `Packages/a.rpm`."""
    for name in tree.repositories:
        place = tree.place(name)
        if path.startswith(place):
            return name, path[len(place) :]
    # Of a repository that left the configuration.
    name, _, rest = path.partition("/" if tree.flat else "/os/")
    return name, rest
