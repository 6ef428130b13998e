"""A forwarding HTTP proxy for the client's tests. Runs on Python 3.6 too.

with Proxy() as proxy:
    proxy.password = "secret"   # from now on 407 without credentials
    proxy.seen                  # URLs and tunnels that were asked for
"""

import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler

from tests.support.background import Background


class Proxy(Background):
    """On 127.0.0.1, a port of its own; `url` says which."""

    def __init__(self):
        self.seen = []
        self.password = None
        owner = self

        class Handler(_Handler):
            proxy = owner

        super().__init__(Handler)


class _Handler(BaseHTTPRequestHandler):
    proxy = None

    def do_CONNECT(self):
        """Tunnels lead nowhere: tests use plain HTTP where they need an answer."""
        self.proxy.seen.append(self.path)
        self.send_error(407 if self.proxy.password else 502)

    def do_GET(self):
        self._forward(None)

    def do_POST(self):
        self._forward(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _forward(self, body):
        self.proxy.seen.append(self.path)
        if self.proxy.password:
            self.send_error(407)
            return
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("connection", "proxy-connection", "host", "accept-encoding")
        }
        request = urllib.request.Request(self.path, body, headers, method=self.command)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                self._send(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            self._send(error.code, error.headers, error.read())

    def _send(self, status, headers, body):
        self.send_response_only(status)
        for name in ("Date", "Content-Type"):
            if headers.get(name):
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
