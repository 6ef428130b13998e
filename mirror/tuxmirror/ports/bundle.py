"""Where a bundle is written to and read from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ..core.bundle import Item


class BundleHead(NamedTuple):
    """A bundle's manifest and the signature over it; None where it has none."""

    manifest: bytes
    signature: bytes | None


class BundlePlace(Protocol):
    """Where a bundle is, or will be: a directory, or a file; nothing of it is trusted."""

    def head(self) -> BundleHead:
        """Raises VerificationError where there is no bundle."""

    def unfinished(self) -> BundleHead | None:
        """Of a bundle that was not written to its end, if `write` can go on with that alone."""

    def free_bytes(self) -> int:
        """Space left for one."""

    def write(
        self,
        head: BundleHead,
        items: Sequence[Item],
        source: Callable[[str], Path],
        progress: Callable[[int], None],
    ) -> None:
        """Make it; it is there when all of it is. `source` says where a content lies by SHA-256,
        `progress` gets the bytes of each. What a killed run wrote is used again.

        Raises:
            ConfigError: something else is there.
            DigestError: a content is not the one of that name.
            StorageError.
        """

    def read(
        self, items: Sequence[Item], wanted: Collection[str], folder: Path
    ) -> Iterator[tuple[Item, Path]]:
        """Those of `items`, all of the manifest's in its order, that are wanted, copied to
        `folder` under their SHA-256.

        Raises:
            VerificationError: missing, or not what the manifest says.
            StorageError.
        """
