"""S3 services for tests: moto's double, and a real one-node Ceph.

    with Moto() as service:              # in this process, up in a second
        bucket = service.bucket()        # an empty one, made for the caller
        os.environ.update(service.environment)

Both honour conditional writes. Moto believes every credential; Ceph checks them, the clock and the
digests, and is what `./dev test --full` runs the same tests on.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

KEY, SECRET = "AKIATUXMIRRORTEST", "not-a-secret-of-anybody"


class S3Service:
    """What both have. `url` is the endpoint."""

    url = ""
    _numbers = itertools.count(1)

    @property
    def environment(self) -> dict[str, str]:
        """What AWS's tools read; it hides what the machine has of its own."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "no_proxy": "127.0.0.1",
        }

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )

    def bucket(self) -> str:
        """The name of an empty bucket."""
        name = f"t{os.getpid()}-{next(self._numbers)}-{uuid.uuid4().hex[:8]}"
        self.client().create_bucket(Bucket=name)
        return name

    def objects(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """Everything in a bucket, by key."""
        client = self.client()
        found = {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                answer = client.get_object(Bucket=bucket, Key=item["Key"])
                found[item["Key"]] = answer["Body"].read()
        return found


class Moto(S3Service):
    """moto's server, in a thread."""

    def __enter__(self) -> Moto:
        from moto.server import ThreadedMotoServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()


CEPH_PROGRAMS = ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph", "radosgw", "radosgw-admin")

_CEPH_CONF = """\
[global]
fsid={fsid}
mon host=[v2:127.0.0.1:{mon_port}]
keyring={dir}/keyring
run dir={dir}
admin socket=
pid file=
log file={dir}/$type.log
public addr=127.0.0.1
mon data={dir}/mon
mgr data={dir}/mgr
osd data={dir}/osd
rgw data={dir}/rgw
mon allow pool size one=true
osd pool default size=1
osd pool default pg num=8
osd pool default pg autoscale mode=off
osd crush chooseleaf type=0
osd objectstore=memstore
memstore device bytes=4294967296
rgw frontends=beast endpoint=127.0.0.1:{port} tcp_nodelay=1
"""


class Ceph(S3Service):
    """A monitor, a manager, one OSD in memory, and its S3 gateway."""

    def __enter__(self) -> Ceph:
        self._folder = Path(tempfile.mkdtemp(prefix="tuxmirror-ceph-", dir="/dev/shm"))
        self._daemons: list[subprocess.Popen[bytes]] = []
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # The gateway last started; it waits for connections that clients keep open.
        for daemon in reversed(self._daemons):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(1)
            daemon.kill()
            daemon.wait()
        shutil.rmtree(self._folder)

    def _start(self) -> None:
        folder = self._folder
        for name in ("mon", "mgr", "osd", "rgw"):
            (folder / name).mkdir()
        port, mon_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
        conf = folder / "c"
        conf.write_text(_CEPH_CONF.format(dir=folder, fsid=fsid, port=port, mon_port=mon_port))
        keyring = folder / "keyring"
        keyring.touch()
        for name, *caps in (
            ("mon.", "mon"),
            ("client.admin", "mon", "osd", "mgr"),
            ("client.rgw", "mon", "osd"),
            ("mgr.x", "mon", "osd"),
            ("osd.0", "mon", "mgr"),
        ):
            grants = [word for cap in caps for word in ("--cap", cap, "allow *")]
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *grants)
        address = f"[v2:127.0.0.1:{mon_port}]"
        map_file = folder / "map"
        self._run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, map_file)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", map_file, "--keyring", keyring)
        self._daemon("ceph-mon", "-i", "a")
        self._daemon("ceph-mgr", "-i", "x")
        self._run("ceph", "osd", "new", osd, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._daemon("ceph-osd", "-i", "0")
        self._daemon("radosgw", "-n", "client.rgw")
        _wait_for(self.url)
        self._run(
            *("radosgw-admin", "user", "create", "--uid=t", "--display-name=t"),
            *(f"--access-key={KEY}", f"--secret={SECRET}"),
        )

    def _daemon(self, *argv: str) -> None:
        """In the foreground, and gone with this process, however that ends."""
        with (self._folder / "said").open("a") as said:
            daemon = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv, "-f"],
                env={**os.environ, "CEPH_CONF": str(self._folder / "c")},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        self._daemons.append(daemon)

    def _run(self, *argv: object) -> None:
        # Files and not pipes: daemons inherit them and would keep a pipe open.
        with (self._folder / "said").open("a+") as said:
            done = subprocess.run(
                [str(word) for word in argv],
                env={**os.environ, "CEPH_CONF": str(self._folder / "c")},
                stdout=said,
                stderr=said,
                stdin=subprocess.DEVNULL,
            )
            said.seek(0)
            assert done.returncode == 0, said.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=10).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.1)
        else:
            return


@contextlib.contextmanager
def surroundings(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment, for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
