"""Kills a sync, or fails its system calls, at every point where it changes something on the disk.

    found = points(site)
    kill_at(site, found[17])            # strace: SIGKILL in place of the call
    fail_at(site, found[17], "ENOSPC")

Only the main thread is traced: all that changes store and public happens there, workers only read.
strace counts calls by name, so a point is a name and an ordinal; runs are close enough to each
other (one connection, a fixed clock) for an ordinal to hit the same call, or one beside it.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from .mirror import MirrorSite, Run, run, sha256

CHANGING = (
    "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat",
    "unlink", "unlinkat", "rmdir", "chmod", "fchmod", "fchmodat", "ftruncate", "truncate", "write",
    "writev", "pwrite64", "fsync", "fdatasync", "syncfs", "openat",
)  # fmt: skip
# What a full or dying disk makes fail. A failing unlink is no full disk's doing.
FALLIBLE = {
    "ENOSPC": (
        "write",
        "writev",
        "pwrite64",
        "link",
        "linkat",
        "symlink",
        "mkdir",
        "rename",
        "openat",
    ),
    "EIO": ("write", "writev", "pwrite64", "fsync", "syncfs", "rename", "link", "linkat"),
}


class Point(NamedTuple):
    """The `ordinal`-th call of that name; `line` is how strace showed it."""

    call: str
    ordinal: int
    line: str

    def __str__(self) -> str:
        return f"{self.call} {self.ordinal}: {self.line}"


def points(site: MirrorSite) -> list[Point]:
    """The points of one sync of this site, which is carried out."""
    with tempfile.NamedTemporaryFile("r") as log:
        done = _strace(site, ["-y", "-o", log.name, "-e", f"trace={','.join(CHANGING)}"])
        assert done.status == 0, done
        lines = log.read().splitlines()
    found = []
    counts: Counter[str] = Counter()
    for line in lines:
        match = re.match(r"(\w+)\(", line)
        if match is None:
            continue
        counts[match[1]] += 1
        if _changes(line, match[1], site.root):
            shown = line.replace(str(site.root), "")[:160]
            found.append(Point(match[1], counts[match[1]], shown))
    return found


def kill_at(site: MirrorSite, point: Point) -> Run:
    """A sync that is killed just before the call takes effect."""
    return _inject(site, f"{point.call}:signal=KILL:when={point.ordinal}")


def fail_at(site: MirrorSite, point: Point, error: str) -> Run:
    """A sync whose call fails with an errno, such as "ENOSPC"."""
    return _inject(site, f"{point.call}:error={error}:when={point.ordinal}")


def killed(site: MirrorSite, call: str, ordinal: int, *arguments: str) -> Run:
    """A command that is killed in place of its `ordinal`-th such call, if it comes to that."""
    return _inject(site, f"{call}:signal=KILL:when={ordinal}", *arguments)


def failed(site: MirrorSite, call: str, ordinal: int, error: str, *arguments: str) -> Run:
    """The same, whose call fails with an errno."""
    return _inject(site, f"{call}:error={error}:when={ordinal}", *arguments)


def damaged(site: MirrorSite) -> list[str]:
    """Files of the pool whose content is not what their name says."""
    files = (path for path in (site.store / "pool").glob("??/*") if path.is_file())
    return [path.name for path in files if sha256(path) != path.name]


def _changes(line: str, call: str, root: Path) -> bool:
    if str(root) not in line or " = -1 " in line:
        return False
    return call != "openat" or "O_CREAT" in line


def _inject(site: MirrorSite, injection: str, *arguments: str) -> Run:
    call = injection.partition(":")[0]
    options = ["-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={injection}"]
    return _strace(site, options, *arguments)


def _strace(site: MirrorSite, options: list[str], *arguments: str) -> Run:
    site.write_conf()
    command = ["strace", "-qq", *options, *site.command(*(arguments or ("sync", "--json")))]
    return run(command, {**site.environment, "PYTHONDONTWRITEBYTECODE": "1"})


def leftovers(site: MirrorSite) -> list[str]:
    """What a sync that went well should not have left below the store."""
    names = ("store/scratch/**/*", "store/incoming/**/*", "public/**/.new-*")
    return [str(p) for name in names for p in site.root.glob(name) if not _kept(p)]


def _kept(path: Path) -> bool:
    # Folders of a tree stay.
    return path.is_dir() and not path.name.startswith((".", "tuxmirror-"))
