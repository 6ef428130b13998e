"""Small things every adapter does with files."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import StorageError


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


def sync_filesystem(path: Path) -> None:
    """Everything written to the file system of `path` is on the disk afterwards (syncfs(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if libc.syncfs(descriptor):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(path))
        finally:
            os.close(descriptor)
