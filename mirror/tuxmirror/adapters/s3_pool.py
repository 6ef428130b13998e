"""The pool in a bucket.

s3://<store>/pool/ab/abcdef…       one object a content, never changed
<local>/scratch/pool-…/            copies of what rpm and createrepo_c read as files, of one run
<local>/damaged/abcdef…            what was found damaged and replaced; prune removes it

Uploads run beside transfer and verification. That a service acknowledged one is not believed:
`lost` and `flush` look whether it is there, with its size.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ..core.errors import DigestError, StorageError
from .files import REPAIR, storage_errors
from .s3 import THREADS, Bucket, lost

_NAME = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})")
_SCRATCH = "pool-"
# Up to here, asking for each object is less work for the service than listing all shards.
_FEW = 200
_CHUNK = 1 << 20
_DAY = 86400


class S3Pool:
    """See `ports.Pool`.

    Args:
        bucket: where the pool lies.
        local: a folder on this machine.
    """

    def __init__(self, bucket: Bucket, local: Path) -> None:
        self._bucket = bucket
        self._local = local
        self._copies: Path | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3-pool")
        # As many uploads wait as are under way: their files are still on the disk.
        self._room = threading.BoundedSemaphore(2 * THREADS)
        self._under_way: dict[str, Future[None]] = {}
        self._adopted: dict[str, int] = {}
        # Seen there in this run; nothing is removed meanwhile but by ourselves.
        self._known: set[str] = set()

    def key(self, sha256: str) -> str:
        """The object's name below the pool."""
        return f"{sha256[:2]}/{sha256}"

    def missing(self, wanted: Iterable[str]) -> set[str]:
        unsure = set(wanted) - self._known - self._under_way.keys()
        present = self._present(unsure)
        self._known |= present.keys()
        return unsure - present.keys()

    def _present(self, wanted: set[str]) -> dict[str, int]:
        """Those that are there, with their sizes."""
        if len(wanted) <= _FEW:
            sizes = self._threads.map(self._bucket.size, map(self.key, wanted))
            return {sha: size for sha, size in zip(wanted, sizes) if size is not None}
        shards = sorted({sha[:2] for sha in wanted})
        listed = self._threads.map(lambda shard: list(self._bucket.list(f"{shard}/")), shards)
        found = {entry.name[3:]: entry.size for entries in listed for entry in entries}
        return {sha: found[sha] for sha in wanted if sha in found}

    def path(self, sha256: str) -> Path:
        path = self._scratch() / sha256
        if not path.exists():
            self._fetch(sha256, path)
        return path

    def same(self, path: Path, sha256: str) -> bool:
        return self._copies is not None and path == self._copies / sha256

    def size(self, sha256: str) -> int | None:
        if sha256 in self._under_way:
            self._settle(wait=True)
        return self._bucket.size(self.key(sha256))

    def link(self, sha256: str, target: str) -> None:
        """A copy: a bucket knows no links."""
        self._fetch(sha256, Path(target))
        Path(target).chmod(0o644)

    def _scratch(self) -> Path:
        if self._copies is None:
            folder = self._local / "scratch"
            with storage_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                _sweep(folder)
                self._copies = Path(tempfile.mkdtemp(dir=folder, prefix=_SCRATCH))
            weakref.finalize(self, shutil.rmtree, self._copies, True)
        return self._copies

    def _fetch(self, sha256: str, target: Path) -> None:
        found = hashlib.sha256()
        half = target.with_name(f".{target.name}.part")
        with storage_errors(target), half.open("wb") as file:
            for chunk in self._chunks(sha256):
                found.update(chunk)
                file.write(chunk)
        if found.hexdigest() != sha256:
            half.unlink()
            raise self._damaged(sha256, found.hexdigest())
        half.rename(target)

    def _chunks(self, sha256: str) -> Iterator[bytes]:
        body = self._bucket.open(self.key(sha256))
        if body is None:
            raise StorageError("missing in the pool", path=self._bucket.url(self.key(sha256)))
        with contextlib.closing(body), self._bucket.explaining(self.key(sha256)):
            while chunk := body.read(_CHUNK):
                yield chunk

    def _damaged(self, sha256: str, found: str) -> DigestError:
        place = self._bucket.url(self.key(sha256))
        return DigestError(
            "damaged in the pool", expected=sha256, found=found, path=place, way_out=REPAIR
        )

    def read(self, sha256: str) -> bytes:
        stored = self._bucket.get(self.key(sha256))
        if stored is None:
            place = self._bucket.url(self.key(sha256))
            raise StorageError("missing in the pool", path=place, way_out=REPAIR)
        found = hashlib.sha256(stored.data).hexdigest()
        if found != sha256:
            raise self._damaged(sha256, found)
        return stored.data

    def digest(self, sha256: str) -> str | None:
        sha = hashlib.sha256()
        body = self._bucket.open(self.key(sha256))
        if body is None:
            return None
        with contextlib.closing(body), self._bucket.explaining(self.key(sha256)):
            while chunk := body.read(_CHUNK):
                sha.update(chunk)
        return sha.hexdigest()

    def set_aside(self, sha256: str) -> None:
        self._known.discard(sha256)
        body = self._bucket.open(self.key(sha256))
        if body is None:
            return
        kept = self._local / "damaged" / sha256
        with storage_errors(kept), contextlib.closing(body):
            kept.parent.mkdir(mode=0o700, exist_ok=True)
            with kept.open("wb") as file:
                shutil.copyfileobj(body, file)
        self._bucket.remove([self.key(sha256)])

    def adopt(self, path: Path, sha256: str) -> None:
        if self.same(path, sha256):
            with storage_errors(path):
                path.unlink(missing_ok=True)
            return
        self._start(path, sha256, keep=False)

    def copy_in(self, path: Path, sha256: str) -> None:
        """As `adopt`, and the file stays."""
        self._start(path, sha256, keep=True)

    def _start(self, path: Path, sha256: str, keep: bool) -> None:
        self._settle(wait=False)
        with storage_errors(path):
            self._adopted[sha256] = path.stat().st_size
        self._room.acquire()
        self._under_way[sha256] = self._threads.submit(self._upload, path, sha256, keep)

    def _upload(self, path: Path, sha256: str, keep: bool) -> None:
        try:
            self._bucket.put_file(self.key(sha256), path)
            if not keep:
                path.unlink(missing_ok=True)
        finally:
            self._room.release()

    def _settle(self, wait: bool) -> None:
        """Uploads that ended; raises what one of them met."""
        for sha256, upload in list(self._under_way.items()):
            if wait or upload.done():
                del self._under_way[sha256]
                upload.result()

    def lost(self) -> frozenset[str]:
        self._settle(wait=True)
        adopted, self._adopted = self._adopted, {}
        present = self._present(set(adopted))
        gone = frozenset(sha for sha, size in adopted.items() if present.get(sha) != size)
        self._known |= adopted.keys() - gone
        return gone

    def add(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        if self.missing([sha256]):
            self._bucket.put(self.key(sha256), data)
            self._known.add(sha256)
        return sha256

    def contents(self) -> Iterator[tuple[str, int]]:
        for entry in self._bucket.list():
            match = _NAME.fullmatch(entry.name)
            if match:
                yield match[1], entry.size

    def remove(self, contents: Iterable[str]) -> None:
        gone = list(contents)
        self._known -= set(gone)
        self._bucket.remove(self.key(sha) for sha in gone)

    def leftovers(self, before: float) -> list[Path]:
        folder = self._local / "damaged"
        with storage_errors(folder):
            return sorted(path for path in folder.glob("*") if path.lstat().st_ctime < before)

    def free_bytes(self) -> int:
        """A bucket has no end that could be asked for; it refuses when it is full."""
        return sys.maxsize

    def flush(self) -> None:
        for sha256 in sorted(self.lost()):
            raise lost(self._bucket.url(self.key(sha256)))
        if self._copies is not None:
            shutil.rmtree(self._copies, ignore_errors=True)
            self._copies = None


def _sweep(folder: Path) -> None:
    """What killed runs left; runs of other trees may just be at work."""
    for path in folder.glob(f"{_SCRATCH}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _DAY:
                shutil.rmtree(path)
