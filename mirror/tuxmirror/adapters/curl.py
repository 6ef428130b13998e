"""HTTP by libcurl's multi interface: many connections, hashing while receiving.

Partial files lie in the given directory as `<sha256>.part` and are resumed after their bytes were
hashed again. Redirects are followed by hand, to configured hosts only.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urljoin, urlsplit

import pycurl

from .. import __version__
from ..core.errors import DeadlineError, MirrorError
from ..ports import Document, DocumentRequest, Download, Failure
from .curl_jobs import DocumentJob, FileJob, Job, Limits
from .upstream_tokens import UpstreamTokens

_MAX_REDIRECTS = 5
_RETRY_STATUS = {408, 425, 429, 500, 502, 503, 504}


J = TypeVar("J", bound=Job)
_DEFAULT_LIMITS = Limits()
# 4 MB on their way fill 640 Mbit/s at a round trip of 50 ms.
_BURST = 4
_WINDOW_BYTES = 4 << 20


# Transfers that an error names.
_NAMED = 3

_NO_TOKENS: Mapping[str, Path] = {}
# CURLAUTH_BEARER, which pycurl has no name for.
_HTTPAUTH_BEARER = 1 << 6


def _ignore(_bytes: int) -> None:
    return None


class CurlTransport:
    """One for a run: connections and what was learnt of the mirrors are reused.

    Args:
        allowed: roots that were configured; redirects stay on their hosts.
        parallel: transfers at once; of small files up to `_BURST` times as many.
        token_files: for roots that want a token; it goes to them and to nothing else.
        ca_file: authorities to trust for https; None is the system's.
    """

    def __init__(
        self,
        allowed: Iterable[str],
        parallel: int,
        limits: Limits = _DEFAULT_LIMITS,
        token_files: Mapping[str, Path] = _NO_TOKENS,
        ca_file: Path | None = None,
    ) -> None:
        self._tokens = UpstreamTokens(token_files)
        self._allowed = {_origin(url) for url in allowed}
        self._parallel = parallel
        self._limits = limits
        self._ca_file = ca_file
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, parallel * _BURST)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._idle: list[pycurl.Curl] = []
        # Handles whose last transfer set options that the next one must not have.
        self._altered: set[pycurl.Curl] = set()
        self._on_their_way = 0
        self._seconds = 0
        self._ends = math.inf
        self._failures: list[Failure] = []

    def expire(self, seconds: int) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds if seconds else math.inf

    def allow(self, url: str) -> None:
        """A mirror that a configured mirror list named."""
        self._allowed.add(_origin(url))

    @property
    def failures(self) -> Sequence[Failure]:
        return self._failures

    def documents(self, requests: Sequence[DocumentRequest]) -> list[Document | MirrorError]:
        results: dict[int, Document | MirrorError] = {}
        jobs = [DocumentJob(index, request) for index, request in enumerate(requests)]
        for job, error in self._run(iter(jobs)):
            results[job.index] = error if error else job.document()
        return [results[index] for index in range(len(requests))]

    def files(
        self,
        downloads: Iterable[Download],
        directory: Path,
        progress: Callable[[int], None] = _ignore,
    ) -> Iterator[tuple[Download, Path]]:
        jobs = (FileJob(download, directory, progress) for download in downloads)
        for job, error in self._run(jobs):
            if error:
                raise error
            yield job.download, job.path

    def _run(self, jobs: Iterator[J]) -> Iterator[tuple[J, MirrorError | None]]:
        """Drive all jobs; yields each once, with its error where it failed for good.

        Abandoned half-way (the consumer raised), it gives back every handle.
        """
        active: dict[pycurl.Curl, J] = {}
        waiting: list[tuple[float, J]] = []
        try:
            while True:
                self._start(jobs, active, waiting)
                if not active and not waiting:
                    return
                if time.monotonic() >= self._ends:
                    raise self._expired([*active.values(), *(job for _, job in waiting)])
                yield from self._step(active, waiting)
        finally:
            for handle, job in active.items():
                self._on_their_way -= job.weight
                self._multi.remove_handle(handle)
                job.close()
                handle.close()

    def _start(
        self,
        jobs: Iterator[J],
        active: dict[pycurl.Curl, J],
        waiting: list[tuple[float, J]],
    ) -> None:
        now = time.monotonic()
        due = deque(job for when, job in waiting if when <= now)
        waiting[:] = [(when, job) for when, job in waiting if when > now]
        while self._has_room(active):
            job = due.popleft() if due else next(jobs, None)
            if job is None:
                return
            handle = self._idle.pop() if self._idle else self._new_handle()
            self._configure(handle, job)
            self._multi.add_handle(handle)
            active[handle] = job
            self._on_their_way += job.weight
        waiting.extend((now, job) for job in due)

    def _has_room(self, active: dict[pycurl.Curl, J]) -> bool:
        """Small files are over before a line with a long round trip has got going: then more of
        them are asked for at once, as long as little is on its way."""
        if len(active) < self._parallel:
            return True
        if len(active) >= self._parallel * _BURST:
            return False
        return self._on_their_way < _WINDOW_BYTES

    def _step(
        self, active: dict[pycurl.Curl, J], waiting: list[tuple[float, J]]
    ) -> Iterator[tuple[J, MirrorError | None]]:
        while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        done = False
        for handle, job in [found for found in active.items() if found[1].has_news]:
            job.take_in()
            if job.refused:
                done = True
                yield from self._finished(handle, active, waiting, (0, job.refused))
        while True:
            queued, good, bad = self._multi.info_read()
            for handle in good:
                active[handle].take_in()
                done = True
                yield from self._finished(handle, active, waiting, None)
            for handle, number, message in bad:
                done = True
                yield from self._finished(handle, active, waiting, (number, message))
            if not queued:
                break
        if done:
            return
        if active:
            self._multi.select(0.5)
        else:
            due = min(self._ends, *(when for when, _ in waiting))
            time.sleep(max(0.0, due - time.monotonic()))

    def _expired(self, jobs: Sequence[Job]) -> DeadlineError:
        shown = "; ".join(f"{job.url}: {job.come}" for job in jobs[:_NAMED])
        return DeadlineError(
            "the sync did not end within its deadline",
            expected=f"at most {self._seconds} s",
            found=f"{len(jobs)} transfers under way: {shown}" + " …" * (len(jobs) > _NAMED),
        )

    def _finished(
        self,
        handle: pycurl.Curl,
        active: dict[pycurl.Curl, J],
        waiting: list[tuple[float, J]],
        trouble: tuple[int, str] | None,
    ) -> Iterator[tuple[J, MirrorError | None]]:
        job = active.pop(handle)
        self._on_their_way -= job.weight
        self._multi.remove_handle(handle)
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        location = handle.getinfo(pycurl.REDIRECT_URL)
        if trouble is None:
            self._idle.append(handle)
        else:
            # libcurl leaves some failed handles half-made, which then refuse options.
            handle.close()
        job.close()
        outcome = self._outcome(job, status, location, trouble)
        if outcome is None:
            yield job, None
        elif isinstance(outcome, float):
            waiting.append((time.monotonic() + outcome, job))
        else:
            yield job, outcome

    def _outcome(
        self, job: Job, status: int, location: str | None, trouble: tuple[int, str] | None
    ) -> MirrorError | float | None:
        """None: done. A number: again in that many seconds. An error: given up."""
        if trouble is None and 300 <= status < 400 and status != 304:
            target = urljoin(job.url, location or "")
            if job.redirects < _MAX_REDIRECTS and location and _origin(target) in self._allowed:
                job.redirect(self._tokens.hide(target))
                return 0.0
            where = urlsplit(target).netloc or "nowhere"
            problem: str | None = f"redirects to {where}, which is not a configured mirror"
            if job.redirects == _MAX_REDIRECTS:
                problem = f"redirects more than {_MAX_REDIRECTS} times"
            retry = False
        elif job.refused:
            problem, retry = job.refused, False
        elif trouble is not None:
            problem, retry = trouble[1] or pycurl.Curl().errstr(), True
        elif status in (0, 200, 206, 304):
            problem, retry = job.complete()
        else:
            problem, retry = f"HTTP status {status}", status in _RETRY_STATUS
        if problem is None:
            return None
        self._failures.append(Failure(job.url, problem))
        return job.failed(problem, retry, self._limits)

    def _new_handle(self) -> pycurl.Curl:
        handle = pycurl.Curl()
        self._set_fixed(handle)
        return handle

    def _set_fixed(self, handle: pycurl.Curl) -> None:
        """What is the same for every transfer."""
        limits = self._limits
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.FOLLOWLOCATION, 0),
            (pycurl.USERAGENT, f"tuxmirror/{__version__}"),
            (pycurl.CONNECTTIMEOUT, limits.connect),
            (pycurl.LOW_SPEED_LIMIT, limits.min_rate),
            (pycurl.LOW_SPEED_TIME, limits.stall),
            (pycurl.BUFFERSIZE, 262144),
        ):
            handle.setopt(option, value)
        if self._ca_file:
            handle.setopt(pycurl.CAINFO, str(self._ca_file))

    def _configure(self, handle: pycurl.Curl, job: Job) -> None:
        """What is a transfer's own."""
        if handle in self._altered:
            self._altered.remove(handle)
            handle.reset()
            self._set_fixed(handle)
        url, bearer = self._tokens.apply(job.url)
        limits = self._limits
        handle.setopt(pycurl.TIMEOUT, limits.deadline + job.weight // limits.usual_rate)
        handle.setopt(pycurl.URL, quote(url, safe=":/?&=%~@!$'()*,;+[]"))
        # Whether a connection can carry several transfers only TLS tells: without it, waiting for
        # the first one would cost a round trip.
        handle.setopt(pycurl.PIPEWAIT, url.startswith("https://"))
        handle.setopt(pycurl.WRITEFUNCTION, job.chunks.append)
        handle.setopt(pycurl.HEADERFUNCTION, job.headers.append)
        if bearer:
            handle.setopt(pycurl.HTTPAUTH, _HTTPAUTH_BEARER)
            handle.setopt(pycurl.XOAUTH2_BEARER, bearer)
        if job.begin(handle) or bearer:
            self._altered.add(handle)


def _origin(url: str) -> tuple[str, str]:
    """Where a redirect may lead: the host, and no way down from https to http."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
