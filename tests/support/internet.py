"""The public names that the guides type, on a host's own network: repo.tuxcare.com and such.

    with Internet(host, folder, sites) as internet: …

`sites` says what answers for each name: a folder of files, or a port of the host's loopback where a
server listens; a name may go on with the beginning of a path, for what another answers there. One
process in the host's network does it, on 80 and 443, with a certificate of an authority that the
host trusts from then on; /etc/hosts knows the names. The machine's own network is left alone.

Run as a program (`python internet.py CONFIG`) it is that process.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .host import Host

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_HEAD_LIMIT = 64 * 1024


class Internet:
    """The names, as long as the context lasts. `links` are addresses to have besides loopback."""

    def __init__(
        self,
        host: Host,
        folder: Path,
        sites: Mapping[str, Path | int],
        links: tuple[str, ...] = (),
    ) -> None:
        self._host = host
        self._folder = folder
        self._sites = sites
        self._links = links

    def __enter__(self) -> Internet:
        self._folder.mkdir(parents=True)
        names = sorted({name.partition("/")[0] for name in self._sites if not name[0].isdigit()})
        certificate = make_certificate(self._folder, names)
        host = self._host
        host.write("/etc/hosts", f"127.0.0.1 localhost {' '.join(names)}\n")
        host.write(BUNDLE, host.path(BUNDLE).read_bytes() + certificate.read_bytes())
        for address in self._links:
            host.run(["ip", "address", "add", f"{address}/32", "dev", "lo"])
        config = self._folder / "config.json"
        config.write_text(
            json.dumps(
                {
                    "sites": {name: str(site) for name, site in self._sites.items()},
                    "certificate": str(certificate),
                    "key": str(self._folder / "key.pem"),
                }
            )
        )
        self._process = in_network(host, [sys.executable, "-S", __file__, str(config)])
        _wait_for_port(host, 443)
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)


def in_network(host: Host, command: list[str], **options: object) -> subprocess.Popen[bytes]:
    """A process that sees this machine's files and the host's network."""
    return subprocess.Popen(["nsenter", "-t", str(host.pid), "-n", *command], **options)  # type: ignore[call-overload,no-any-return]


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)


def _wait_for_port(host: Host, port: int, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not host._listens(port):
        assert time.monotonic() < deadline, f"nothing listens on port {port}"
        time.sleep(0.02)


def make_certificate(folder: Path, names: list[str]) -> Path:
    """A self-signed certificate for the names; key.pem beside it."""
    path = folder / "certificate.pem"
    alternatives = ",".join(f"DNS:{name}" for name in names)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "30", "-subj", "/CN=Test", "-addext", f"subjectAltName={alternatives}",
         "-keyout", str(folder / "key.pem"), "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


# -- the process in the host's network -----------------------------------------------------------


class _Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


def _serve_folder(folder: str) -> int:
    """A port of loopback that serves the files."""
    handler = functools.partial(_Files, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


def _listen(port: int, ports: dict[str, int], context: ssl.SSLContext | None) -> None:
    server = socket.create_server(("0.0.0.0", port), backlog=64)
    while True:
        client, _ = server.accept()
        threading.Thread(target=_connect, args=(client, ports, context), daemon=True).start()


def _connect(client: socket.socket, ports: dict[str, int], context: ssl.SSLContext | None) -> None:
    try:
        if context:
            client = context.wrap_socket(client, server_side=True)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT:
            chunk = client.recv(65536)
            if not chunk:
                return
            head += chunk
        server = socket.create_connection(("127.0.0.1", _port_of(head, ports)))
        server.sendall(head)
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        _pump(client, server)
    except (OSError, KeyError):
        client.close()


def _port_of(head: bytes, ports: dict[str, int]) -> int:
    """Of the longest name and path that fit; raises KeyError for none."""
    address = _host_of(head) + head.split(b" ", 2)[1].decode("latin-1")
    fitting = [name for name in ports if (address + "/").startswith(name)]
    return ports[max(fitting, key=len, default="")]


def _host_of(head: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"host":
            return value.strip().decode().partition(":")[0]
    return ""


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def main(config_path: str) -> None:
    config = json.loads(Path(config_path).read_text())
    ports = {
        name: int(site) if site.isdigit() else _serve_folder(site)
        for name, site in config["sites"].items()
    }
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config["certificate"], config["key"])
    threading.Thread(target=_listen, args=(80, ports, None), daemon=True).start()
    _listen(443, ports, context)


if __name__ == "__main__":
    main(sys.argv[1])
