"""What a publication contains: a snapshot's files plus what expired within the grace time.

A client that read the metadata just before a publish still finds what it names. Only what has
an unmistakable name is kept: packages and metadata whose name carries its hash, never a second
repomd.xml.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .errors import RefusedError, VerificationError
from .snapshot import File

_HASHED = re.compile(r"(.*/)?repodata/([0-9a-f]{64})-[^/]+")


class Retained(NamedTuple):
    """A file that left the snapshot and stays until `until` (seconds since the epoch)."""

    path: str
    sha256: str
    size: int
    until: int


class Publication(NamedTuple):
    """`retained` is sorted by path; `name` says the same content by the same name."""

    snapshot: str
    retained: tuple[Retained, ...]

    @property
    def name(self) -> str:
        if not self.retained:
            return self.snapshot
        digest = hashlib.sha256(repr(self.retained).encode()).hexdigest()[:8]
        return f"{self.snapshot}-{digest}"

    @property
    def next_expiry(self) -> int | None:
        return min((file.until for file in self.retained), default=None)


def snapshot_of(name: str) -> str:
    """The snapshot's id, of a publication's name."""
    return name.partition("-")[0]


def outlives(file: File) -> bool:
    """Whether a file may stay beside its successors: its name can never mean other bytes."""
    if file.path.endswith(".rpm"):
        return True
    match = _HASHED.fullmatch(file.path)
    return bool(match and match[2] == file.sha256)


def plan(
    snapshot: str,
    files: Mapping[str, File],
    previous_files: Iterable[File],
    previous: Publication | None,
    now: int,
    grace: int,
    replace: bool = False,
) -> Publication:
    """The publication of a snapshot that follows `previous`.

    Args:
        snapshot: the id of the new snapshot.
        files: its files by path, below the tree.
        previous_files: the files of the snapshot published until now.
        previous: that publication.
        now: seconds since the epoch.
        grace: seconds that what left the snapshot stays.
        replace: let a path get other bytes; the old ones are dropped.

    Raises:
        RefusedError: a path would get other bytes than clients may have in their metadata.
    """
    leaving = [Retained(*file, now + grace) for file in previous_files if outlives(file)]
    staying = [file for file in previous.retained if file.until > now] if previous else []
    retained = {}
    for old in (*staying, *leaving):
        new = files.get(old.path)
        if new is None:
            if grace:
                retained[old.path] = old
        elif new.sha256 != old.sha256 and not replace:
            raise RefusedError(
                "the same name would get other bytes",
                expected=f"sha256 {old.sha256}, as published",
                found=f"sha256 {new.sha256}",
                path=old.path,
                way_out="if upstream rebuilt it on purpose, say --allow-mass-change",
            )
    return Publication(snapshot, tuple(sorted(retained.values())))


def encode(publication: Publication) -> bytes:
    """First line: snapshot and next expiry, so that a look at it stays cheap; then the files."""
    head = {"snapshot": publication.snapshot, "next_expiry": publication.next_expiry}
    lines = [json.dumps(head), *(json.dumps(file) for file in publication.retained)]
    return ("\n".join(lines) + "\n").encode()


def decode(data: bytes, path: str) -> Publication:
    """The reverse of `encode`.

    Raises:
        VerificationError: damaged.
    """
    try:
        head, *rest = [json.loads(line) for line in data.splitlines()]
        return Publication(head["snapshot"], tuple(Retained(*file) for file in rest))
    except (ValueError, TypeError, KeyError) as error:
        raise VerificationError(
            "damaged record",
            found=repr(error),
            path=path,
            way_out="tuxmirror verify --repair writes it again",
        ) from None
