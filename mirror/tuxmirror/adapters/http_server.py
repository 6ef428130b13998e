"""The embedded web server: waitress, with a clean start and end.

It listens where it is told, or takes the socket that systemd holds for it. The latter stays open
while the service restarts, so whoever connects meanwhile waits instead of failing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any, Callable

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import WSGITask

from ..core.credentials import redact
from ..core.errors import ConfigError

# How long answers at work may take to finish after a request to stop.
DRAIN_SECONDS = 30.0
_BACKLOG = 1024
_SETTINGS = {
    "threads": 8,
    "ident": "tuxmirror",
    # 100 are few where every host of a fleet keeps several connections.
    "connection_limit": 2000,
    "asyncore_use_poll": True,
    "backlog": _BACKLOG,
    # The application decides which proxy it believes.
    "clear_untrusted_proxy_headers": False,
    # The application refuses more than 16 kB in its own words; this bounds what is received.
    "max_request_body_size": 1024 * 1024,
    "max_request_header_size": 16 * 1024,
}


SYSTEMD = "systemd"
# sd_listen_fds(3): the first descriptor that is passed.
_LISTEN_FDS_START = 3


class _Task(WSGITask):
    """Keeps the connection after an answer that has no body by definition.

    waitress ends it, as if the end of the connection had to mark the end of the body. A client
    that finds its metadata unchanged would have to connect again for the next question.
    """

    def set_close_on_finish(self) -> None:
        kept = self.version == "1.1" and not self.has_body
        if kept and self.request.headers.get("CONNECTION", "").lower() != "close":
            return
        super().set_close_on_finish()


class _Channel(HTTPChannel):
    task_class = _Task


def parse_listen(text: str) -> tuple[str, int] | None:
    """`127.0.0.1:8080`, `[::1]:8080`, `localhost:0`; None for `systemd`: a socket is passed.

    Raises:
        ConfigError.
    """
    if text == SYSTEMD:
        return None
    host, colon, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not (host and colon and port.isdecimal() and int(port) < 65536):
        raise ConfigError(
            f"--listen: cannot listen on '{text}'",
            expected=f"ADDRESS:PORT, such as 127.0.0.1:8080, or {SYSTEMD}",
        )
    return host, int(port)


def serve(
    app: Callable[..., Any],
    address: tuple[str, int] | None,
    log: Callable[[str], None],
    listening: Callable[[str], None],
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what it is sending; a second one ends it.

    Must run in the main thread.

    Args:
        app: the WSGI application.
        address: host and port; port 0 takes a free one. None: systemd passes a socket.
        log: where the server's own troubles go.
        listening: called once with the real URL, when connections are accepted.

    Raises:
        ConfigError: the address cannot be used.
    """
    bound = _bind(address) if address else _passed()
    _send_logs_to(log)
    sockets: dict[int, Any] = {}
    server = create_server(app, map=sockets, sockets=[bound], **_SETTINGS)
    server.channel_class = _Channel
    with _stop_signals(server) as stop:
        listening(_url(bound))
        while not stop.asked:
            _turn(sockets)
        _drain(server, sockets, stop)
    server.task_dispatcher.shutdown(timeout=1)
    wasyncore.close_all(sockets)


def _turn(sockets: dict[int, Any], timeout: float = 1.0) -> None:
    wasyncore.loop(timeout=timeout, use_poll=True, map=sockets, count=1)


def _drain(server: Any, sockets: dict[int, Any], stop: _Stop) -> None:
    """Accepts no more, and lets the answers at work finish: nobody's download breaks off."""
    wasyncore.dispatcher.close(server)
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline and stop.asked == 1:
        # A copy: closing takes them out.
        for channel in list(server.active_channels.values()):
            if not (channel.requests or channel.request or channel.total_outbufs_len):
                channel.handle_close()
        if not server.active_channels:
            return
        _turn(sockets, timeout=0.1)


class _Stop:
    """How often a signal asked to stop; the second time means now."""

    asked = 0


@contextlib.contextmanager
def _stop_signals(server: Any) -> Iterator[_Stop]:
    stop = _Stop()

    def ask(_number: int, _frame: object) -> None:
        stop.asked += 1
        server.pull_trigger()

    previous = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _bind(address: tuple[str, int]) -> socket.socket:
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"--listen: cannot listen on {address[0]} port {address[1]}: {error.strerror}",
            way_out="choose another address or port, or stop what uses it",
        ) from None


def _passed() -> socket.socket:
    """The socket that systemd passes to this process. Raises ConfigError where it does not."""
    for_us = os.environ.get("LISTEN_PID") == str(os.getpid())
    if not for_us or os.environ.get("LISTEN_FDS") != "1":
        raise ConfigError(
            "--listen systemd: no socket was passed",
            expected="one, from a .socket unit",
            way_out="start it by its unit, or name an address",
        )
    os.set_inheritable(_LISTEN_FDS_START, False)
    return socket.socket(fileno=_LISTEN_FDS_START)


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _RedactedLog(logging.Handler):
    """Waitress names the path of a request that failed; our log knows no secrets."""

    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage().split()
        self._log("server: " + " ".join(redact(word) for word in words))


def _send_logs_to(log: Callable[[str], None]) -> None:
    for name in ("waitress", "waitress.queue"):
        logger = logging.getLogger(name)
        logger.handlers = [_RedactedLog(log)]
        logger.propagate = False
    # Says only that more requests came than there are threads.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
