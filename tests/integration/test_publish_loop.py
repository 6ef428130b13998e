"""A client that reads the metadata just before a publish still gets all that it names.

Real dnf installs the newest package in a loop, while the mirror publishes a new one as fast as it
can, served by the real nginx.
"""

import contextlib
import shutil
import subprocess
import threading
import time

import pytest

from tests.support.fileserver import FileServer
from tests.support.mirror import OS_DIR
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

DNF_CONF = """\
[main]
gpgcheck=0
skip_if_unavailable=0
retries=1
[vetted]
name=vetted
baseurl={url}/vetted/{os_dir}/
repo_gpgcheck={repo_gpgcheck}
gpgkey=file://{key}
"""


class Client:
    """dnf in a loop; `failures` are what it said when it failed."""

    def __init__(self, folder, url, key, repo_gpgcheck):
        self.failures = []
        self.rounds = 0
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        folder.mkdir()
        self._config = folder / "dnf.conf"
        self._config.write_text(
            DNF_CONF.format(url=url, os_dir=OS_DIR, repo_gpgcheck=repo_gpgcheck, key=key.public)
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _loop(self):
        while not self._stop.is_set():
            self._download()

    def _download(self):
        root = self._folder / "root"
        out = self._folder / "out"
        done = subprocess.run(
            ["dnf", f"--config={self._config}", f"--installroot={root}", "--releasever=9",
             "--setopt=reposdir=/nowhere", "--setopt=pluginpath=/nowhere", "--refresh", "-y",
             "--downloadonly", f"--destdir={out}", "install", "fresh"],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        self.rounds += 1
        shutil.rmtree(out, ignore_errors=True)
        if done.returncode:
            self.failures.append(done.stdout + done.stderr)


def publish_often(site, tree, times):
    for number in range(times):
        tree.remove("BaseOS", "x86_64", "fresh-*")
        tree.add("BaseOS", "x86_64", [RpmSpec("fresh", version=f"1.{number}", size=40_000)])
        tree.publish(timestamp=tree.timestamp + 1)
        assert site.sync("-q").status == 0


@contextlib.contextmanager
def client_of(site, tmp_path, key, repo_gpgcheck=0):
    publish = site.sync("-q")
    assert publish.status == 0, publish
    with (
        FileServer(site.public) as server,
        Client(tmp_path / "client", server.url, key, repo_gpgcheck) as client,
    ):
        yield client


@pytest.mark.parametrize("times", [8, pytest.param(100, marks=pytest.mark.full)])
def test_no_download_fails_through_publishes(site, tiny_upstream, tmp_path, keys, times):
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh", version="0.1", size=40_000)])
    tiny_upstream.publish()
    with client_of(site, tmp_path, keys.almalinux) as client:
        publish_often(site, tiny_upstream, times)
        while client.rounds < times // 4:
            time.sleep(0.1)
    assert client.rounds
    assert client.failures == []


def test_without_the_grace_time_downloads_do_fail(site, tiny_upstream, tmp_path, keys):
    """The loop can see what it looks for: metadata that names packages already gone."""
    site.main["grace"] = "0s"
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh", version="0.1", size=40_000)])
    tiny_upstream.publish()
    assert site.sync("-q").status == 0
    with FileServer(site.public) as server:
        client = Client(tmp_path / "client", server.url, keys.almalinux, 0)
        client._download()
        assert client.failures == []
        # The metadata is read by now; its package goes before it is fetched.
        with client._config.open("a") as config:
            config.write("metadata_expire=never\n")
        publish_often(site, tiny_upstream, 1)
        done = subprocess.run(
            ["dnf", f"--config={client._config}", f"--installroot={tmp_path}/client/root",
             "--releasever=9", "--setopt=reposdir=/nowhere", "--setopt=pluginpath=/nowhere", "-C",
             "repoquery", "--location", "fresh"],
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
        location = done.stdout.split()[-1].rpartition("/")[2]
        assert location == "fresh-0.1-1.el9.x86_64.rpm"
        assert location not in site.packages()
