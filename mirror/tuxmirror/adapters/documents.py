"""Small documents by name, on the disk. What keeps them elsewhere does the same, see `s3_store`."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from .files import fsync_directory, storage_errors, write_atomically


class Documents(Protocol):
    """Whole documents, each written in one step. Names have slashes, as paths do."""

    def place(self, name: str) -> str:
        """Where a document is, for messages."""

    def read(self, name: str) -> bytes | None:
        """None where there is none. Raises StorageError."""

    def write(self, name: str, data: bytes, private: bool = False, lasting: bool = True) -> None:
        """Readers see the old bytes or the new ones.

        Args:
            private: for the owner alone.
            lasting: on the disk afterwards; else a crash may lose it.

        Raises:
            StorageError: the old ones are still there.
        """

    def remove(self, name: str) -> None:
        """Nothing, where there is none. Raises StorageError."""

    def names(self, start: str) -> list[str]:
        """Those that start with `start`, which ends with a slash; oldest first."""


class FileDocuments:
    """Documents below a folder. Beginning with a dot is what is half-written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, name: str) -> str:
        return str(self._root / name)

    def read(self, name: str) -> bytes | None:
        path = self._root / name
        with storage_errors(path):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes, private: bool = False, lasting: bool = True) -> None:
        path = self._root / name
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        if lasting:
            write_atomically(path, data, 0o600 if private else 0o644)
            return
        fresh = path.with_name(f".{path.name}")
        with storage_errors(path):
            fresh.write_bytes(data)
            fresh.rename(path)

    def remove(self, name: str) -> None:
        path = self._root / name
        with storage_errors(path):
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                fsync_directory(path.parent)

    def names(self, start: str) -> list[str]:
        folder = self._root / start
        with storage_errors(folder):
            files = [
                path
                for path in folder.rglob("*")
                if path.is_file() and not path.name.startswith(".")
            ]
            files.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [str(path.relative_to(self._root)) for path in files]
