"""The real nginx, in front of a running service, as `tuxmirror nginx-config` sets it up.

with operator.serve("--listen", …) as service, Nginx(operator, service) as front:
    requests.get(front.url + path)

<folder>/nginx.conf         what a distribution would ship
<folder>/site.conf          from the command under test
<folder>/access.log, error.log
/dev/shm/…                  leases and cache, in memory
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.service import Endpoint

_MAIN = """
{user}
worker_processes {workers};
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
pcre_jit on;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
    {more}
}}
"""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def memory_folder():
    """A folder on a tmpfs, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tuxmirror-", dir="/dev/shm"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def in_front(operator, address, memory, *arguments, **kwargs):
    """An Nginx with the site that `nginx-config` prints for this operator.

    Args:
        address: host and port of the service.
        memory: a folder on a tmpfs, for the cache.
        arguments: further ones for `nginx-config`.
    """
    return site_of(operator.call, operator.root / "nginx", address, memory, *arguments, **kwargs)


def site_of(tuxmirror, folder, address, memory, *arguments, **kwargs):
    """The same, where `tuxmirror(*arguments)` runs the command and returns what it prints."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    config = tuxmirror(
        *("nginx-config", "--server-name", "localhost", "--plain-http"),
        *("--listen", f"127.0.0.1:{port}", "--service", "{}:{}".format(*address)),
        *("--cache", str(memory / "cache"), "--access-log", str(folder / "access.log")),
        *arguments,
    )
    return Nginx(folder, config, port, **kwargs)


class Nginx(Endpoint):
    """Runs while the context lasts.

    Args:
        config: the text of the site, such as from `nginx-config`.
        port: where that listens.
        more: further text for the http block.

    Attributes: `url`, `access_log`, `error_log`.
    """

    def __init__(self, folder, config, port, workers=1, more=""):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        super().__init__(f"http://127.0.0.1:{port}")
        self.access_log = self.folder / "access.log"
        self.error_log = self.folder / "error.log"
        (self.folder / "site.conf").write_text(config)
        main = _MAIN.format(folder=self.folder, workers=workers, more=more, user="user root;")
        self._main = self.folder / "nginx.conf"
        self._main.write_text(main)

    @property
    def argv(self):
        return ["nginx", "-p", str(self.folder), "-c", str(self._main)]

    @property
    def pid(self):
        return self._process.pid

    @property
    def workers(self):
        """Their process ids."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def check(self):
        """What `nginx -t` says; fails where it does not like the configuration."""
        done = subprocess.run([*self.argv, "-t"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def __enter__(self):
        self._process = subprocess.Popen(self.argv)
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            assert self._process.poll() is None, self.error_log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def __exit__(self, *_exc):
        self._process.terminate()
        self._process.wait(30)

    def log_text(self):
        """The access log, once nginx has written out what it buffers."""
        self._process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        return self.access_log.read_text()
