"""What a web server in front may serve without asking, for a few seconds.

    <leases>/                           on a tmpfs: tokens are never written to a disk
        <slot>/                         the time in seconds, by SLOT_SECONDS
            almalinux/9.2/<token>       symlink to <public>/<channel>/almalinux/9.2
            tuxcare/9.2/<token>/esu

A file lies there as in its URL, so nginx has nothing to put together; it looks below the slot of
its own clock. So a lease ends by itself, whatever becomes of this service, and one look-up of a
path is all that it costs. It is written for the next slot too: nginx remembers an answer for some
seconds, and as long as that lasts after a slot began it would ask for every file again. Folders can
be entered and not listed: who finds something has the token already. Slots that are over are
removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Callable

from ..core import entitlement
from ..core.credentials import is_token
from ..core.errors import ConfigError, StorageError

SLOT_SECONDS = 10
# The slot in which it was asked for, and the next one.
_SLOTS = 2
LEASE_SECONDS = _SLOTS * SLOT_SECONDS
# Enter, not list.
_MODE = 0o711
_MOUNTS = Path("/proc/self/mounts")


class Leases:
    """Writes leases. Thread-safe.

    Raises:
        ConfigError: `folder` is not on a tmpfs, or others may write to it.
        StorageError: it cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        public: Path,
        clock: Callable[[], float] = time.time,
        mounts: Path = _MOUNTS,
    ) -> None:
        self._folder = folder
        self._public = public
        self._clock = clock
        self._swept = -1
        try:
            folder.mkdir(mode=_MODE, parents=True, exist_ok=True)
            status = folder.stat()
            if status.st_uid == os.geteuid():
                folder.chmod(_MODE)
        except OSError as error:
            raise StorageError(
                f"cannot use the folder of leases: {error.strerror}", path=str(folder)
            ) from None
        if status.st_uid != os.geteuid():
            raise ConfigError(f"[main] leases: {folder} belongs to another user")
        if _filesystem(folder, mounts) not in ("tmpfs", "ramfs"):
            raise ConfigError(
                f"[main] leases: {folder} is not on a tmpfs",
                expected="a folder in memory, for tokens are named in it",
                way_out="choose one below /run, or mount a tmpfs there",
            )

    def add(self, token: str, segments: tuple[str, ...], channel: str) -> None:
        """What `entitlement.whole` says of `segments`, until the next slot ends.

        A lease that cannot be written costs a question more and is no failure.
        """
        if not is_token(token):
            return
        now = self._now()
        whole = entitlement.whole(segments)
        place = entitlement.ContentPath(whole, token).within(None)
        target = self._public.joinpath(channel, *whole)
        with contextlib.suppress(OSError):
            # First, for where no room is left nothing more is written.
            self._sweep_once(now)
            # Else a made-up name takes memory, and some licences open every name.
            if target.is_dir():
                for slot in range(now, now + _SLOTS):
                    self._link(slot, place, target)

    def _now(self) -> int:
        return int(self._clock()) // SLOT_SECONDS

    def _link(self, slot: int, place: str, target: Path) -> None:
        *parents, name = place.split("/")
        parent = self._folder
        for part in (str(slot), *parents):
            parent = parent / part
            _enterable(parent)
        with contextlib.suppress(FileExistsError):
            (parent / name).symlink_to(target)

    def _sweep_once(self, now: int) -> None:
        """Once a slot. Thousands of links take a while, and a host waits for an answer."""
        if now != self._swept:
            self._swept = now
            # Where no thread is to be had, the next slot tries again.
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=self._sweep, name="leases", daemon=True).start()

    def _sweep(self) -> None:
        """The slot before stays: nginx may have begun to read in it. What lies ahead goes, too:
        the clock was set back, and would come there again."""
        with contextlib.suppress(OSError):
            # Before the clock is read, so nothing of it is newer.
            found = [path for path in self._folder.iterdir() if path.name.isdecimal()]
            now = self._now()
            for slot in found:
                if int(slot.name) not in range(now - 1, now + _SLOTS):
                    shutil.rmtree(slot, ignore_errors=True)


def _enterable(folder: Path) -> None:
    """Makes a folder that is not there, whatever the umask."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(_MODE)


def _filesystem(path: Path, mounts: Path) -> str:
    """The type of the file system that a path is on."""
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        point, name = line.split(" ")[1:3]
        point = point.replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, name
    return kind
