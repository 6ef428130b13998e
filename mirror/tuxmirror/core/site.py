"""Files of a channel that belong to no tree: OVAL, feeds, pages, packages under a fixed name.

Each *owner* (the advisories of a tree, the tracker, …) has one part of it, replaced as a whole. A
part is immutable and named by what it was made from and what it contains:

    <inputs>-<digest of the file list>

so that a look at the name tells whether it has to be made again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from .errors import MetadataError, RefusedError, VerificationError
from .names import check_location, check_unique
from .snapshot import File, encode_files

_OWNER = re.compile(r"[a-z][a-z0-9-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_LENGTH = 16


class SitePart(NamedTuple):
    """What one owner shows in a channel; without files it shows nothing any more.

    `files` have paths below the channel (`tuxcare/9.2/almalinux9.2-esu-oval.xml`), `inputs` is a
    digest of what they were made from, see `digest`.
    """

    owner: str
    inputs: str
    files: tuple[File, ...]

    @property
    def name(self) -> str:
        return f"{self.inputs}-{hashlib.sha256(encode_files(self.files)).hexdigest()[:_LENGTH]}"


class Link(NamedTuple):
    """A symlink of the channel: `path` shows the same path inside the owner's part."""

    path: str
    owner: str


def digest(*inputs: object) -> str:
    """A short name for what a part is made from; the arguments are plain values."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:_LENGTH]


def inputs_of(name: str) -> str:
    """Of a part's name."""
    return name.partition("-")[0]


def part(owner: str, inputs: str, files: Iterable[File]) -> SitePart:
    """Checked.

    Raises:
        RefusedError: a path that cannot be published, or one twice.
    """
    if not _OWNER.fullmatch(owner):
        raise ValueError(f"no name for an owner: {owner!r}")
    made = SitePart(owner, inputs, tuple(sorted(files)))
    try:
        check_unique(check_location(file.path) for file in made.files)
    except MetadataError as error:
        raise RefusedError(error.message, found=error.found, path=owner) from None
    return made


def links(parts: Collection[SitePart], trees: Collection[str]) -> list[Link]:
    """The fewest symlinks that show all parts beside the trees, sorted.

    A folder that has files of one owner alone is one link.

    Raises:
        RefusedError: two owners want the same path, or one a path inside a tree.
    """
    below: dict[str, set[str]] = {}
    files: dict[str, str] = {}
    for one in parts:
        for file in one.files:
            if file.path in files:
                raise _clash(file.path, one.owner, files[file.path])
            files[file.path] = one.owner
        for parent in {file.path.rpartition("/")[0] for file in one.files}:
            for folder in _down_to(parent):
                below.setdefault(folder, set()).add(one.owner)
    for tree in trees:
        for folder in (*_folders(tree), tree):
            below.setdefault(folder, set()).add("")
    found = set()
    places: dict[tuple[str, str], str | None] = {}
    for path, owner in files.items():
        if path in below:
            raise _clash(path, owner, "a folder")
        parent = path.rpartition("/")[0]
        if (parent, owner) not in places:
            places[parent, owner] = _place(path, owner, below, trees)
        found.add(Link(places[parent, owner] or path, owner))
    return sorted(found)


def _place(
    path: str, owner: str, below: Mapping[str, set[str]], trees: Collection[str]
) -> str | None:
    """The outermost folder above a file that has files of its owner alone: the same for all
    files of a folder."""
    for tree in trees:
        if path.startswith(f"{tree}/"):
            raise _clash(path, owner, f"the tree {tree}")
    return next((f for f in _folders(path) if below[f] == {owner}), None)


def _folders(path: str) -> tuple[str, ...]:
    """Those above it, the outermost first."""
    return _down_to(path.rpartition("/")[0])


@lru_cache(maxsize=4096)
def _down_to(folder: str) -> tuple[str, ...]:
    """The folders on the way to one and itself; files are many, their folders few."""
    segments = folder.split("/") if folder else []
    return tuple("/".join(segments[:n]) for n in range(1, len(segments) + 1))


def _clash(path: str, owner: str, other: str) -> RefusedError:
    return RefusedError(
        "two things would be published under one path",
        expected=f"{path} of {owner} alone",
        found=f"{other} is there",
        path=path,
        way_out="rename the tree",
    )


def after(shown: Mapping[str, SitePart], changed: Iterable[SitePart]) -> dict[str, SitePart]:
    """What a channel shows once the changed parts took the place of the shown ones."""
    parts = {**shown, **{one.owner: one for one in changed}}
    return {owner: one for owner, one in parts.items() if one.files}


def encode(one: SitePart) -> bytes:
    """First line: owner and inputs; then the files."""
    head = json.dumps({"owner": one.owner, "inputs": one.inputs})
    return head.encode() + b"\n" + encode_files(one.files)


def decode(data: bytes, path: str) -> SitePart:
    """The reverse of `encode`; `path` names the record in errors.

    Raises:
        VerificationError: damaged.
    """
    try:
        head, *lines = data.decode().splitlines()
        fields = json.loads(head)
        files = []
        for line in lines:
            sha256, size, name = line.split(" ", 2)
            files.append(File(check_location(name), sha256, int(size)))
        return SitePart(fields["owner"], fields["inputs"], tuple(files))
    except (ValueError, TypeError, KeyError, MetadataError) as error:
        raise VerificationError("damaged record", found=repr(error), path=path) from None
