"""Documents and files over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ..core.errors import MirrorError


class Validators(NamedTuple):
    """What a server said to recognise a document by (HTTP's ETag and Last-Modified)."""

    etag: str | None = None
    last_modified: str | None = None


class Document(NamedTuple):
    """A small document. `data` is None where it did not change; `status` is HTTP's."""

    url: str
    status: int
    data: bytes | None
    validators: Validators


class DocumentRequest(NamedTuple):
    """One URL, at most `max_bytes` of answer."""

    url: str
    max_bytes: int
    validators: Validators = Validators()


class Download(NamedTuple):
    """A file wanted: its content is known by SHA-256 and size, it may come from any of `urls`.

    `size` is None where nobody says it: then the digest alone decides. `repository` and `path` say
    in errors which file it is.
    """

    urls: Sequence[str]
    sha256: str
    size: int | None
    repository: str
    path: str


class Failure(NamedTuple):
    """A mirror that did not deliver, and why. For the summary: "which mirror failed?"."""

    url: str
    reason: str


class Transport(Protocol):
    """HTTP."""

    def documents(self, requests: Sequence[DocumentRequest]) -> list[Document | MirrorError]:
        """Small documents, all at once, in the order asked for; an error in place of a
        document that could not be had (NetworkError) or is too large (MetadataError)."""

    def files(
        self,
        downloads: Iterable[Download],
        directory: Path,
        progress: Callable[[int], None] = ...,
    ) -> Iterator[tuple[Download, Path]]:
        """Fetch into `directory`, yield each as it is complete, in any order.

        What arrives has the size and SHA-256 asked for, nothing else is known of it. Partial
        files stay there and are resumed by a later run. `progress` gets the bytes as they come.

        Raises:
            NetworkError: none of a file's URLs delivered.
            DigestError: all that was delivered was something else.
            DeadlineError: see `expire`.
        """

    def expire(self, seconds: int) -> None:
        """So much time is left, from now on, for all that is asked; 0 is no limit.

        Once it is over, whatever is asked raises DeadlineError, which says what was under way.
        """

    def allow(self, url: str) -> None:
        """A mirror that a configured mirror list named: redirects to its host are fine."""

    @property
    def failures(self) -> Sequence[Failure]:
        """What went wrong on the way, also where another mirror made up for it."""
