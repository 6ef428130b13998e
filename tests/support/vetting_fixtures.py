"""Fixtures of tests with a policy: a mirror of the standard tree whose vetted channel soaks."""

from __future__ import annotations

import subprocess

import pytest

from .httpd import Httpd
from .vetting import make_site


@pytest.fixture(scope="session")
def vetting_master(tmp_path_factory, keys, standard_tree_master):
    with Httpd(standard_tree_master.root) as server:
        site = make_site(tmp_path_factory.mktemp("vetting") / "mirror", server, keys)
        done = site.sync()
        assert done.status == 0, done
    return site


@pytest.fixture
def site(tmp_path, httpd, standard_upstream, keys, vetting_master):
    """Synced once, at NOW; `standard_upstream.advance()` brings what soaks for a week."""
    # Keeps the hard links between pool and public.
    subprocess.run(["cp", "-a", vetting_master.root, tmp_path / "mirror"], check=True)
    return make_site(tmp_path / "mirror", httpd(standard_upstream.root), keys)
