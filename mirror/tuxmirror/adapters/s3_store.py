"""What the mirror knows beside the content, in a bucket.

s3://<store>/snapshots/<tree>/<id>.json    as in `state`, and read by the same code
s3://<store>/state/trees/…
s3://<store>/state/locks/…                 see `s3_leases`
s3://<store>/state/log.jsonl               see `core.journal`
s3://<store>/quarantine/<tree>/            refused files, each with its reason beside it
<local>/incoming, scratch                  stay on this machine
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..core import journal
from ..core.errors import LockedError, MirrorError
from ..ports import RepositoryMemory
from .files import storage_errors
from .journal import who
from .s3 import Bucket, Changed
from .s3_leases import BucketLocks
from .state import FileState

_LOG = "state/log.jsonl"
_ATTEMPTS = 20


class BucketDocuments:
    """See `documents.Documents`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def place(self, name: str) -> str:
        return self._bucket.url(name)

    def read(self, name: str) -> bytes | None:
        stored = self._bucket.get(name)
        return None if stored is None else stored.data

    def write(self, name: str, data: bytes, private: bool = False, lasting: bool = True) -> None:
        self._bucket.put(name, data)

    def remove(self, name: str) -> None:
        self._bucket.remove([name])

    def names(self, start: str) -> list[str]:
        found = sorted(self._bucket.list(start), key=lambda entry: (entry.modified, entry.name))
        return [entry.name for entry in found]


class BucketState(FileState):
    """See `ports.State`. `local` is the folder for what stays on this machine."""

    def __init__(self, bucket: Bucket, local: Path) -> None:
        super().__init__(local, BucketDocuments(bucket))
        self._bucket = bucket
        self._leases = BucketLocks(bucket, self._locks)

    def lock(self, name: str, wait: float = 0.0) -> AbstractContextManager[None]:
        return self._leases.lock(name, wait)

    def accept(self, tree: str, candidate: str, memory: dict[str, RepositoryMemory]) -> None:
        self._leases.check(tree)
        super().accept(tree, candidate, memory)

    def quarantine(self, tree: str, path: Path, error: MirrorError) -> None:
        name = f"quarantine/{tree}/{path.name.replace('.part', '.rpm')}"
        self._bucket.put_file(name, path)
        reason = json.dumps(error.as_dict(), indent=1).encode()
        self._bucket.put(f"{name[: -len('.rpm')]}.json", reason)
        with storage_errors(path):
            path.unlink()

    def quarantined(self, tree: str) -> list[dict[str, object]]:
        found = []
        for name in self._documents.names(f"quarantine/{tree}/"):
            if name.endswith(".json"):
                file = self._bucket.url(f"{name[: -len('.json')]}.rpm")
                found.append({**json.loads(self._documents.read(name) or b"{}"), "file": file})
        return found


class BucketJournal:
    """See `ports.Journal`. Written under a condition, so that no line of another is lost."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def append(self, time: int, action: str, **fields: object) -> None:
        for _ in range(_ATTEMPTS):
            stored = self._bucket.get(_LOG)
            data = stored.data if stored else b""
            last = data.rstrip(b"\n").rpartition(b"\n")[2] or None
            line = journal.seal({"time": time, **who(), "action": action, **fields}, last)
            try:
                self._bucket.put(_LOG, data + line, stored.etag if stored else None, not stored)
            except Changed:
                continue
            return
        raise LockedError("others write the log all the time", path=self._bucket.url(_LOG))

    def entries(self) -> list[dict[str, Any]]:
        stored = self._bucket.get(_LOG)
        return journal.read(stored.data, self._bucket.url(_LOG)) if stored else []
