"""The pool: verified content by SHA-256, on the file system of what is published.

<store>/pool/ab/abcdef….          one file a content, 0644, never changed, hard-linked by
                                  every publication that shows it
<store>/pool/.damaged-abcdef…     what was found damaged and replaced; prune removes it
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..core.errors import DigestError, StorageError
from .files import REPAIR, Disk, digest, storage_errors

_HALF_MADE = ".new-"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAY = 86400
# How often what was adopted starts on its way to the disk, so that little is left for `flush`.
_WRITE_BACK_SECONDS = 0.5


class FilePool:
    """See `ports.Pool`. Durability is the publisher's: one syncfs before anything shows."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._text = str(root)
        with storage_errors(root):
            root.mkdir(parents=True, exist_ok=True)
        self._disk = Disk(root)
        self._begun = time.monotonic()
        entries = list(root.iterdir())
        self._shards = {entry.name for entry in entries}
        _sweep(entry for entry in entries if entry.name.startswith(_HALF_MADE))

    def path(self, sha256: str) -> Path:
        return Path(self._name(sha256))

    def _name(self, sha256: str) -> str:
        # As text: pathlib shows in the time of a first sync.
        return f"{self._text}/{sha256[:2]}/{sha256}"

    def same(self, path: Path, sha256: str) -> bool:
        own = self._name(sha256)
        if str(path) == own:
            return True
        try:
            return not path.is_symlink() and path.samefile(own)
        except OSError:
            return False

    def lost(self) -> frozenset[str]:
        return frozenset()

    def link(self, sha256: str, target: str) -> None:
        os.link(self._name(sha256), target)

    def missing(self, wanted: Iterable[str]) -> set[str]:
        return {sha for sha in wanted if not os.access(self._name(sha), os.F_OK)}

    def size(self, sha256: str) -> int | None:
        path = self.path(sha256)
        with storage_errors(path):
            try:
                return path.stat().st_size
            except FileNotFoundError:
                return None

    def read(self, sha256: str) -> bytes:
        path = self.path(sha256)
        with storage_errors(path):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                raise StorageError("missing in the pool", path=str(path), way_out=REPAIR) from None
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise DigestError(
                "damaged in the pool",
                expected=sha256,
                found=found,
                path=str(path),
                way_out=REPAIR,
            )
        return data

    def digest(self, sha256: str) -> str | None:
        return digest(self._name(sha256))

    def set_aside(self, sha256: str) -> None:
        path = self.path(sha256)
        with storage_errors(path), contextlib.suppress(FileNotFoundError):
            path.rename(self._root / f".damaged-{sha256}")

    def adopt(self, path: Path, sha256: str) -> None:
        source, target = str(path), self._target(sha256)
        if source == target:
            return
        with storage_errors(path):
            os.chmod(source, 0o644)  # noqa: PTH101
            os.rename(source, target)  # noqa: PTH104
        now = time.monotonic()
        if now - self._begun > _WRITE_BACK_SECONDS:
            self._begun = now
            self._disk.begin()

    def add(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        target = Path(self._target(sha256))
        if not target.exists():
            with storage_errors(target):
                descriptor, name = tempfile.mkstemp(dir=self._root, prefix=_HALF_MADE)
                try:
                    with os.fdopen(descriptor, "wb") as file:
                        file.write(data)
                        os.fchmod(file.fileno(), 0o644)
                    Path(name).rename(target)
                except BaseException:
                    with contextlib.suppress(OSError):
                        Path(name).unlink()
                    raise
        return sha256

    def _target(self, sha256: str) -> str:
        """Where it belongs; its folder is there afterwards."""
        name = self._name(sha256)
        if sha256[:2] not in self._shards:
            with storage_errors(Path(name)):
                Path(name).parent.mkdir(exist_ok=True)
            self._shards.add(sha256[:2])
        return name

    def contents(self) -> Iterator[tuple[str, int]]:
        with storage_errors(self._root):
            for shard in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
                with os.scandir(shard) as entries:
                    for entry in entries:
                        if _SHA256.fullmatch(entry.name):
                            yield entry.name, entry.stat(follow_symlinks=False).st_size

    def remove(self, contents: Iterable[str]) -> None:
        for sha256 in contents:
            path = self.path(sha256)
            with storage_errors(path):
                path.unlink(missing_ok=True)

    def leftovers(self, before: float) -> list[Path]:
        with storage_errors(self._root):
            aside = self._root.glob(".damaged-*")
            return sorted(path for path in aside if path.lstat().st_ctime < before)

    def free_bytes(self) -> int:
        status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def flush(self) -> None:
        self._disk.sync()


def _sweep(half_made: Iterable[Path]) -> None:
    """What killed runs left; runs of other trees may just be at work."""
    for path in half_made:
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _DAY:
                path.unlink()
