"""Fixtures of tests with a policy: a mirror of the standard tree whose vetted channel soaks."""

from __future__ import annotations

import subprocess

import pytest

from .httpd import Httpd
from .vetting import DAY, NOW, make_site


@pytest.fixture(scope="session")
def vetting_master(tmp_path_factory, keys, standard_tree_master):
    with Httpd(standard_tree_master.root) as server:
        site = make_site(tmp_path_factory.mktemp("vetting") / "mirror", server, keys)
        done = site.sync()
        assert done.status == 0, done
    return site


@pytest.fixture
def vetted_site(tmp_path, httpd, standard_upstream, keys, vetting_master):
    """Synced once, at NOW; `standard_upstream.advance()` brings what soaks for a week."""
    # Keeps the hard links between pool and public.
    subprocess.run(["cp", "-a", vetting_master.root, tmp_path / "mirror"], check=True)
    return make_site(tmp_path / "mirror", httpd(standard_upstream.root), keys)


@pytest.fixture(scope="session")
def moved_master(tmp_path_factory, keys, vetting_master, standard_tree_master):
    """The upstream's second state, and a mirror that verified it and let nothing of it pass."""
    folder = tmp_path_factory.mktemp("moved")
    upstream = standard_tree_master.copy(folder / "upstream")
    upstream.advance()
    subprocess.run(["cp", "-a", vetting_master.root, folder / "mirror"], check=True)
    with Httpd(upstream.root) as server:
        make_site(folder / "mirror", server, keys).later(1, "--no-publish")
    return folder / "mirror", upstream


@pytest.fixture
def moved_upstream(moved_master, tmp_path):
    """What `moved` follows, in its second state."""
    return moved_master[1].copy(tmp_path / "upstream")


@pytest.fixture
def moved(moved_master, moved_upstream, tmp_path, httpd, keys):
    """Upstream's second state is verified, a day after the first; nothing of it passed yet."""
    subprocess.run(["cp", "-a", moved_master[0], tmp_path / "mirror"], check=True)
    site = make_site(tmp_path / "mirror", httpd(moved_upstream.root), keys)
    site.now = NOW + DAY
    return site


@pytest.fixture
def cut(moved):
    """BaseOS keeps a package that upstream took away, AppStream a module's version."""
    moved.trees["policy/default"]["fast_track"] = "Critical"
    moved.later(1)
    return moved
