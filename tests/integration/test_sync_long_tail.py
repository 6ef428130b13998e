"""What few mirrors have: all arches, debug and source packages, Kitten, trees of other mirrors."""

import subprocess

import pytest

from tests.integration.test_sync_edge import register, serving
from tests.support.mirror import MirrorSite, run
from tests.support.repodata import make_repository
from tests.support.rpms import RpmSpec, build_rpms
from tests.support.tree import UpstreamTree

pytest_plugins = ("tests.support.mirror_fixtures",)

ARCHES = ("x86_64", "x86_64_v2", "aarch64", "ppc64le", "s390x")


def repository(folder, key, *specs):
    """A plain folder of packages, as upstream has them for debug and source."""
    (folder / "Packages").mkdir(parents=True)
    build_rpms(list(specs), folder / "Packages", key)
    make_repository(folder, key)


@pytest.fixture
def upstream_10(tmp_path, keys):
    """AlmaLinux Kitten 10, small."""
    tree = UpstreamTree(tmp_path / "up", "10-kitten", keys.almalinux)
    for arch in ARCHES:
        built = "x86_64" if arch == "x86_64_v2" else arch
        tree.add("BaseOS", arch, [RpmSpec("alpha", release="1.el10", arch=built)])
    tree.publish()
    root = tree.os_dir("BaseOS", "x86_64").parents[2]
    for arch in ("x86_64", "s390x"):
        spec = RpmSpec("alpha-debuginfo", release="1.el10", arch=arch)
        repository(root / "BaseOS/debug" / arch, keys.almalinux, spec)
    return root


@pytest.fixture
def site_10(tmp_path, httpd, keys, upstream_10):
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    server = httpd(upstream_10.parent)
    site.server = server
    site.add_tree(
        "almalinux/10-kitten",
        keys.almalinux,
        upstream=f"{server.url}/10-kitten",
        arches=" ".join(ARCHES),
    )
    return site


def test_all_arches_of_kitten(site_10):
    done = site_10.sync("--json")
    assert done.status == 0, done
    for arch in ARCHES:
        [name] = site_10.packages(f"almalinux/10-kitten/BaseOS/{arch}/os")
        assert name.startswith("alpha-1.0-1.el10.")


def test_debug_packages_beside_the_others(site_10, upstream_10):
    tree = site_10.trees["almalinux/10-kitten"]
    tree.update(arches="x86_64 s390x", also="debug")
    assert site_10.sync().status == 0
    for arch in ("x86_64", "s390x"):
        shown = site_10.packages(f"almalinux/10-kitten/BaseOS/debug/{arch}")
        assert shown == [f"alpha-debuginfo-1.0-1.el10.{arch}.rpm"]
    assert site_10.sync("--json").named("unchanged")
    assert run(site_10.command("verify"), site_10.environment).status == 0

    # What does not verify there stops the tree as anywhere else.
    with site_10.harmless():
        repomd = upstream_10 / "BaseOS/debug/s390x/repodata/repomd.xml"
        text = repomd.read_text()
        repomd.unlink()
        repomd.write_text(text.replace("<revision>", "<revision>9"))
        assert site_10.sync().status == 4


SPEC = """\
Name: alpha
Version: 1.0
Release: 1.el10
Summary: A source package
License: MIT
%description
Nothing.
"""


def test_source_packages(site_10, upstream_10, keys, tmp_path):
    packages = upstream_10 / "BaseOS/Source/Packages"
    packages.mkdir(parents=True)
    (tmp_path / "alpha.spec").write_text(SPEC)
    subprocess.run(
        ["rpmbuild", "-bs", "--quiet", f"-D_topdir {tmp_path}/rpmbuild", f"-D_srcrpmdir {packages}",
         tmp_path / "alpha.spec"],
        check=True,
    )  # fmt: skip
    keys.almalinux.sign_rpms(list(packages.iterdir()))
    make_repository(packages.parent, keys.almalinux)
    site_10.trees["almalinux/10-kitten"].update(arches="x86_64", also="source")
    done = site_10.sync("--json")
    assert done.status == 0, done
    shown = site_10.packages("almalinux/10-kitten/BaseOS/Source")
    assert shown == ["alpha-1.0-1.el10.src.rpm"]

    # One that others signed is refused as any package is.
    keys.stranger.sign_rpms(list(packages.iterdir()))
    make_repository(packages.parent, keys.almalinux)
    with site_10.harmless():
        assert site_10.sync("--allow-mass-change").status == 4


def test_an_edge_follows_packages_of_the_centres_own(tmp_path, keys, tuxcare_rpms):
    """By token and pinned keys: the packages' and the one that signs their metadata."""
    name = "tuxcare/9.2/esu"
    centre = MirrorSite(tmp_path / "centre")
    centre.root.mkdir()
    centre.main.update(
        signing_key=keys.operator.fingerprint,
        gnupghome=keys.operator.homedir,
    )
    centre.add_local(name, keys.tuxcare, tuxcare_rpms / "esu")
    assert centre.sync().status == 0
    with serving(centre) as url:
        _, token = register(centre, url)
        edge = MirrorSite(tmp_path / "edge")
        edge.root.mkdir()
        file = edge.root / "token"
        file.touch(0o600)
        file.write_text(token)
        edge.add_tree(
            name,
            keys.tuxcare,
            upstream=f"{url}/tuxcare/9.2/{{token}}/esu",
            repos=None,
            layout="flat",
            token_file=file,
            gpgkey=f"{keys.tuxcare.public} {keys.operator.public}",
        )
        done = edge.sync("--json")
        assert done.status == 0, done
        assert edge.sync("--json").named("unchanged")

    def content(site):
        return {path: sha for path, sha in site.view().items() if "/x86_64/" in path}

    assert content(edge) == content(centre)
    ids = [
        [path.stem for path in (site.store / "snapshots").rglob("*.json")]
        for site in (edge, centre)
    ]
    assert ids[0] == ids[1]

    # Without the operator's key nothing is taken for his.
    edge.trees[name]["gpgkey"] = keys.tuxcare.public
    with serving(centre) as url:
        edge.trees[name]["upstream"] = f"{url}/tuxcare/9.2/{{token}}/esu"
        assert edge.sync().status == 4
