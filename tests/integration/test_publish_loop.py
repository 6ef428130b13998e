"""A client that reads the metadata just before a publish still gets all that it names.

Real dnf installs the newest package in a loop, while the mirror publishes a new one as fast as it
can, served by the real nginx. With `repo_gpgcheck=1` two files must be of one publish as well. One
address cannot promise that; the mirror list of `tuxmirror serve` does.
"""

import contextlib
import hashlib
import shutil
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
import requests

from tests.support.fileserver import FileServer
from tests.support.mirror import OS_DIR, TREE
from tests.support.rpms import RpmSpec
from tests.support.service import Service

pytest_plugins = ("tests.support.mirror_fixtures",)

DNF_CONF = """\
[main]
gpgcheck=0
skip_if_unavailable=0
retries=1
[vetted]
name=vetted
{where}
repo_gpgcheck={repo_gpgcheck}
gpgkey=file://{key}
"""


BASEURL = f"baseurl={{}}/vetted/{OS_DIR}/"


class Client:
    """dnf in a loop; `failures` are what it said when it failed."""

    def __init__(self, folder, where, key, repo_gpgcheck):
        self.failures = []
        self.rounds = 0
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        folder.mkdir()
        self._config = folder / "dnf.conf"
        self._config.write_text(
            DNF_CONF.format(where=where, repo_gpgcheck=repo_gpgcheck, key=key.public)
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        # dnf's gpg started them.
        for pubring in self._folder.glob("root/var/cache/dnf/*/pubring"):
            subprocess.run(["gpgconf", "--homedir", pubring, "--kill", "all"], check=True)

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


def record_runs(record, client, times):
    record("dnf runs that failed", f"{len(client.failures)} of {client.rounds}, {times} publishes")


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
        Client(tmp_path / "client", BASEURL.format(server.url), key, repo_gpgcheck) as client,
    ):
        yield client


@pytest.mark.parametrize("times", [8, pytest.param(100, marks=pytest.mark.full)])
def test_no_download_fails_through_publishes(
    site, tiny_upstream, tmp_path, keys, times, record_property
):
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh", version="0.1", size=40_000)])
    tiny_upstream.publish()
    with client_of(site, tmp_path, keys.almalinux) as client:
        publish_often(site, tiny_upstream, times)
        while client.rounds < times // 4:
            time.sleep(0.1)
    record_runs(record_property, client, times)
    assert client.rounds
    assert client.failures == []


def test_without_the_grace_time_downloads_do_fail(site, tiny_upstream, tmp_path, keys):
    """The loop can see what it looks for: metadata that names packages already gone."""
    site.main["grace"] = "0s"
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh", version="0.1", size=40_000)])
    tiny_upstream.publish()
    assert site.sync("-q").status == 0
    with FileServer(site.public) as server:
        client = Client(tmp_path / "client", BASEURL.format(server.url), keys.almalinux, 0)
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


# -- repomd.xml and its signature are two requests -------------------------------------------------

BASE = f"{TREE}/BaseOS/x86_64/os/"
LIST = f"{TREE}/BaseOS/x86_64/mirrorlist"


class Prober:
    """Asks for repomd.xml, then for its signature, as fast as it can; `pairs` are what came.

    dnf asks once more before it gives up, which hides what this one sees.
    """

    def __init__(self, url, by_list):
        self.pairs = []
        self._url, self._by_list = url, by_list
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _loop(self):
        with requests.Session() as session:
            while not self._stop.is_set():
                root = f"{self._url}/{BASE}"
                if self._by_list:
                    root = session.get(f"{self._url}/{LIST}", timeout=30).text.split()[0]
                names = ("repodata/repomd.xml", "repodata/repomd.xml.asc")
                answers = [session.get(root + name, timeout=30) for name in names]
                assert {answer.status_code for answer in answers} == {200}
                self.pairs.append(tuple(digest(answer.content) for answer in answers))


def digest(data):
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def served(site, tmp_path, tree, key):
    """The embedded server with an open tree of signed metadata."""
    site.trees[TREE]["open"] = "yes"
    tree.add("BaseOS", "x86_64", [RpmSpec("fresh", version="0.1", size=40_000)])
    tree.publish()
    assert site.sync("-q").status == 0
    service = Service(SimpleNamespace(conf=site.conf, log=tmp_path / "service.log"))
    try:
        yield service
    finally:
        service.stop()


def publish_and_note(site, tree, times):
    """Returns the pairs that belong together, by repomd.xml's digest."""
    known = dict([shown_pair(site)])
    for number in range(times):
        tree.add("BaseOS", "x86_64", [RpmSpec(f"more{number}")])
        tree.publish(timestamp=tree.timestamp + 1)
        assert site.sync("-q").status == 0
        known.update([shown_pair(site)])
    return known


def shown_pair(site):
    repodata = site.public / "vetted" / OS_DIR / "repodata"
    return tuple(
        digest((repodata / name).read_bytes()) for name in ("repomd.xml", "repomd.xml.asc")
    )


def mismatched(site, tmp_path, tree, key, times, by_list, record):
    """The pairs that probers got and that are not of one publish."""
    with served(site, tmp_path, tree, key) as service, contextlib.ExitStack() as stack:
        probers = [stack.enter_context(Prober(service.url, by_list)) for _ in range(2)]
        known = publish_and_note(site, tree, times)
    pairs = [pair for prober in probers for pair in prober.pairs]
    assert len({repomd for repomd, _ in pairs}) > times // 2
    wrong = [pair for pair in pairs if known[pair[0]] != pair[1]]
    record("pairs that do not match", f"{len(wrong)} of {len(pairs)}, {times} publishes")
    return wrong


@pytest.mark.parametrize("times", [6, pytest.param(100, marks=pytest.mark.full)])
def test_one_address_shows_pairs_that_do_not_match(
    site, tiny_upstream, tmp_path, keys, times, record_property
):
    """The race is real, and the prober sees it."""
    assert mismatched(site, tmp_path, tiny_upstream, keys.almalinux, times, False, record_property)


@pytest.mark.parametrize("times", [6, pytest.param(100, marks=pytest.mark.full)])
def test_the_mirror_list_shows_matching_pairs_alone(
    site, tiny_upstream, tmp_path, keys, times, record_property
):
    assert not mismatched(
        site, tmp_path, tiny_upstream, keys.almalinux, times, True, record_property
    )


@pytest.mark.parametrize("times", [4, pytest.param(100, marks=pytest.mark.full)])
def test_dnf_checks_metadata_through_publishes_by_the_mirror_list(
    site, tiny_upstream, tmp_path, keys, times, record_property
):
    with (
        served(site, tmp_path, tiny_upstream, keys.almalinux) as service,
        Client(
            tmp_path / "client", f"mirrorlist={service.url}/{LIST}", keys.almalinux, 1
        ) as client,
    ):
        publish_often(site, tiny_upstream, times)
        while client.rounds < times // 4:
            time.sleep(0.1)
    record_runs(record_property, client, times)
    assert client.rounds
    assert client.failures == []


@pytest.mark.full
def test_dnf_checks_metadata_through_publishes_at_one_address(
    site, tiny_upstream, tmp_path, keys, record_property
):
    """The rate without the mirror list, for the record; dnf's second try makes it a low one."""
    with (
        served(site, tmp_path, tiny_upstream, keys.almalinux) as service,
        Client(tmp_path / "client", f"baseurl={service.url}/{BASE}", keys.almalinux, 1) as client,
    ):
        publish_often(site, tiny_upstream, 100)
    record_runs(record_property, client, 100)
    assert client.rounds
