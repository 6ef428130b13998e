"""Packages, keys and metadata made by others: AlmaLinux 8 and 9, EPEL, CentOS and more.

repomd.xml is signed by a key of ours, because the packages were collected one by one.
"""

import subprocess
from pathlib import Path

import pytest

from tests.support import SHARED_DATA
from tests.support.httpd import Httpd
from tests.support.mirror import MirrorSite, sha256
from tests.support.upstream import UpstreamTree, real_tree

pytestmark = pytest.mark.shared_data

# Whose key, by the file it is distributed in: the id that stands in the packages' signatures.
KEYS = {
    "RPM-GPG-KEY-AlmaLinux-8": "51d6647ec21ad6ea",  # a subkey of a key that has expired
    "RPM-GPG-KEY-AlmaLinux-9": "d36cb86cb86b3716",
    "RPM-GPG-KEY-EPEL-7": "6a2faea2352c64e5",
    "RPM-GPG-KEY-EPEL-8": "21ea45ab2f86d6a1",
    "RPM-GPG-KEY-EPEL-9": "8a3872bf3228467c",
    "RPM-GPG-KEY-CentOS-7": "24c6a8a7f4a80eb5",
    "RPM-GPG-KEY-Rocky-9": "702d426d350d275d",
    "RPM-GPG-KEY-redhat8-release": "199e2f91fd431d51",
}
TREE = "real/9"
OLD_ALMALINUX_8 = "5E9B8F5617B5066CE92057C3488FCF7C3ABB34F8"
# Signed with SHA-1 by a key that is not among the collected ones.
UNKNOWN = "libproxy-bin-0.3.0-4.el6_3.x86_64.rpm"


def key_file(name):
    return SHARED_DATA / "keys" / name


def signed_by(key_id):
    """The collected packages with that key's signature."""
    query = ["rpm", "-qp", "--nosignature", "--qf", "%{RSAHEADER:pgpsig}\n"]
    packages = sorted((SHARED_DATA / "rpms").glob("*.rpm"))
    lines = subprocess.run(
        [*query, *map(str, packages)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert len(lines) == len(packages)
    return [path for path, line in zip(packages, lines, strict=True) if line.endswith(key_id)]


@pytest.fixture
def mirror_of(tmp_path, httpd, keys):
    """`mirror_of(packages, key names)`: a mirror of a tree of just these packages."""

    def make(packages, names):
        tree = UpstreamTree(tmp_path / "upstream", "9", keys.almalinux)
        tree.add_files("BaseOS", "x86_64", packages)
        tree.publish()
        return site_of(tmp_path / "mirror", httpd(tree.root), keys, names)

    return make


def site_of(root, server, keys, names, **options):
    site = MirrorSite(root)
    root.mkdir()
    files = [keys.almalinux.public, *map(key_file, names)]
    site.add_tree(
        TREE, keys.almalinux, upstream=f"{server.url}/9", gpgkey=" ".join(map(str, files))
    )
    site.trees[TREE].update(options)
    return site


def published(site, arch="x86_64"):
    folder = site.public / "vetted" / TREE / "BaseOS" / arch / "os/Packages"
    return {path.name: sha256(path) for path in folder.glob("*.rpm")}


@pytest.mark.parametrize("name", KEYS)
def test_packages_are_published_byte_for_byte(mirror_of, name):
    packages = signed_by(KEYS[name])
    assert packages
    site = mirror_of(packages, [name])
    run = site.sync("--json")
    assert run.status == 0, run
    assert published(site) == {path.name: sha256(path) for path in packages}


@pytest.mark.parametrize("name", ["RPM-GPG-KEY-AlmaLinux-8", "RPM-GPG-KEY-AlmaLinux-9"])
def test_packages_are_refused_without_their_key(mirror_of, name):
    packages = signed_by(KEYS[name])
    site = mirror_of(packages, ["RPM-GPG-KEY-AlmaLinux-10"])
    run = site.sync("--json")
    assert run.status == 4, run
    assert "not allowed here" in run.error["message"]
    assert {event["path"] for event in run.named("quarantine")} == {
        f"Packages/{path.name}" for path in packages
    }
    assert site.fingerprint() == {}


def test_sha1_signature_of_an_unknown_key_is_refused(mirror_of):
    site = mirror_of([SHARED_DATA / "rpms" / UNKNOWN], KEYS)
    run = site.sync("--json")
    assert run.status == 4, run
    assert run.error["path"] == f"Packages/{UNKNOWN}"


def test_fingerprints_choose_among_the_keys_of_a_file(mirror_of, keys):
    """AlmaLinux 8's key file holds the old key and the new one; these are signed by the old."""
    name = "RPM-GPG-KEY-AlmaLinux-8"
    site = mirror_of(signed_by(KEYS[name])[:2], [name])
    ours = keys.almalinux.fingerprint
    site.trees[TREE]["fingerprints"] = f"{ours}, BC5EDDCADF502C077F1582882AE81E8ACED7258B"
    run = site.sync("--json")
    assert run.status == 4, run
    site.trees[TREE]["fingerprints"] = f"{ours}, {OLD_ALMALINUX_8}"
    run = site.sync("--json")
    assert run.status == 0, run


def test_all_of_it_in_three_arches(tmp_path, httpd, keys, shared_data):
    tree = real_tree(tmp_path / "upstream", shared_data, keys.almalinux)
    tree.remove("BaseOS", "x86_64", UNKNOWN)
    tree.publish()
    arches = [arch for _, arch in tree.repositories]
    site = site_of(tmp_path / "mirror", httpd(tree.root), keys, KEYS, arches=" ".join(arches))
    run = site.sync("--json")
    assert run.status == 0, run
    for arch in arches:
        wanted = {path.name: sha256(path) for path in tree.packages("BaseOS", arch)}
        assert published(site, arch) == wanted
    assert site.sync("--json").named("unchanged")


def test_old_repository_without_signatures_is_refused_package_by_package(tmp_path, keys):
    """Katello's zoo: metadata of 2021 with sqlite, comps, modules and productid; unsigned RPMs."""
    zoo = SHARED_DATA / "repodata/katello-zoo"
    root = tmp_path / "upstream/9/BaseOS/x86_64"
    root.mkdir(parents=True)
    (root / "os").symlink_to(zoo)
    with Httpd(tmp_path / "upstream") as server:
        site = site_of(tmp_path / "mirror", server, keys, [])
        pin = f"BaseOS/x86_64:{sha256(zoo / 'repodata/repomd.xml')}"
        site.trees[TREE].update({"metadata_signature": "pinned", "repomd_sha256": pin})
        run = site.sync("--json")
    assert run.status == 4, run
    assert site.fingerprint() == {}
    assert run.error["path"].endswith(".rpm"), "the metadata is fine"
    assert len(run.named("quarantine")) == len(list(zoo.glob("*.rpm")))


def test_published_key_file_is_the_real_one(mirror_of):
    name = "RPM-GPG-KEY-AlmaLinux-9"
    site = mirror_of(signed_by(KEYS[name])[:1], [name])
    assert site.sync("-q").status == 0
    shown = Path(site.public / "vetted" / TREE / name)
    assert shown.read_bytes() == key_file(name).read_bytes()
