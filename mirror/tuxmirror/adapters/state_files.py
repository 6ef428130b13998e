"""Private files of the registration service.

<store>/state/              0700
    pepper                  0600, 64 hex digits: what digests of keys and tokens are made with
    audit.log               0600, a JSON object a line, only ever appended to
    registry.sqlite         see registry_db
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import Callable

from ..core.credentials import PEPPER_BYTES
from ..core.errors import StorageError
from ..core.licence import format_time


def private_directory(path: Path) -> Path:
    """Makes `path` where it is missing, for its owner alone.

    Raises:
        StorageError.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise StorageError(f"cannot use this folder: {error.strerror}", path=str(path)) from None
    return path


def load_pepper(state: Path) -> bytes:
    """The pepper of this store, made on first use. Several processes get the same one.

    Raises:
        StorageError: unreadable, damaged, or open to others.
    """
    path = state / "pepper"
    try:
        if not path.exists():
            _create_pepper(path)
        if path.stat().st_mode & 0o077:
            raise StorageError(
                "others can read the pepper",
                expected="mode 0600",
                way_out=f"chmod 600 {path}",
                path=str(path),
            )
        pepper = bytes.fromhex(path.read_text(encoding="ascii"))
    except OSError as error:
        raise StorageError(f"cannot use the pepper: {error.strerror}", path=str(path)) from None
    except ValueError:
        pepper = b""
    if len(pepper) != PEPPER_BYTES:
        raise StorageError(
            "the pepper is damaged",
            expected=f"{2 * PEPPER_BYTES} hex digits",
            way_out="restore it from the backup of this registry",
            path=str(path),
        )
    return pepper


def _create_pepper(path: Path) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix="pepper.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(PEPPER_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link fails where a name exists: whoever comes second uses the first one's.
        os.link(temporary, path)
        _sync_directory(path.parent)
    except FileExistsError:
        pass
    finally:
        Path(temporary).unlink()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class AuditFile:
    """See `ports.registry.AuditLog`. Opened for each line, so it can be rotated at any time."""

    def __init__(self, path: Path, actor: str, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._actor = actor
        self._clock = clock

    def record(self, event: str, **fields: object) -> None:
        known = {name: value for name, value in fields.items() if value is not None}
        entry = {"time": format_time(self._clock()), "event": event, "by": self._actor, **known}
        line = (json.dumps(entry) + "\n").encode()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                written = os.write(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._failed(error.strerror) from None
        if written != len(line):
            raise self._failed("disk full")

    def _failed(self, reason: str | None) -> StorageError:
        return StorageError(f"cannot write the audit log: {reason}", path=str(self._path))
