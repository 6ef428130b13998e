"""A policy decides what passes from the candidate to vetted; dnf takes what it leaves."""

import json

import pytest

from tests.support.mirror import TREE
from tests.support.rpms import RpmSpec
from tests.support.vetting import DAY, NOW, VettingSite, follow_vetted

pytest_plugins = ("tests.support.vetting_fixtures",)


@pytest.fixture
def site(vetted_site):
    return vetted_site


def names(texts, *wanted):
    return sorted(name for name in texts if name.startswith(wanted))


def test_what_a_mirror_begins_with_is_old(site):
    assert site.manifest() == site.manifest("candidate")
    assert "vetting" not in site.manifest()


def test_what_is_new_soaks_and_then_passes(site, standard_upstream):
    standard_upstream.advance()
    done = site.later(1)
    [event] = done.named("vetted")
    assert event["channel"] == "vetted"
    assert event["held"] > 50
    assert event["until"] == NOW + 8 * DAY
    assert "curl-7.76.1-23.el9_2.4.x86_64.rpm" in site.offered("candidate")
    assert "curl-7.76.1-23.el9_2.4.x86_64.rpm" not in site.offered()
    vetting = site.manifest()["vetting"]
    assert vetting["upstream"] == site.manifest("candidate")["id"]
    assert vetting["policy"] == "default"
    assert site.later(2).named("published") == []
    site.later(7.9)
    assert "curl-7.76.1-23.el9_2.4.x86_64.rpm" not in site.offered()
    site.later(8)
    assert "curl-7.76.1-23.el9_2.4.x86_64.rpm" in site.offered()
    # All of it passed: what is shown is upstream's own again, byte for byte.
    assert site.manifest() == site.manifest("candidate")


def test_what_upstream_took_away_stays_while_its_successor_waits(moved):
    moved.later(1)
    assert names(moved.offered("candidate"), "tzdata") == ["tzdata-2024a-1.el9.noarch.rpm"]
    assert "tzdata-2023c" in moved.listed("BaseOS", "updateinfo")
    assert "2023c" in moved.listed("BaseOS", "other")
    assert "tzdata-2023c-1.el9.noarch.rpm" in moved.listed("BaseOS")
    assert "2024a" not in moved.listed("BaseOS")


def test_urgent_fixes_do_not_wait(moved):
    moved.trees["policy/default"]["fast_track"] = "critical CVE-2023-38545"
    moved.later(1)
    passed = moved.offered()
    assert "openssl-libs-3.0.7-24.el9_2.x86_64.rpm" in passed  # ALSA-2023:7877, Critical
    assert "openssl-libs-3.0.7-24.el9_2.i686.rpm" in passed
    assert "openssl-perl-3.0.7-24.el9_2.x86_64.rpm" in passed
    assert "libcurl-7.76.1-23.el9_2.4.i686.rpm" in passed  # Important, by its CVE
    assert names(passed, "kernel-core") == ["kernel-core-5.14.0-284.11.1.el9_2.x86_64.rpm"]


def test_advisories_are_those_of_what_is_there(moved):
    moved.trees["policy/default"]["fast_track"] = "Critical"
    moved.later(1)
    text = moved.listed("BaseOS", "updateinfo")
    assert "ALSA-2023:7877" in text
    assert "ALSA-2023:2645" in text
    for held in ("ALSA-2023:5763", "ALSA-2023:5069", "ALBA-2024:0762"):
        assert held not in text
    assert "ALSA-2023:5763" in moved.listed("BaseOS", "updateinfo", "candidate")


def test_a_modules_version_moves_as_one(moved):
    moved.trees["policy/default"]["fast_track"] = "CVE-2023-44487"
    moved.later(1)
    modules = moved.listed("AppStream", "modules")
    assert "9020020231017101010" in modules
    assert names(moved.offered(), "npm-9") == [
        "npm-9.5.0-3.module_el9.2.0+32+f3c125b5.x86_64.rpm",
        "npm-9.8.1-2.module_el9.2.0+42+9d3e1ab1.x86_64.rpm",
    ]


@pytest.mark.full
def test_a_modules_version_that_waits_is_not_offered(moved):
    moved.later(1)
    modules = moved.listed("AppStream", "modules")
    assert "9020020231017101010" not in modules
    assert "9020020230315150517" in modules
    assert modules.count("document: modulemd-defaults") == 2


@pytest.mark.full
def test_comps_stay_as_they_are(moved):
    moved.later(1)
    assert moved.listed("BaseOS", "group_gz") == moved.listed("BaseOS", "group_gz", "candidate")


def test_repositories_that_nothing_was_left_out_of_stay_upstreams(site, standard_upstream):
    standard_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh", "1.0")])
    standard_upstream.publish()
    site.later(1)
    shown, candidate = site.manifest(), site.manifest("candidate")
    untouched = {"AppStream/x86_64", "CRB/x86_64", "extras/x86_64"}
    for name in untouched:
        assert shown["repositories"][name] == candidate["repositories"][name]
    origin = shown["repositories"]["BaseOS/x86_64"]["origin"]
    assert origin["repomd"] == candidate["repositories"]["BaseOS/x86_64"]["repomd"]


def test_dnf_takes_it_with_every_check(site, standard_upstream, host, httpd, keys):
    site.trees["policy/default"]["fast_track"] = "Critical"
    follow_vetted(host, httpd(site.public), keys)
    host.dnf("install", "curl", "openssl", "tzdata")
    host.dnf("module", "install", "nodejs:18/common")
    standard_upstream.advance()
    site.later(1)
    host.dnf("upgrade", "--refresh")
    installed = host.rpmdb()
    assert "openssl-1:3.0.7-24.el9_2.x86_64" in installed
    assert "curl-7.76.1-23.el9_2.1.x86_64" in installed
    assert any(
        name.startswith("nodejs-1:18.14.2") or "nodejs-18.14.2" in name for name in installed
    )
    assert "2023c" in next(name for name in installed if name.startswith("tzdata"))
    listing = host.dnf("module", "list", "nodejs").stdout
    assert "18 [e]" in listing
    host.dnf("module", "install", "postgresql")
    advisories = host.dnf("updateinfo", "list", "--all").stdout
    assert "ALSA-2023:7877" in advisories
    assert "ALSA-2023:5763" not in advisories
    site.later(8)
    host.dnf("upgrade", "--refresh")
    assert "curl-7.76.1-23.el9_2.4.x86_64" in host.rpmdb()


def test_manifest_is_signed(site, keys):
    from tuxmirror.adapters.keyring import GpgKeyring

    folder = site.public / "vetted" / TREE
    keyring = GpgKeyring([keys.operator.public])
    signature = (folder / "SNAPSHOT.json.asc").read_bytes()
    assert keyring.verify_detached((folder / "SNAPSHOT.json").read_bytes(), signature)
    keyring.close()


def test_signing_that_fails_publishes_nothing(moved, tmp_path):
    before = moved.fingerprint()
    moved.main["gnupghome"] = tmp_path / "nowhere"
    done = moved.later(1, status=2)
    assert "no such directory" in done.error["message"]
    assert moved.fingerprint() == before


def test_a_policy_of_our_own_packages(tmp_path, keys, tuxcare_rpms):
    from tuxmirror.adapters.keyring import GpgKeyring

    site = VettingSite(tmp_path / "mirror", now=NOW)
    site.root.mkdir()
    site.main.update(signing_key=keys.operator.fingerprint, gnupghome=keys.operator.homedir)
    site.trees["policy/own"] = {"soak": "2d"}
    source, tree = tuxcare_rpms / "esu", "tuxcare/9.2/esu"
    site.add_local(tree, keys.tuxcare, source, policy="own")
    [fresh] = source.rglob("httpd-2*.x86_64.rpm")
    # All that was built with it: what is shown of a build brings along the rest.
    built = [path for name in ("httpd", "mod_") for path in source.rglob(f"{name}*.rpm")]
    aside = [(path, path.rename(tmp_path / path.name)) for path in built]
    site.later(0)
    for path, moved in aside:
        moved.rename(path)
    site.later(1)
    folder = site.public / "vetted" / tree
    assert fresh.name in site.packages(f"{tree}/x86_64", channel="candidate")
    vetting = json.loads((folder / "SNAPSHOT.json").read_text())["vetting"]
    assert vetting["packages"]["left_out"] >= 1
    keyring = GpgKeyring([keys.operator.public])
    index = folder / "x86_64/repodata/repomd.xml"
    keyring.verify_detached(index.read_bytes(), index.with_suffix(".xml.asc").read_bytes())
    keyring.close()
    assert fresh.name not in site.packages(f"{tree}/x86_64")
    site.later(3)
    assert fresh.name in site.packages(f"{tree}/x86_64")
