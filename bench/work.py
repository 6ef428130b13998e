"""Somewhere to write: a file system of its own for every round.

ext4 remembers for minutes which inodes were just deleted and walks over them when it makes files
(recently_deleted in fs/ext4/ialloc.c): after removing the last round's files, the next one would
measure that. So each round gets a new file system in a sparse file, which is written directly: a
second copy in the page cache would be charged to whoever syncs to the disk.
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
    device = _run("losetup", "--direct-io=on", "--find", "--show", image).strip()
    try:
        _run("mount", device, mount)
        yield mount
    finally:
        # Lazily: a scanner of files may be looking at it. The device goes with the last user.
        subprocess.run(["umount", "--lazy", str(mount)], check=False)
        _run("losetup", "--detach", device)
        image.unlink()


def _run(*argv: str | Path) -> str:
    command = list(map(str, argv))
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
