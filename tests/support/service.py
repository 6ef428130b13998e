"""A mirror operator's machine: configuration, published content, the real `tuxmirror` command.

    operator = Operator(tmp_path)
    operator.publish({"almalinux/9.2/BaseOS/x86_64/os/repodata/repomd.xml": b"..."})
    key = operator.create_licence("--product", "esu", "--hosts", "2")
    with operator.serve() as service:
        token = service.register(key, "web1").json()["token"]
        service.get(f"/almalinux/9.2/{token}/BaseOS/x86_64/os/repodata/repomd.xml")
    assert service.exit_status == 0

Content is laid out as published (generation, channel symlink) without a sync, for tests that are
about serving alone.
"""

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

TUXMIRROR = (sys.executable, "-m", "tuxmirror")
API = "/cln/api/els/"


class Operator:
    """Everything of one operator lies in `root`.

    Attributes: `store`, `public`, `conf` (Paths), `log` (what the services wrote to stderr).
    """

    def __init__(self, root, main="", trees=""):
        self.root = Path(root)
        self.store = self.root / "store"
        self.public = self.root / "public"
        self.conf = self.root / "tuxmirror.conf"
        self.log = self.root / "service.log"
        self.public.mkdir(parents=True)
        self.conf.write_text(
            f"[main]\nstore = {self.store}\npublic = {self.public}\n{main}\n{trees}\n"
        )
        self._generation = 0

    @property
    def state(self):
        return self.store / "state"

    @property
    def audit(self):
        """The audit log as a list of dictionaries."""
        return [json.loads(line) for line in (self.state / "audit.log").read_text().splitlines()]

    def run(self, *arguments, status=0, stdin=""):
        """Runs the real `tuxmirror`; returns its standard output, or its standard error where
        another exit status than 0 is expected."""
        done = subprocess.run(
            [*TUXMIRROR, "-c", str(self.conf), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def call(self, *arguments, status=0):
        """Like `run` for `license` and `host`, within this process: half a second less each."""
        from tuxmirror.cli import main

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                found = main(["-c", str(self.conf), *arguments])
            except SystemExit as stop:
                found = stop.code
        assert found == status, (found, out.getvalue(), err.getvalue())
        return out.getvalue() if status == 0 else err.getvalue()

    def json(self, *arguments):
        return json.loads(self.call(*arguments, "--json"))

    def create_licence(self, *arguments):
        """The key of a new licence."""
        return self.call("license", "create", *arguments).strip()

    def publish(self, files, channel="vetted"):
        """Makes a generation of `files` (path: bytes) and points the channel at it."""
        self._generation += 1
        generation = self.public / ".generations" / channel / str(self._generation)
        for path, content in files.items():
            target = generation / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        new = self.public / f".{channel}.new"
        new.symlink_to(generation.relative_to(self.public))
        new.rename(self.public / channel)
        return generation

    @contextlib.contextmanager
    def serve(self, *arguments):
        """The real server on a free port; ends with SIGTERM."""
        service = Service(self, arguments)
        try:
            yield service
        finally:
            service.stop()


class Endpoint:
    """Something that speaks HTTP: `url`, and `address` as host and port."""

    def __init__(self, url):
        self.url = url
        host, port = url[len("http://") :].rsplit(":", 1)
        self.address = (host, int(port))

    def get(self, path, **kwargs):
        return requests.get(self.url + path, timeout=30, **kwargs)

    def post(self, call, body=None, token=None, **kwargs):
        """`call` is such as `token/register`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.post(
            self.url + API + call, json=body, headers=headers, timeout=30, **kwargs
        )

    def register(self, key, host_name="web1", **facts):
        return self.post("token/register", {"key": key, "host_name": host_name, **facts})

    def raw(self, request):
        """Sends bytes as they are, so that no client tidies a path; returns (status, answer)."""
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
        return int(answer.split(b" ", 2)[1]), answer

    def raw_get(self, path):
        """GET of a path as it is (text or bytes)."""
        path = path.encode() if isinstance(path, str) else path
        head = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        return self.raw(b"GET " + path + head)


class Service(Endpoint):
    """A running `tuxmirror serve`."""

    def __init__(self, operator, arguments=()):
        self._log = operator.log.open("ab")
        self._process = subprocess.Popen(
            [*TUXMIRROR, "-c", str(operator.conf), "serve", "--listen", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.exit_status = None
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            self._process.kill()
            raise AssertionError((line, operator.log.read_text()))
        super().__init__(line.split()[-1])
        self.pid = self._process.pid

    def signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    def wait(self, timeout=40):
        self.exit_status = self._process.wait(timeout)
        return self.exit_status

    def stop(self):
        """SIGTERM, then wait; a server that does not end is killed and fails the test."""
        if self._process.poll() is None:
            self.signal()
        started = time.monotonic()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(
                f"no end {time.monotonic() - started:.0f} s after SIGTERM"
            ) from None
        finally:
            self._process.stdout.close()
            self._log.close()
