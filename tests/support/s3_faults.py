"""An S3 service that misbehaves: a proxy before a real one or its double.

    with FaultyS3(service) as faulty:                # an S3Service itself
        faulty.fault("PUT", "*/pool/*", "status", times=3, code=503)
        faulty.fault("PUT", "*/pool/*", "lose")       # says 200 and forgets it
        faulty.fault("PUT", "*", "call", function=f)  # somebody else does something just before

Patterns match `METHOD` and the path; the newest fault counts.
"""

from __future__ import annotations

import fnmatch
import hashlib
import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from .s3 import S3Service

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})
_ERROR = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message></Error>"""


class Fault:
    def __init__(self, method: str, pattern: str, kind: str, times: int | None, **options: Any):
        self.method, self.pattern, self.kind = method, pattern, kind
        self.times, self.options = times, options

    def applies(self, method: str, path: str) -> bool:
        return (
            self.times != 0
            and fnmatch.fnmatchcase(method, self.method)
            and fnmatch.fnmatchcase(path, self.pattern)
        )


class FaultyS3(S3Service):
    """`requests` are all that came: method, decoded path, status."""

    def __init__(self, service: S3Service) -> None:
        self._service = service
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.requests: list[tuple[str, str, int]] = []

    def __enter__(self) -> FaultyS3:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fault(
        self, method: str, pattern: str, kind: str, times: int | None = None, **options: Any
    ) -> None:
        with self._lock:
            self._faults.insert(0, Fault(method, pattern, kind, times, **options))

    def heal(self) -> None:
        with self._lock:
            self._faults.clear()

    def count(self, method: str, pattern: str = "*") -> int:
        return sum(m == method and fnmatch.fnmatchcase(p, pattern) for m, p, _ in self.requests)

    def client(self) -> Any:
        return self._service.client()

    def _hit(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.applies(method, path):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


def _handler(owner: FaultyS3) -> type[BaseHTTPRequestHandler]:
    target = urlsplit(owner._service.url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path)
            fault = owner._hit(self.command, path)
            status, headers, data = self._decide(fault, body)
            owner.requests.append((self.command, path, status))
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if not any(name.lower() == "content-length" for name, _ in headers):
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def _decide(self, fault: Fault | None, body: bytes) -> tuple[int, list[Any], bytes]:
            if fault is None:
                return self._pass(body)
            if fault.kind == "lose":
                return 200, [("ETag", f'"{hashlib.md5(body).hexdigest()}"')], b""
            if fault.kind == "call":
                fault.options["function"]()
                return self._pass(body)
            if fault.kind == "answer_lost":
                self._pass(body)
                return self._error(500, "InternalError")
            return self._error(fault.options.get("code", 503), fault.options.get("name", ""))

        def _error(self, status: int, name: str) -> tuple[int, list[Any], bytes]:
            text = _ERROR.format(code=name or "SlowDown", message="a fault of the test")
            return status, [("Content-Type", "application/xml")], text.encode()

        def _pass(self, body: bytes) -> tuple[int, list[Any], bytes]:
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
            headers["Content-Length"] = str(len(body))
            # The host is part of what is signed, and the service has another one.
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
            if self.command == "HEAD" and answer.getheader("Content-Length"):
                kept.append(("Content-Length", answer.getheader("Content-Length")))
            connection.close()
            return answer.status, kept, data

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            return

    return Handler
