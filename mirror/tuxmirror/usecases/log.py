"""`tuxmirror log`: who made channels show what."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .context import Mirror


def log(mirror: Mirror, trees: Collection[str]) -> dict[str, Any]:
    """The entries, oldest first, of some trees or (empty) of all; `head` seals all of them.

    Raises:
        VerificationError: the log was altered.
    """
    entries = mirror.journal.entries()
    wanted = [entry for entry in entries if not trees or entry.get("tree") in trees]
    return {
        "entries": wanted,
        "total": len(entries),
        "head": entries[-1]["sha256"] if entries else None,
    }
