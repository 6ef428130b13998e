"""What one transfer does with the bytes it gets, through its attempts and mirrors.

libcurl hands over every 16 kB of a body and every line of a header: a hundred thousand calls for
6,000 packages. So both go straight into lists (`append` is C), and `Job.take_in` deals with what
has gathered after each round of the loop: at most what one read of a connection brings.
"""

from __future__ import annotations

import abc
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pycurl

from ..core.errors import DigestError, MetadataError, MirrorError, NetworkError
from ..ports import Document, DocumentRequest, Download, Failure, Validators
from .files import storage_errors

# What the kernel takes in one writev(2).
_IOV_MAX = 1024
# More than any honest server sends of what nobody asked for.
_MAX_HEADERS = 1000
_MAX_ERROR_BODY = 1 << 20
# RFC 9110, 15.5.17: the range asked for begins after the end.
_NOT_SATISFIABLE = 416
# Of a file whose digest is known and whose size is not: the largest installation image is 1 GB.
MAX_UNKNOWN = 8 << 30


class Limits(NamedTuple):
    """How patient we are. Times in seconds, rates in bytes a second.

    Below `min_rate` for `stall` seconds a transfer is given up. One that stays just above it is so
    after `deadline` and the time that its bytes take at `usual_rate`; what came of it is resumed.
    """

    connect: int = 15
    stall: int = 30
    min_rate: int = 2000
    deadline: int = 300
    usual_rate: int = 20_000
    attempts: int = 4
    backoff: float = 0.5
    max_wait: float = 60.0


class Job(abc.ABC):
    """One thing to fetch. `urls` are tried in order, each several times where that can help.

    `weight` is about how many bytes will come.
    """

    weight = 4096

    def __init__(self, urls: Sequence[str]) -> None:
        self.url = urls[0]
        self.redirects = 0
        # Filled by libcurl: header lines, and pieces of the body that nobody has looked at yet.
        self.headers: list[bytes] = []
        self.chunks: list[bytes] = []
        # Why the rest of an answer is not wanted.
        self.refused: str | None = None
        self._urls = urls
        self._mirror = 0
        self._attempt = 0
        self._status = 0
        self._ignored = 0
        self._problems: list[Failure] = []

    def begin(self, handle: pycurl.Curl) -> bool:
        """Called before each attempt; whether it set options of its own."""
        self.refused = None
        self.headers.clear()
        self.chunks.clear()
        self._status = self._ignored = 0
        return False

    @property
    def has_news(self) -> bool:
        return bool(self.chunks) or len(self.headers) > _MAX_HEADERS

    def take_in(self) -> None:
        """Deal with what has come. Raises StorageError; an unwanted answer sets `refused`."""
        self._status = self._status or self._read_status()
        if len(self.headers) > _MAX_HEADERS:
            self.refused = "sends headers without end"
        elif self._status in (200, 206):
            self.receive(self.chunks)
        else:
            # The body of an error or a redirect is nobody's file.
            self._ignored += sum(map(len, self.chunks))
            if self._ignored > _MAX_ERROR_BODY:
                self.refused = f"HTTP status {self._status} and a body without end"
        self.chunks.clear()

    def _read_status(self) -> int:
        """Of the final answer: a server may send `100 Continue` and the like before it."""
        for line in reversed(self.headers):
            if line.startswith(b"HTTP/"):
                code = line.split(None, 2)[1:2]
                return int(code[0]) if code and code[0].isdigit() else 0
        return 0

    def _header(self, name: bytes) -> str | None:
        for line in reversed(self.headers):
            found, _, value = line.partition(b":")
            if found.lower() == name:
                return value.strip().decode("latin-1")[:200]
        return None

    @property
    @abc.abstractmethod
    def come(self) -> str:
        """How far it is, in words."""

    @abc.abstractmethod
    def receive(self, chunks: Sequence[bytes]) -> None:
        """More of the body."""

    @abc.abstractmethod
    def complete(self) -> tuple[str | None, bool]:
        """The transfer ended well: what is wrong with it, if anything; does a retry help?"""

    def close(self) -> None:  # noqa: B027 - a document has nothing to close
        """The transfer is over, well or not."""

    def redirect(self, target: str) -> None:
        self.redirects += 1
        self.url = target

    def failed(self, problem: str, retry: bool, limits: Limits) -> MirrorError | float:
        """The same mirror again in so many seconds, or the next one at once, or give up."""
        self._problems.append(Failure(self.url, problem))
        self._attempt += 1
        self.redirects = 0
        if retry and self._attempt < limits.attempts:
            self.url = self._urls[self._mirror]
            asked = self._header(b"retry-after") or ""
            wait = float(asked) if asked.isdecimal() else 0.0
            return min(wait or limits.backoff * 2 ** (self._attempt - 1), limits.max_wait)
        self._mirror += 1
        self._attempt = 0
        if self._mirror < len(self._urls):
            self.url = self._urls[self._mirror]
            return 0.0
        return self.give_up()

    @abc.abstractmethod
    def give_up(self) -> MirrorError:
        """What is to be said of all that was tried."""


class DocumentJob(Job):
    """A small document into memory."""

    def __init__(self, index: int, request: DocumentRequest) -> None:
        super().__init__([request.url])
        self.index = index
        self._request = request
        self._data: list[bytes] = []
        self._size = 0

    def begin(self, handle: pycurl.Curl) -> bool:
        super().begin(handle)
        self._data, self._size = [], 0
        known = self._request.validators
        conditions = []
        if known.etag:
            conditions.append(f"If-None-Match: {known.etag}")
        if known.last_modified:
            conditions.append(f"If-Modified-Since: {known.last_modified}")
        handle.setopt(pycurl.HTTPHEADER, conditions)
        return bool(conditions)

    def receive(self, chunks: Sequence[bytes]) -> None:
        self._size += sum(map(len, chunks))
        if self._size > self._request.max_bytes:
            self.refused = f"larger than {self._request.max_bytes} bytes"
        else:
            self._data += chunks

    def complete(self) -> tuple[str | None, bool]:
        return None, False

    @property
    def come(self) -> str:
        return f"{self._size} bytes"

    def document(self) -> Document:
        """What came; the validators that were sent stay those of a document that did not."""
        if self._status == 304:
            return Document(self._request.url, 304, None, self._request.validators)
        validators = Validators(self._header(b"etag"), self._header(b"last-modified"))
        return Document(self._request.url, self._status, b"".join(self._data), validators)

    def give_up(self) -> MirrorError:
        last = self._problems[-1]
        kind = MetadataError if self.refused else NetworkError
        return kind(f"{last.url}: {last.reason}")


class FileJob(Job):
    """A file to disk as `<sha256>.part`, hashed as it comes."""

    def __init__(
        self, download: Download, directory: Path, progress: Callable[[int], None]
    ) -> None:
        super().__init__(download.urls)
        self.download = download
        self._most = MAX_UNKNOWN if download.size is None else download.size
        self.weight = self._most
        # As text: pathlib shows in the time of a first sync.
        self._path = f"{directory}/{download.sha256}.part"
        self._progress = progress
        self._file = -1
        self._size = 0
        self._resumed = 0
        self._sha = hashlib.sha256()
        self._wrong: str | None = None

    @property
    def path(self) -> Path:
        return Path(self._path)

    @property
    def come(self) -> str:
        whole = "" if self.download.size is None else f" of {self.download.size}"
        return f"{self._size}{whole} bytes"

    @property
    def _promised(self) -> str:
        return "" if self.download.size is None else f"{self.download.size} bytes, "

    def begin(self, handle: pycurl.Curl) -> bool:
        super().begin(handle)
        with storage_errors(self._path):
            self._open()
        if self._resumed:
            handle.setopt(pycurl.RANGE, f"{self._resumed}-")
        return bool(self._resumed)

    def _open(self) -> None:
        """Go on from what an earlier attempt left, its bytes hashed again."""
        self._sha, self._size = hashlib.sha256(), 0
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        size = os.fstat(self._file).st_size
        if size:
            self._take_back(size)
            if self._size >= self._most:
                self._restart()
            elif self.download.size is None and self._sha.hexdigest() == self.download.sha256:
                # It is whole. A server is asked for its last byte: there is nothing after it.
                self._restart(size - 1)
        self._resumed = self._size

    def _take_back(self, size: int) -> None:
        """Hash the first bytes of the file."""
        while self._size < size and (chunk := os.read(self._file, min(1 << 20, size - self._size))):
            self._sha.update(chunk)
            self._size += len(chunk)

    def _restart(self, kept: int = 0) -> None:
        os.ftruncate(self._file, kept)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._sha, self._size, self._resumed = hashlib.sha256(), 0, 0
        self._take_back(kept)

    def receive(self, chunks: Sequence[bytes]) -> None:
        size = sum(map(len, chunks))
        with storage_errors(self._path):
            if self._status == 200 and self._resumed:
                # The server ignored the range and sends the whole file.
                self._restart()
            if self._size + size > self._most:
                self.refused = f"sent more than the {self._most} bytes promised"
                return
            _write_all(self._file, chunks, size)
        for chunk in chunks:
            self._sha.update(chunk)
        self._size += size
        self._progress(size)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self.refused:
            self._discard(self.refused)

    def _discard(self, wrong: str) -> None:
        """A wrong file is of no use to the next attempt, not even its beginning."""
        self._wrong = wrong
        self._progress(self._resumed - self._size)
        self.path.unlink(missing_ok=True)

    def complete(self) -> tuple[str | None, bool]:
        if self.download.size not in (None, self._size):
            self._discard(f"{self._size} bytes instead of {self.download.size}")
            return f"sent {self._size} bytes, {self.download.size} were promised", True
        if self._sha.hexdigest() == self.download.sha256:
            return None, False
        self._discard(f"sha256 {self._sha.hexdigest()}")
        # What an earlier run left may have been at fault: then a fresh start helps.
        return "sent other bytes than the metadata promises (SHA-256)", bool(self._resumed)

    def failed(self, problem: str, retry: bool, limits: Limits) -> MirrorError | float:
        if self._status == _NOT_SATISFIABLE and self._resumed:
            # What is here is not the beginning of what is there.
            self.path.unlink(missing_ok=True)
            retry = True
        return super().failed(problem, retry, limits)

    def give_up(self) -> MirrorError:
        if self._wrong:
            return DigestError(
                "the file is not what signed metadata promises",
                expected=f"{self._promised}sha256 {self.download.sha256}",
                found=self._wrong,
                repository=self.download.repository,
                path=self.download.path,
                way_out="nothing was published; try again later or configure another upstream",
            )
        return NetworkError(
            "could not be fetched",
            found="; ".join(dict.fromkeys(f"{f.url}: {f.reason}" for f in self._problems)),
            repository=self.download.repository,
            path=self.download.path,
            way_out="what arrived is kept; run the same command again",
        )


def _write_all(descriptor: int, chunks: Sequence[bytes], size: int) -> None:
    """Raises OSError."""
    written = os.writev(descriptor, chunks[:_IOV_MAX])
    if written == size:
        return
    # A disk that is filling up takes a part first, and says why it takes no more the next time.
    rest = memoryview(b"".join(chunks))[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]
