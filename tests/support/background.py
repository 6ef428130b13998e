"""An HTTP server in a thread of its own, while a context lasts. Runs on Python 3.6 too."""

import sys
import threading
from http.server import HTTPServer
from socketserver import ThreadingMixIn


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that turn away, from a certificate for one, are none of the test's concern."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Background:
    """Serves `handler` on 127.0.0.1, a port of its own; `url` says which."""

    def __init__(self, handler):
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
