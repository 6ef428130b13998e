"""The upstream trees look like AlmaLinux's, and lie only on demand."""

import gzip
import subprocess
import time
from pathlib import Path

import createrepo_c as cr
import pytest

from tests.support.repodata import Advisory
from tests.support.rpms import RpmSpec
from tests.support.upstream import real_tree, standard_tree, tuxcare_packages


def packages(tree, repo, arch="x86_64"):
    """createrepo_c's view of a repository, by NEVRA, checked against the files."""
    found = {}

    def add(package):
        path = tree.os_dir(repo, arch) / package.location_href
        assert package.size_package == path.stat().st_size
        assert package.pkgId == _sha256(path)
        found[package.nevra()] = package

    primary = tree.metadata_path(repo, arch, "primary")
    cr.xml_parse_primary(str(primary), pkgcb=add, do_files=False)
    return found


def _sha256(path: Path) -> str:
    return subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout.split()[0]


def good_signature(tree, repo, arch="x86_64", key=None):
    repomd = tree.os_dir(repo, arch) / "repodata" / "repomd.xml"
    key = key or tree.key
    done = subprocess.run(
        ["gpg", "--batch", "--homedir", key.homedir, "--verify", f"{repomd}.asc", repomd],
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def snapshot(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_layout_and_metadata_kinds(standard_upstream):
    tree = standard_upstream
    assert tree.repositories == [
        (repo, "x86_64") for repo in ("AppStream", "BaseOS", "CRB", "extras")
    ]
    assert int((tree.root / "TIME").read_text()) == tree.timestamp
    assert (tree.root / "RPM-GPG-KEY-AlmaLinux-9").read_bytes() == tree.key.public.read_bytes()
    kinds = {}
    for repo, arch in tree.repositories:
        assert good_signature(tree, repo)
        repomd = cr.Repomd(str(tree.os_dir(repo, arch) / "repodata" / "repomd.xml"))
        assert repomd.revision == str(tree.timestamp)
        kinds[repo] = {record.type for record in repomd.records}
        for record in repomd.records:
            assert Path(record.location_href).name.startswith(record.checksum + "-")
    assert kinds["BaseOS"] == {
        "primary", "filelists", "other", "group", "group_gz", "updateinfo",
    }  # fmt: skip
    assert kinds["AppStream"] >= {"primary", "modules", "updateinfo"}


def test_packages_of_one_source_and_multilib(standard_upstream):
    base, app = packages(standard_upstream, "BaseOS"), packages(standard_upstream, "AppStream")
    assert "openssl-libs-1:3.0.7-16.el9_2.i686" in base
    assert base["openssl-1:3.0.7-16.el9_2.x86_64"].epoch == "1"
    assert app["nspr-0:4.35.0-3.el9_2.x86_64"].rpm_sourcerpm == "nss-3.90.0-3.el9_2.src.rpm"
    assert (
        base["bpftool-0:7.0.0-284.11.1.el9_2.x86_64"].rpm_sourcerpm
        == "kernel-5.14.0-284.11.1.el9_2.src.rpm"
    )


def test_second_state_adds_upgrades_and_drops(standard_upstream):
    before = packages(standard_upstream, "BaseOS")
    first = standard_upstream.timestamp
    standard_upstream.advance()
    after = packages(standard_upstream, "BaseOS")
    assert standard_upstream.timestamp > first
    assert before.keys() - after.keys() == {"tzdata-0:2023c-1.el9.noarch"}
    assert "openssl-libs-1:3.0.7-24.el9_2.x86_64" in after
    updates = cr.UpdateInfo(str(standard_upstream.metadata_path("BaseOS", "x86_64", "updateinfo")))
    severities = {update.id: update.severity for update in updates.updates}
    assert severities["ALSA-2023:7877"] == "Critical"
    assert severities["ALBA-2024:0762"] == "None"
    assert {r.id for u in updates.updates for r in u.references} >= {"CVE-2023-38545"}
    with pytest.raises(ValueError, match="is in state 2"):
        standard_upstream.advance()


def test_copies_do_not_touch_each_other(standard_upstream, tmp_path):
    before = snapshot(standard_upstream.root)
    twin = standard_upstream.copy(tmp_path / "twin")
    assert snapshot(twin.root) == before
    twin.advance()
    twin.edit_metadata("BaseOS", "x86_64", "primary", lambda text: text + "<!-- -->")
    twin.add_advisories("BaseOS", "x86_64", [Advisory("ALSA-1", "x", (RpmSpec("x"),))])
    assert snapshot(standard_upstream.root) == before
    standard_upstream.publish(timestamp=standard_upstream.timestamp)
    assert {p: b for p, b in snapshot(standard_upstream.root).items() if p.suffix != ".asc"} == {
        p: b for p, b in before.items() if p.suffix != ".asc"
    }


def test_missing_and_foreign_signatures(tiny_upstream, keys):
    tiny_upstream.publish(unsigned=True)
    assert not (tiny_upstream.os_dir("BaseOS", "x86_64") / "repodata/repomd.xml.asc").exists()
    tiny_upstream.publish(signed_by=keys.stranger)
    assert not good_signature(tiny_upstream, "BaseOS")
    assert good_signature(tiny_upstream, "BaseOS", key=keys.stranger)


def test_edited_metadata_is_consistent_and_signed(tiny_upstream):
    def escape(text):
        return text.replace('href="Packages/alpha', 'href="../alpha')

    tiny_upstream.edit_metadata("BaseOS", "x86_64", "primary", escape)
    primary = tiny_upstream.metadata_path("BaseOS", "x86_64", "primary")
    assert b'href="../alpha' in gzip.decompress(primary.read_bytes())
    assert good_signature(tiny_upstream, "BaseOS")
    os_dir = tiny_upstream.os_dir("BaseOS", "x86_64")
    for record in cr.Repomd(str(os_dir / "repodata/repomd.xml")).records:
        path = os_dir / record.location_href
        assert (record.checksum, record.size) == (_sha256(path), path.stat().st_size)
        if record.type == "primary":
            assert record.size_open == len(gzip.decompress(path.read_bytes()))
    names = sorted(path.name for path in (os_dir / "repodata").iterdir())
    assert len([name for name in names if "primary" in name]) == 1
    tiny_upstream.edit_repomd("BaseOS", "x86_64", lambda text: text + "\n", sign=False)
    assert not good_signature(tiny_upstream, "BaseOS")


def test_one_package_is_found_by_pattern(tiny_upstream):
    assert tiny_upstream.package("beta-*").name == "beta-2.0-1.el9.x86_64.rpm"
    with pytest.raises(LookupError, match="expected one package"):
        tiny_upstream.package("*a-*")
    assert tiny_upstream.remove("BaseOS", "x86_64", "beta-*") == 1


def test_tuxcare_builds_are_the_validated_ones(tmp_path, keys):
    arches = ("x86_64", "aarch64")
    built = tuxcare_packages(tmp_path, keys.tuxcare, arches=arches)
    fips = {path.name for path in built["fips"]}
    assert "nspr-4.35.0-6.el9_2.tuxcare.1.i686.rpm" in fips
    assert "kernel-core-5.14.0-284.11.1.el9_2.tuxcare.5.aarch64.rpm" in fips
    assert "openssl-libs-3.0.7-20.el9_2.tuxcare.1.aarch64.rpm" in fips
    assert not any(name.startswith("gnutls") and "aarch64" in name for name in fips)
    esu = {path.name for path in built["esu"]}
    assert "kernel-5.14.0-284.1101.el9_2.tuxcare.7.x86_64.rpm" in esu
    with pytest.raises(ValueError, match="only 9\\.2 has"):
        tuxcare_packages(tmp_path, keys.tuxcare, release="9.6")


def test_standard_tree_costs_less_than_three_seconds(tmp_path, keys):
    assert keys.almalinux.rpm_signer
    started = time.process_time()
    standard_tree(tmp_path / "fresh", keys.almalinux)
    assert time.process_time() - started < 3


@pytest.mark.shared_data
def test_real_packages_become_a_tree(tmp_path, keys, shared_data):
    tree = real_tree(tmp_path / "real", shared_data, keys.almalinux)
    x86 = packages(tree, "BaseOS")
    assert "almalinux-release-0:9.3-1.el9.x86_64" in x86
    assert "toolbox-0:0.0.7-1.module_el8.5.0+2635+e4386a39.noarch" in x86
    assert good_signature(tree, "BaseOS", "aarch64")
    assert ("BaseOS", "aarch64") in tree.repositories
