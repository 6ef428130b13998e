"""Somewhere to write: a file system of its own for every round.

ext4 remembers for minutes which inodes were just deleted and walks over them when it makes files
(recently_deleted in fs/ext4/ialloc.c): after removing the last round's files, the next one would
measure that. So each round gets a new file system in a sparse file.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def fresh_filesystem(folder: Path) -> Iterator[Path]:
    """An empty ext4 of 8 GB, mounted while the context lasts."""
    image, mount = folder / "work.img", folder / "work"
    mount.mkdir(parents=True, exist_ok=True)
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(8 << 30)
    _run("mkfs.ext4", "-q", "-m0", "-E", "lazy_itable_init=1,nodiscard", image)
    _run("mount", "-o", "loop", image, mount)
    try:
        yield mount
    finally:
        # Lazily: a scanner of files may be looking at it.
        _run("umount", "--lazy", mount)
        image.unlink()


def _run(*argv: str | Path) -> None:
    subprocess.run(list(map(str, argv)), check=True, stdout=subprocess.DEVNULL)
