"""Small things every adapter does with files."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import StorageError

# Of what the pool has lost, or holds otherwise than it was.
REPAIR = "tuxmirror verify --repair fetches it again, or makes it again"


@contextlib.contextmanager
def storage_errors(path: str | Path) -> Iterator[None]:
    """Turn what the operating system says of a file into a StorageError that names it."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{error.strerror or error}",
            path=str(error.filename or path),
            way_out="make room or mend the permissions, then run the same command again",
        ) from error


@contextlib.contextmanager
def readable_by_all() -> Iterator[None]:
    """What is made meanwhile, the web server can read, whatever the operator's umask is."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Readers see the old bytes or the new ones, also after a crash."""
    with storage_errors(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        fsync_directory(path.parent)


def digest(path: str | Path) -> str | None:
    """The SHA-256 of a file's bytes; None where there is none."""
    sha = hashlib.sha256()
    with storage_errors(Path(path)):
        try:
            with Path(path).open("rb", buffering=0) as file:
                while chunk := file.read(1 << 20):
                    sha.update(chunk)
        except FileNotFoundError:
            return None
    return sha.hexdigest()


def fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Disk:
    """The file system of a folder, watched from now on.

    The kernel writes behind our back, and tells a failure of that to those who had the file system
    open then (syncfs(2), Linux 5.8): who opens it only to sync has missed what failed before.
    """

    def __init__(self, path: Path) -> None:
        """Raises StorageError."""
        self._path = path
        self._background: threading.Thread | None = None
        with storage_errors(path):
            self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        weakref.finalize(self, os.close, self._descriptor)

    def sync(self) -> None:
        """All that was written is there to stay afterwards.

        Raises:
            StorageError: also of what could not be written at any time since the disk is watched.
        """
        with storage_errors(self._path):
            _syncfs(self._descriptor, self._path)

    def begin(self) -> None:
        """Start to write what waits in memory, beside what goes on; of its failure `sync` tells."""
        if self._background is not None and self._background.is_alive():
            return
        self._background = threading.Thread(target=self._write_back, daemon=True)
        self._background.start()

    def _write_back(self) -> None:
        # Through a descriptor of its own: it must not take the news from the one that counts.
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                _syncfs(descriptor, self._path)
            finally:
                os.close(descriptor)


def sync_filesystem(path: Path) -> None:
    """Everything written to the file system of `path` is on the disk afterwards (syncfs(2))."""
    Disk(path).sync()


def _syncfs(descriptor: int, path: Path) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
