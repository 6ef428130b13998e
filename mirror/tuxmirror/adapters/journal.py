"""The log on the disk, see `core.journal`.

<store>/state/log.jsonl     0600, only ever appended to
"""

from __future__ import annotations

import fcntl
import os
import pwd
from pathlib import Path
from typing import Any

from ..core import journal
from ..core.errors import StorageError
from .files import fsync_directory, storage_errors

_MAX_LINE = 64 << 10


class FileJournal:
    """See `ports.Journal`. Who is at work: the process's user, and who called sudo."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, time: int, action: str, **fields: object) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with storage_errors(self._path):
            descriptor = os.open(self._path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                last = _last_line(descriptor)
                line = journal.seal({"time": time, **who(), "action": action, **fields}, last)
                if os.write(descriptor, line) != len(line):
                    raise StorageError("cannot write the log: disk full", path=str(self._path))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if last is None:
                fsync_directory(self._path.parent)

    def entries(self) -> list[dict[str, Any]]:
        with storage_errors(self._path):
            try:
                data = self._path.read_bytes()
            except FileNotFoundError:
                return []
        return journal.read(data, str(self._path))


def who() -> dict[str, str | None]:
    """Who is at work here, as the log's fields."""
    return {"user": _user(), "sudo_user": os.environ.get("SUDO_USER")}


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _last_line(descriptor: int) -> bytes | None:
    """The last whole line; what a crash left half-written behind it is cut off."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _MAX_LINE)
    tail = os.pread(descriptor, _MAX_LINE, start)
    whole, _, rest = tail.rpartition(b"\n")
    if rest:
        os.ftruncate(descriptor, size - len(rest))
    return whole.rpartition(b"\n")[2] if whole else None
