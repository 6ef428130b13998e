"""Fixtures of the tests that run `tuxmirror sync` as a process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .httpd import Httpd
from .keys import Keys
from .mirror import IMPATIENT, TREE, MirrorSite
from .repodata import Advisory
from .rpms import RpmSpec


@pytest.fixture
def upstream(httpd, tiny_upstream):
    """A server of `tiny_upstream`."""
    return httpd(tiny_upstream.root)


@pytest.fixture
def site(tmp_path, upstream, keys):
    """A mirror of `upstream` that was never synced."""
    return make_site(tmp_path / "mirror", upstream, keys)


@pytest.fixture(scope="session")
def synced_master(tmp_path_factory, keys, tiny_tree_master):
    with Httpd(tiny_tree_master.root) as server:
        site = make_site(tmp_path_factory.mktemp("synced") / "mirror", server, keys)
        run = site.sync()
        assert run.status == 0, run
    return site


@pytest.fixture
def synced(tmp_path, upstream, keys, synced_master):
    """A mirror that has the first state of `upstream`; it is less patient than the real one."""
    # Keeps the hard links between pool and public.
    subprocess.run(["cp", "-a", synced_master.root, tmp_path / "mirror"], check=True)
    site = make_site(tmp_path / "mirror", upstream, keys)
    site.limits = dict(IMPATIENT)
    return site


def make_site(root: Path, server: Httpd, keys: Keys) -> MirrorSite:
    root.mkdir(exist_ok=True)
    site = MirrorSite(root)
    site.add_tree(TREE, keys.almalinux, upstream=f"{server.url}/9.2")
    return site


@pytest.fixture
def news(tiny_upstream):
    """An upstream that has moved on, all in order."""
    delta = RpmSpec("delta")
    tiny_upstream.add("BaseOS", "x86_64", [delta])
    tiny_upstream.add_advisories(
        "BaseOS", "x86_64", [Advisory("ALSA-2023:0002", "delta update", (delta,))]
    )
    tiny_upstream.publish()
    return tiny_upstream
