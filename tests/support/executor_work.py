"""Pieces of work for executors, importable by whoever does them."""

from __future__ import annotations

import os
import signal
import time
import uuid
from pathlib import Path
from typing import NamedTuple

from tuxmirror.core.errors import DigestError


class Piece(NamedTuple):
    """`kind` is what becomes of it; `folder` keeps a file for each time that it was begun."""

    number: int
    kind: str = "good"
    folder: str = ""
    load: bytes = b""


def work(piece: Piece) -> int:
    begun = len(list(Path(piece.folder).glob(f"{piece.number}-*"))) if piece.folder else 0
    if piece.folder:
        Path(piece.folder, f"{piece.number}-{uuid.uuid4().hex}").touch()
    if piece.kind == "digest":
        raise DigestError(
            "not what it should be", expected="a" * 64, tree="almalinux/9.2", path=str(piece.number)
        )
    if piece.kind == "bug":
        raise ZeroDivisionError(f"piece {piece.number}")
    if piece.kind == "deadly" or (piece.kind == "killed once" and not begun):
        os.kill(os.getpid(), signal.SIGKILL)
    if piece.kind == "greedy":
        # Touched: a promise of memory alone costs nothing.
        held = [bytearray(b"x" * (8 << 20)) for _ in range(200)]
        time.sleep(5)
        return len(held)
    if piece.kind == "slow":
        time.sleep(0.3)
    return piece.number + len(piece.load)
