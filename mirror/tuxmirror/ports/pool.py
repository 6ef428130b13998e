"""Where verified content lies, by its digest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Protocol


class Pool(Protocol):
    """Verified content by SHA-256; immutable."""

    def missing(self, wanted: Iterable[str]) -> set[str]:
        """Those of `wanted` that are not in the pool."""

    def path(self, sha256: str) -> Path:
        """A file to read it from: where it is or would be, or, of a pool that is elsewhere, a
        copy. Raises StorageError, DigestError where no such copy can be had."""

    def same(self, path: Path, sha256: str) -> bool:
        """Whether a file is what `path` gave, or a hard link of it."""

    def size(self, sha256: str) -> int | None:
        """In bytes, without reading it; None where it is not there."""

    def link(self, sha256: str, target: str) -> None:
        """Give it a name outside. Raises FileNotFoundError where the pool has lost it."""

    def read(self, sha256: str) -> bytes:
        """A small file, its digest checked again. Raises DigestError, StorageError."""

    def adopt(self, path: Path, sha256: str) -> None:
        """Move a file whose content was verified into the pool; nothing, if it is there.

        It may be under way until `lost` or `flush` is called, which tell of trouble then.
        """

    def lost(self) -> Collection[str]:
        """What was adopted since the last call and is not there now. Waits. Raises StorageError."""

    def add(self, data: bytes) -> str:
        """A small file from memory; its SHA-256."""

    def digest(self, sha256: str) -> str | None:
        """What its bytes have for a SHA-256 by now; None where it is lost. Reads all of it."""

    def set_aside(self, sha256: str) -> None:
        """A damaged file loses its name here; its bytes are kept for a while."""

    def contents(self) -> Iterator[tuple[str, int]]:
        """All that is there: SHA-256 and bytes."""

    def remove(self, contents: Iterable[str]) -> None:
        """Give them up. The caller knows that nothing names them."""

    def leftovers(self, before: float) -> list[Path]:
        """What was set aside, before a time in seconds since the epoch."""

    def free_bytes(self) -> int:
        """Space left."""

    def flush(self) -> None:
        """All that was added is there to stay afterwards. Raises StorageError."""
