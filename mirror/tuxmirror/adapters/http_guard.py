"""Turns guessers away before a request costs anything.

An address that sent too many wrong keys gets its 429 here: no body is read, no route looked for.
So a thousand wrong keys a second leave the time of this process to those who have right ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Callable

from ..core.addresses import Network, client_address
from ..ports.registry import RegistrationService

# In the WSGI environment: the client's address, behind trusted proxies too.
REMOTE = "tuxmirror.remote"

_BODY = json.dumps({"error": "too_many", "message": "too many requests for this address"}).encode()

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Guard:
    """A WSGI application in front of another, for paths that begin with `prefix`.

    Args:
        refused: called for each that was turned away.
    """

    def __init__(
        self,
        app: Wsgi,
        prefix: str,
        registration: RegistrationService,
        trusted_proxies: Sequence[Network],
        refused: Callable[[], None],
    ) -> None:
        self._app = app
        self._prefix = prefix
        self._registration = registration
        self._trusted = trusted_proxies
        self._refused = refused

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        peer = environ.get("REMOTE_ADDR") or "-"
        remote = client_address(peer, environ.get("HTTP_X_FORWARDED_FOR"), self._trusted)
        environ[REMOTE] = remote
        if environ["PATH_INFO"].startswith(self._prefix):
            wait = self._registration.shut_out(remote)
            if wait > 0:
                self._refused()
                headers = [
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(_BODY))),
                    ("Cache-Control", "no-store"),
                    ("Retry-After", str(math.ceil(wait))),
                ]
                start_response("429 Too Many Requests", headers)
                return [_BODY]
        return self._app(environ, start_response)
