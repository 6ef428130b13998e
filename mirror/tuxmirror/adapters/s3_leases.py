"""Locks that several machines see, in a bucket.

s3://<store>/state/locks/<name>     {"holder": …, "process": …, "free": false}

An object is made or replaced under a condition (If-None-Match, If-Match), so one of several wins.
Its holder writes it again from time to time; what was not written for a minute is a dead holder's.
Whose clock counts? The service's alone: a machine's own may be wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..core.errors import LockedError, MirrorError
from .s3 import Bucket, Changed, Stored
from .state import FileLocks

LEASE = 60.0
_RENEWALS = 4
_PAUSE = 0.5


class Lease:
    """One lock, held; renewed by a thread until it is closed."""

    def __init__(self, bucket: Bucket, name: str, etag: str, seconds: float) -> None:
        self._bucket, self._name, self._etag = bucket, name, etag
        self._seconds = seconds
        self._end = threading.Event()
        self._renewed = time.monotonic()
        self._taken = False
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._end.wait(self._seconds / _RENEWALS):
            try:
                self._etag = self._bucket.put(self._name, _document(), self._etag)
                self._renewed = time.monotonic()
            except Changed:
                self._taken = True
                return
            except MirrorError:
                # The store is away: it may come back before the lease is over.
                continue

    @property
    def held(self) -> bool:
        """Whether nobody else can have it by now."""
        return not self._taken and time.monotonic() - self._renewed < self._seconds

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        # Who cannot give it back lets it run out.
        with contextlib.suppress(Changed, MirrorError):
            self._bucket.put(self._name, _document(free=True), self._etag)


class _Holder(NamedTuple):
    holder: str
    process: str
    free: bool


class BucketLocks:
    """Locks for processes of several machines; those of one are kept apart by files besides.

    Args:
        bucket: the store.
        local: locks of this machine.
        seconds: after which a holder that does not renew counts as dead.
    """

    def __init__(self, bucket: Bucket, local: FileLocks, seconds: float = LEASE) -> None:
        self._bucket, self._local, self._seconds = bucket, local, seconds
        self._leases: dict[str, Lease] = {}

    @contextlib.contextmanager
    def lock(self, name: str, wait: float = 0.0) -> Iterator[None]:
        """See `ports.State`."""
        with self._local.lock(name, wait):
            lease = self._acquire(name, wait)
            self._leases[name] = lease
            try:
                yield
            finally:
                del self._leases[name]
                lease.close()

    def check(self, name: str) -> None:
        """Raises LockedError where a lock that is held here went to somebody else."""
        lease = self._leases.get(name)
        if lease is not None and not lease.held:
            raise LockedError(
                f"this run was too long without word from the store: {name} is another's by now",
                way_out="nothing was published by this run; run the same command again",
            )

    def _acquire(self, name: str, wait: float) -> Lease:
        place = _place(name)
        deadline = time.monotonic() + wait
        while True:
            stored = self._bucket.get(place)
            try:
                if stored is None:
                    etag = self._bucket.put(place, _document(), new=True)
                    return Lease(self._bucket, place, etag, self._seconds)
                if self._is_free(stored):
                    etag = self._bucket.put(place, _document(), stored.etag)
                    return Lease(self._bucket, place, etag, self._seconds)
            except Changed:
                continue
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"another run is at work on {name}",
                    found=_read(stored).holder,
                    way_out="wait until it is done; a dead one's lock is free after"
                    f" {self._seconds:.0f} s",
                )
            time.sleep(_PAUSE)

    def _is_free(self, stored: Stored) -> bool:
        holder = _read(stored)
        return (
            holder.free or stored.now - stored.modified > self._seconds or _is_dead(holder.process)
        )


def _place(name: str) -> str:
    return f"state/locks/{name.replace('/', '%')}"


def _document(free: bool = False) -> bytes:
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    # Never twice the same bytes: an ETag is their digest.
    fields = {"holder": holder, "process": _process(os.getpid()), "free": free}
    return json.dumps({**fields, "once": secrets.token_hex(8)}).encode()


def _read(stored: Stored) -> _Holder:
    try:
        fields = json.loads(stored.data)
        return _Holder(str(fields["holder"]), str(fields["process"]), bool(fields["free"]))
    except (ValueError, TypeError, KeyError):
        return _Holder("somebody who writes no lock as we do", "", False)


def _process(number: int) -> str:
    """Names a process among those of all machines, as far as it can be told."""
    with contextlib.suppress(OSError, IndexError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116
        # Field 22 of proc(5): when it was started; the name before it may hold spaces.
        started = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{boot} {namespace} {number} {started}"
    return ""


def _is_dead(process: str) -> bool:
    """A process of this machine that is not there any more. Of other machines nobody knows."""
    mine = _process(os.getpid()).split()
    theirs = process.split()
    if len(theirs) != 4 or len(mine) != 4 or theirs[:2] != mine[:2] or not theirs[2].isdecimal():
        return False
    return _process(int(theirs[2])) != process
