"""An HTTP upstream that misbehaves on command.

    with Httpd(tree.root) as httpd:
        httpd.fault("*/repomd.xml", "status", times=2, code=503)
        …                                   # point the program at httpd.url
        assert httpd.paths() == [...]

HTTP/1.1 with keep-alive, conditional requests (ETag, Last-Modified), single ranges and If-Range;
one event loop in a thread, several thousand small files a second.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

CHUNK = 256 * 1024

# kind -> the options it takes; the first ones have no default
KINDS: dict[str, dict[str, Any]] = {
    "cut": {"after": 0, "reset": False},
    "stall": {"after": 0},
    "length_lie": {"delta": 10},
    "swap": {"body": b""},
    "status": {"code": 503, "headers": {}, "body": b""},
    "redirect": {"to": "", "code": 302},
    "slow": {"rate": 1024},
    "endless": {"fill": b"\0" * 1024},
    "garbage": {"line": b"\x00\xff garbage \x7f\r\n\r\n"},
    "truncate_ok": {"after": 0},
    "drop": {},
    "call": {"function": None},
}


class Request(NamedTuple):
    """What was asked and answered; `path` is percent-decoded, without the query.

    `status` is the one sent, 0 where none was. `headers` are the request's, names in lower case.
    """

    method: str
    path: str
    status: int
    headers: dict[str, str]


@dataclass
class Fault:
    """A misbehaviour for the paths that match; `hits` counts how often it struck."""

    pattern: str
    kind: str
    options: dict[str, Any]
    times: int | None = None
    skip: int = 0
    hits: int = 0

    def strikes(self, path: str) -> bool:
        """Whether it applies to this request; counts it."""
        if not fnmatchcase(path, self.pattern) or self.times == self.hits:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        return True


@dataclass
class Response:
    """A good answer: `body` is a slice of a file, or bytes."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    file: Path | None = None
    start: int = 0
    length: int = 0

    def chunks(self, limit: int | None = None) -> Iterator[bytes]:
        """The body, or its first `limit` bytes."""
        left = self.length if limit is None else min(limit, self.length)
        if self.file is None:
            yield self.content[:left]
            return
        with self.file.open("rb") as file:
            file.seek(self.start)
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk


class Httpd:
    """Serves `root` on 127.0.0.1 and a free port while the context lasts.

    With `tls` it speaks that alone, see tests.support.tls.

    Attributes:
        url: `http://127.0.0.1:PORT`, no slash at the end.
        requests: every request since the start or `reset`, in the order of their answers;
            a request is listed before the first byte of its answer is sent.
    """

    def __init__(self, root: Path, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.root = root
        self._tls = tls
        self.requests: list[Request] = []
        self._port = port
        self._faults: list[Fault] = []
        self._released = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="httpd", daemon=True)

    def __enter__(self) -> Httpd:
        self._thread.start()
        start = asyncio.start_server(
            self._serve, "127.0.0.1", self._port, backlog=512, ssl=self._tls
        )
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def fault(
        self, pattern: str, kind: str, times: int | None = None, skip: int = 0, **options: Any
    ) -> Fault:
        """Misbehave for decoded paths that match a shell pattern ("*/repomd.xml").

        The fault added last wins. Kinds, with their options and defaults:
            cut(after=0, reset=False): announce all, close after so many body bytes (FIN, or RST)
            stall(after=0): the same, but go silent until `release`
            length_lie(delta=10): Content-Length wrong by so much, either way
            swap(body=b""): serve these bytes instead, consistently
            status(code=503, headers={}, body=b""): this status; headers such as Retry-After
            redirect(to="", code=302): `to` is a URL, or "" for one path deeper, without end
            slow(rate=1024): so many bytes a second
            endless(fill=zeros): no Content-Length, never ends
            garbage(line=…): these bytes instead of an HTTP answer
            truncate_ok(after=0): only so many bytes, with headers that agree
            drop(): close without an answer
            call(function): call it, then serve as usual; changes the tree in mid-sync

        Args:
            times: how many requests it strikes; None is all.
            skip: how many matching requests pass before.
        """
        if kind not in KINDS:
            raise ValueError(f"fault {kind!r}: expected one of {', '.join(KINDS)}")
        unknown = options.keys() - KINDS[kind].keys()
        if unknown:
            raise ValueError(f"fault {kind!r} has no option {', '.join(sorted(unknown))}")
        fault = Fault(pattern, kind, {**KINDS[kind], **options}, times, skip)
        self._faults.insert(0, fault)
        return fault

    def heal(self) -> None:
        """Take all faults away and release what stalls."""
        self._faults.clear()
        self.release()

    def release(self) -> None:
        """Let stalled answers go on; those that stall later do not stop either."""
        self._released.set()

    def reset(self) -> None:
        """Forget the requests so far."""
        self.requests.clear()

    def paths(self, pattern: str = "*") -> list[str]:
        """Decoded paths asked for that match, in order."""
        return [r.path for r in list(self.requests) if fnmatchcase(r.path, pattern)]

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client went away, or speaks no HTTP
        except asyncio.CancelledError:
            pass  # the server closes
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")
        method, target, _ = request_line.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        path = unquote(target.split("?", 1)[0])
        fault = next((f for f in self._faults if f.strikes(path)), None)

        def record(status: int) -> None:
            self.requests.append(Request(method, path, status, headers))

        exchange = _Exchange(writer, method, path, self._released, record)
        if fault is None or fault.kind == "call":
            if fault is not None:
                fault.options["function"]()
            keep = await exchange.send(_respond(self.root, method, path, headers))
        else:
            keep = await exchange.misbehave(fault, _respond(self.root, method, path, headers))
        return keep and headers.get("connection", "").lower() != "close"


class _Exchange:
    """One answer on one connection. Senders return whether the connection can be used again."""

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        released: threading.Event,
        record: Callable[[int], None],
    ) -> None:
        self._writer = writer
        self._head_only = method == "HEAD"
        self._path = path
        self._released = released
        self._record = record

    async def send(self, response: Response) -> bool:
        self._head(response, response.length)
        await self._body(response)
        return True

    async def misbehave(self, fault: Fault, response: Response) -> bool:
        sender: Callable[..., Any] = getattr(self, f"_{fault.kind}")
        keep = await sender(response, **fault.options)
        return bool(keep)

    def _head(self, response: Response, length: int | None, close: bool = False) -> None:
        self._record(response.status)
        reason = HTTPStatus(response.status).phrase
        lines = [f"HTTP/1.1 {response.status} {reason}", "Server: test-upstream"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if length is not None and response.status != HTTPStatus.NOT_MODIFIED:
            lines.append(f"Content-Length: {length}")
        if close:
            lines.append("Connection: close")
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def _body(self, response: Response, limit: int | None = None) -> None:
        if not self._head_only:
            for chunk in response.chunks(limit):
                self._writer.write(chunk)
                await self._writer.drain()

    async def _cut(self, response: Response, after: int, reset: bool) -> bool:
        self._head(response, response.length)
        await self._body(response, after)
        if reset:
            await asyncio.sleep(0.01)  # an RST overtakes what is still in flight
            self._writer.transport.abort()
        return False

    async def _stall(self, response: Response, after: int) -> bool:
        self._head(response, response.length)
        await self._body(response, after)
        while not self._released.is_set():
            if self._writer.transport.is_closing():
                return False
            await asyncio.sleep(0.01)
        for chunk in _without(response.chunks(), after):
            self._writer.write(chunk)
            await self._writer.drain()
        return True

    async def _length_lie(self, response: Response, delta: int) -> bool:
        self._head(response, max(0, response.length + delta))
        await self._body(response)
        return False

    async def _swap(self, response: Response, body: bytes) -> bool:
        return await self.send(Response(200, _dated(), body, length=len(body)))

    async def _status(
        self, response: Response, code: int, headers: dict[str, str], body: bytes
    ) -> bool:
        return await self.send(Response(code, headers, body, length=len(body)))

    async def _redirect(self, response: Response, to: str, code: int) -> bool:
        location = to or f"{self._path}/again"
        return await self.send(Response(code, {"Location": location}))

    async def _slow(self, response: Response, rate: int) -> bool:
        self._head(response, response.length)
        async for chunk in _paced(response.chunks(), rate):
            self._writer.write(chunk)
            await self._writer.drain()
        return True

    async def _endless(self, response: Response, fill: bytes) -> bool:
        self._head(Response(200, response.headers), None, close=True)
        while not self._writer.transport.is_closing():
            self._writer.write(fill)
            await self._writer.drain()
            await asyncio.sleep(0)
        return False

    async def _garbage(self, response: Response, line: bytes) -> bool:
        self._record(0)
        self._writer.write(line)
        await self._writer.drain()
        return False

    async def _truncate_ok(self, response: Response, after: int) -> bool:
        length = min(after, response.length)
        self._head(response, length)
        await self._body(response, length)
        return True

    async def _drop(self, response: Response) -> bool:
        self._record(0)
        return False


def _respond(root: Path, method: str, path: str, headers: dict[str, str]) -> Response:
    if method not in ("GET", "HEAD"):
        return Response(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
    parts = path.split("/")
    file = root.joinpath(*(part for part in parts if part))
    if ".." in parts or "\0" in path or not file.is_file():
        return Response(HTTPStatus.NOT_FOUND, {"Content-Type": "text/plain"})
    stat = file.stat()
    validators = {
        "Last-Modified": formatdate(stat.st_mtime, usegmt=True),
        "ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if _unchanged(headers, validators):
        return Response(HTTPStatus.NOT_MODIFIED, validators)
    return _ranged(Response(200, validators, file=file, length=stat.st_size), headers)


def _dated() -> dict[str, str]:
    return {"Last-Modified": formatdate(usegmt=True)}


def _unchanged(headers: dict[str, str], validators: dict[str, str]) -> bool:
    if "if-none-match" in headers:
        return validators["ETag"] in headers["if-none-match"]
    since = headers.get("if-modified-since")
    if since is None:
        return False
    modified = parsedate_to_datetime(validators["Last-Modified"])
    return modified <= parsedate_to_datetime(since)


def _ranged(whole: Response, headers: dict[str, str]) -> Response:
    """`whole`, or the one range of it that the request asks for."""
    asked = headers.get("range", "")
    condition = headers.get("if-range")
    known = (whole.headers["ETag"], whole.headers["Last-Modified"])
    if not asked.startswith("bytes=") or "," in asked or (condition and condition not in known):
        return whole
    first, _, last = asked[len("bytes=") :].partition("-")
    size = whole.length
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        return Response(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"}
        )
    headers = {**whole.headers, "Content-Range": f"bytes {start}-{end}/{size}"}
    return Response(206, headers, file=whole.file, start=start, length=end - start + 1)


def _without(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The chunks less their first `count` bytes."""
    for chunk in chunks:
        yield chunk[count:]
        count = max(0, count - len(chunk))


async def _paced(chunks: Iterator[bytes], rate: int) -> AsyncIterator[bytes]:
    step = max(1, rate // 20)
    for chunk in chunks:
        for start in range(0, len(chunk), step):
            yield chunk[start : start + step]
            await asyncio.sleep(step / rate)
