"""A registration service in memory, for the client's tests. Runs on Python 3.6 too.

It speaks what `tuxmirror serve` speaks, and answers badly on command:

    with RegistrationServer() as server:
        server.keys["ESU-..."] = {"products": ["essential", "esu", "fips"]}
        server.answer("token/register", status=503, times=2)
        server.calls            # [("POST", "/cln/api/els/key/check", {...}, {headers})]
        server.tokens           # token -> what the host said about itself
        server.repositories     # paths below which content answers 200; with a token that it knows
"""

import contextlib
import json
import secrets
import ssl
from http.server import BaseHTTPRequestHandler

from tests.support.background import Background

PREFIX = "/cln/api/els/"


class RegistrationServer(Background):
    """On 127.0.0.1, a port of its own; `url` says which."""

    def __init__(self, has_key_check=True):
        self.keys = {}
        self.tokens = {}
        self.calls = []
        self.repositories = set()
        self.content_url = None
        self.has_key_check = has_key_check
        self.has_refresh = True
        self.asked = []
        self._answers = []
        owner = self

        class Handler(_Handler):
            service = owner

        super().__init__(Handler)

    @contextlib.contextmanager
    def tls(self, certificate, key):
        """Speaks TLS while the context lasts; `url` says so."""
        plain, url = self._server.socket, self.url
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        )
        self.url = url.replace("http:", "https:")
        yield self
        self.url = url

    def answer(self, call, status=200, body=b"", headers=None, times=None):
        """Answer one call (`token/register`) so, `times` times or for ever."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self._answers.append([call, status, body, headers or {}, times])

    def called(self, call):
        """The bodies of the calls so far."""
        return [body for _method, path, body, _headers in self.calls if path == PREFIX + call]

    # -- what the handler asks ---------------------------------------------------------------

    def scripted(self, call):
        for item in self._answers:
            if item[0] == call and item[4] != 0:
                if item[4] is not None:
                    item[4] -= 1
                return item[1:4]
        return None

    def respond(self, call, body, headers):
        """(status, document) as a service that works gives it."""
        if call == "key/check" and self.has_key_check:
            return self._with_key(body, lambda licence: (200, licence))
        if call == "token/register":
            return self._with_key(body, lambda licence: (200, self._issue(body, licence)))
        token = headers.get("Authorization", "").replace("Bearer ", "", 1)
        if call == "token/unregister":
            known = self.tokens.pop(token, None)
            return (200, {"ok": True}) if known else (401, {"error": "unknown_token"})
        if call == "token/check" and self.has_refresh:
            if token not in self.tokens:
                return 401, {"error": "unauthorized"}
            return self._with_key(self.tokens[token], lambda licence: (200, licence))
        if call == "token/refresh" and self.has_refresh:
            if token not in self.tokens:
                return 401, {"error": "unauthorized"}
            # The old one stays valid for a while, here for ever.
            return 200, self._issue(self.tokens[token], self.keys[self.tokens[token]["key"]])
        return 404, {"error": "not_found"}

    def content_status(self, path, headers):
        """Of a file below /almalinux/RELEASE/TOKEN/ or the like; TOKEN may be in a header."""
        self.asked.append(path)
        parts = path.split("/")
        token = parts[3] if len(parts) > 3 and len(parts[3]) >= 32 else None
        token = token or headers.get("Authorization", "").replace("Bearer ", "", 1)
        if token and token not in self.tokens:
            return 403
        return 200 if any(path.startswith(known) for known in self.repositories) else 404

    def _with_key(self, body, then):
        licence = self.keys.get(body.get("key"))
        if licence is None:
            return 401, {"error": "unknown_key", "message": "unknown licence key"}
        if "error" in licence:
            return 403, {"error": licence["error"], "message": licence["message"]}
        return then(licence)

    def _issue(self, body, licence):
        token = "EXTENDED_SECURITY_UPDATES-SERVER-" + secrets.token_hex(16)
        self.tokens[token] = body
        answer = {"token": token}
        answer.update({key: licence[key] for key in ("products", "expires") if key in licence})
        if self.content_url:
            answer["content_url"] = self.content_url
        return answer


class _Handler(BaseHTTPRequestHandler):
    service = None

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(data.decode()) if data else {}
        call = self.path[len(PREFIX) :] if self.path.startswith(PREFIX) else self.path
        self.service.calls.append(("POST", self.path, body, dict(self.headers)))
        scripted = self.service.scripted(call)
        if scripted:
            self._send(*scripted)
        else:
            status, document = self.service.respond(call, body, self.headers)
            self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def do_GET(self):
        self.service.calls.append(("GET", self.path, None, dict(self.headers)))
        self._send(self.service.content_status(self.path, self.headers), b"", {})

    def _send(self, status, body, headers):
        self.send_response_only(status)
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
