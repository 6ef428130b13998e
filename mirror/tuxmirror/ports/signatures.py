"""Who signed what: keyrings, the operator's own signature, packages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from ..core.errors import MirrorError
from ..core.package import Package


class SignedText(NamedTuple):
    """What was signed, by which primary key, and when in seconds since the epoch."""

    text: str
    fingerprint: str
    signed: int


class Keyring(Protocol):
    """The keys of one tree, and signatures on metadata."""

    fingerprints: frozenset[str]

    def verify_detached(self, data: bytes, signature: bytes) -> str:
        """The fingerprint of the primary key that signed `data`.

        Raises:
            SignatureError: anything but one good signature of an allowed, valid key over
                SHA-256 or better.
        """

    def verify_clear(self, data: bytes) -> SignedText:
        """What a text says that carries its signature in itself ("clearsigned").

        Raises:
            SignatureError: as `verify_detached`, or there is anything beside what was signed.
        """


class Signer(Protocol):
    """The operator's key, `signing_key` of the configuration."""

    fingerprint: str

    def public_key(self) -> bytes:
        """Its public half, ASCII-armoured: what clients are to trust. Raises ConfigError."""

    def sign(self, documents: Sequence[bytes]) -> list[bytes]:
        """An ASCII-armoured detached signature over each, SHA-256, verified before it is given.

        Several at once cost little more than one.

        Raises:
            ConfigError: no such key, no secret half, expired, revoked, or not to be unlocked.
            SignatureError: no signature was made, or not one that holds.
            StorageError.
        """


class Verified(NamedTuple):
    """A package that passed (`error` is None) or did not."""

    package: Package
    path: Path
    error: MirrorError | None


class PackageVerifier(AbstractContextManager["PackageVerifier"], Protocol):
    """Checks packages beside the transfer, against the keys of one tree alone."""

    def submit(self, package: Package, path: Path) -> None:
        """Queue a package whose bytes are already those of the metadata."""

    def results(self) -> Iterator[Verified]:
        """What is decided by now; does not wait."""

    def finish(self) -> Iterator[Verified]:
        """All that is left; waits."""
