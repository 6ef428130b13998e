"""The record of a snapshot, signed by the operator where he has a key."""

from __future__ import annotations

from ..core import snapshot as snapshots
from ..core.snapshot import Snapshot
from .context import Mirror

NAME = "SNAPSHOT.json"


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
    return {**found, f"{NAME}.asc": signature} if signature else found
