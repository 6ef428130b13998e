"""The record of a snapshot, signed by the operator where he has a key."""

from __future__ import annotations

from ..core import snapshot as snapshots
from ..core.errors import SignatureError
from ..core.snapshot import Snapshot
from ..ports import Keyring
from .context import Mirror

NAME = "SNAPSHOT.json"
SIGNATURE = f"{NAME}.asc"


def save(mirror: Mirror, snapshot: Snapshot) -> None:
    """Nothing is saved that was to be signed and could not be.

    Raises:
        ConfigError, SignatureError: see `ports.Signer`.
    """
    signature = None
    if mirror.signer is not None:
        [signature] = mirror.signer().sign([snapshots.encode(snapshot)])
    mirror.state.save_snapshot(snapshot, signature)


def files(mirror: Mirror, snapshot: Snapshot) -> dict[str, bytes]:
    """SNAPSHOT.json and, where it was signed, its signature; by name."""
    found = {NAME: snapshots.encode(snapshot)}
    signature = mirror.state.signature(snapshot.tree, snapshot.id)
    return {**found, SIGNATURE: signature} if signature else found


def check(mirror: Mirror, snapshot: Snapshot, operators: Keyring) -> None:
    """Nothing to say of a record that nobody signed.

    Raises:
        SignatureError: its signature is none of `operators` over it.
        StorageError.
    """
    signature = mirror.state.signature(snapshot.tree, snapshot.id)
    if signature is None:
        return
    try:
        operators.verify_detached(snapshots.encode(snapshot), signature)
    except SignatureError as error:
        error.message = f"the signature of snapshot {snapshot.id} itself: {error.message}"
        error.way_out = (
            "only the operator's key can sign it again: with signing_key in [main],"
            f" tuxmirror verify --repair {snapshot.tree}"
        )
        error.path = SIGNATURE
        raise error.located(tree=snapshot.tree) from None


def sign_again(mirror: Mirror, snapshot: Snapshot) -> bool:
    """False where there is no key to do it.

    Raises:
        ConfigError, SignatureError: see `ports.Signer`.
        StorageError: the old one is still there.
    """
    if mirror.signer is None:
        return False
    [signature] = mirror.signer().sign([snapshots.encode(snapshot)])
    mirror.state.set_signature(snapshot.tree, snapshot.id, signature)
    return True
