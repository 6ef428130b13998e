"""What a channel shows, as the file server sees it; in folders (here) or in a bucket
(`http_bucket`).

    <public>/<channel> -> a generation      one relative symlink, read once per request, so no
    <public>/<channel>/almalinux/9.2/…      request sees half of a publish
    <public>/.generations/<channel>/7/…     what mirror lists lead to: several requests, one state

A path is resolved through all symlinks and must lie inside <public>.
"""

from __future__ import annotations

import errno
import os
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from werkzeug.exceptions import NotFound

from ..core.errors import StorageError

# ENXIO: a socket, or a pipe without a writer.
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)


class Opened(NamedTuple):
    """A file about to be sent. `etag` recognises its bytes, `modified` only where it is known."""

    source: Source
    size: int
    etag: str
    modified: datetime | None


class Source(Protocol):
    """Its bytes."""

    def start(self, first: int, last: int | None) -> IO[bytes]:
        """From `first` on; reading ends at `last`, or later."""

    def close(self) -> None:
        """Not sent after all."""


class Link(NamedTuple):
    """Where a bucket's object is to be had without credentials, for a while: path and query below
    the service's endpoint. `sha256` is what its bytes have."""

    target: str
    sha256: str


class Generation(Protocol):
    """One state of a channel."""

    number: str

    def open(self, segments: tuple[str, ...]) -> Opened:
        """Raises NotFound, StorageError."""

    def link(self, segments: tuple[str, ...]) -> Link | None:
        """None where there is no such file, or it is not to be had that way."""

    def has(self, segments: tuple[str, ...]) -> bool:
        """Whether there is such a file."""

    def names(self, folder: str) -> list[str]:
        """The files in a folder at the channel's root. Raises NotFound, StorageError."""


class Content(Protocol):
    """What is published."""

    def generation(self, channel: str, number: str | None) -> Generation:
        """What the channel shows now, or in a generation that a mirror list named.

        Raises NotFound, StorageError.
        """

    def check(self) -> None:
        """Raises StorageError where it cannot be read."""


class FolderContent:
    """See `Content`."""

    def __init__(self, public: Path) -> None:
        self._public = public

    def generation(self, channel: str, number: str | None) -> Generation:
        if number is None:
            return FolderGeneration(self._public, self._public / channel)
        return FolderGeneration(self._public, self._public / ".generations" / channel / number)

    def check(self) -> None:
        try:
            with os.scandir(self._public):
                pass
        except OSError as error:
            raise _unreadable(error) from None


class FolderGeneration:
    """See `Generation`."""

    def __init__(self, public: Path, folder: Path) -> None:
        self._root = os.path.realpath(public)
        self._folder = self._inside(folder)
        self.number = self._folder.name

    def open(self, segments: tuple[str, ...]) -> Opened:
        file, status = _open(self._inside(self._folder.joinpath(*segments)))
        modified = datetime.fromtimestamp(int(status.st_mtime), timezone.utc)
        # With the inode: an index of equal size may be replaced within one tick of the clock.
        etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
        return Opened(_OpenFile(file), status.st_size, etag, modified)

    def link(self, segments: tuple[str, ...]) -> Link | None:
        return None

    def has(self, segments: tuple[str, ...]) -> bool:
        try:
            return self._inside(self._folder.joinpath(*segments)).is_file()
        except NotFound:
            return False

    def names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._folder / folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_file())
        except OSError as error:
            raise _not_found_or_unreadable(error) from None

    def _inside(self, path: Path) -> Path:
        """Without symlinks; raises NotFound where it leaves <public>. It may be missing."""
        real = os.path.realpath(path)
        if not real.startswith(self._root + os.sep):
            raise NotFound
        return Path(real)


class _OpenFile:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def start(self, first: int, last: int | None) -> IO[bytes]:
        self._file.seek(first)
        return self._file

    def close(self) -> None:
        self._file.close()


def _open(path: Path) -> tuple[IO[bytes], os.stat_result]:
    # Not blocking: a named pipe must not hold a worker.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise _not_found_or_unreadable(error) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NotFound
    return os.fdopen(descriptor, "rb"), status


def _not_found_or_unreadable(error: OSError) -> NotFound | StorageError:
    return NotFound() if error.errno in _NOT_THERE else _unreadable(error)


def _unreadable(error: OSError) -> StorageError:
    return StorageError(f"published files cannot be read: {error.strerror}")
