"""Two sites, of which one has no network, and a bundle that went from one to the other."""

from __future__ import annotations

import subprocess

import pytest

from .bundles import ESU, call
from .mirror import TREE, MirrorSite


@pytest.fixture(scope="session")
def home_master(tmp_path_factory, synced_master, keys, tuxcare_rpms_master):
    """Synced, and `bundle` exported from it: made once."""
    folder = tmp_path_factory.mktemp("home")
    subprocess.run(["cp", "-a", synced_master.root, folder / "mirror"], check=True)
    site = MirrorSite(folder / "mirror", trees=dict(synced_master.trees))
    equip(site, keys, tuxcare_rpms_master / "esu")
    assert site.sync(ESU).status == 0
    site.bundle = folder / "bundle"
    call(site, "export", TREE, "-o", str(site.bundle))
    return site


def equip(site, keys, source):
    site.main["signing_key"] = keys.operator.fingerprint
    site.main["gnupghome"] = keys.operator.homedir
    site.source = source
    site.add_local(ESU, keys.tuxcare, source)


@pytest.fixture
def home(tmp_path, upstream, keys, home_master, tuxcare_rpms):
    """The site with a network: AlmaLinux and packages of its own."""
    from .mirror_fixtures import make_site

    subprocess.run(["cp", "-a", home_master.root, tmp_path / "mirror"], check=True)
    site = make_site(tmp_path / "mirror", upstream, keys)
    equip(site, keys, tuxcare_rpms / "esu")
    return site


@pytest.fixture
def far(tmp_path, keys):
    """The one without: it never reaches an upstream."""
    site = MirrorSite(tmp_path / "far")
    site.root.mkdir()
    site.main["bundle_keys"] = keys.operator.public
    site.add_tree(TREE, keys.almalinux, upstream="http://127.0.0.1:1/9.2")
    (tmp_path / "far-source").mkdir()
    site.add_local(ESU, keys.tuxcare, tmp_path / "far-source")
    return site
