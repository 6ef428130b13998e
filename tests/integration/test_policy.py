"""A policy decides what passes from the candidate to vetted; dnf takes what it leaves."""

import gzip
import json
import re
import time

import createrepo_c
import pytest

from tests.support.mirror import TREE, MirrorSite, run
from tests.support.rpms import RpmSpec

DAY = 86400
REPOS = "BaseOS AppStream CRB extras"
NOW = int(time.time())


def call(site, *arguments, status=0):
    site.write_conf()
    done = run(site.command(*arguments), site.environment)
    assert done.status == status, done
    return done


@pytest.fixture
def site(tmp_path, httpd, standard_upstream, keys):
    """A mirror of the standard tree whose vetted channel soaks for a week; synced once."""
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    site.main["signing_key"] = keys.operator.fingerprint
    site.main["gnupghome"] = keys.operator.homedir
    site.main["max_age"] = "never"
    url = httpd(standard_upstream.root).url
    site.add_tree(TREE, keys.almalinux, upstream=f"{url}/9.2", repos=REPOS, policy="default")
    site.trees["policy/default"] = {"soak": "7d"}
    site.now = NOW
    assert site.sync().status == 0
    return site


def later(site, days, *arguments, status=0):
    site.now = NOW + days * DAY
    done = site.sync("--json", *arguments)
    assert done.status == status, done
    return done


def packages(site, channel="vetted"):
    """File names of the packages that the metadata lists; others may stay for the grace time."""
    texts = [listed(site, repo, channel=channel) for repo in REPOS.split()]
    return {name for text in texts for name in re.findall(r'href="Packages/([^"]+)"', text)}


def listed(site, repo, kind="primary", channel="vetted"):
    """The text of a metadata file that customers get."""
    os_dir = site.public / channel / TREE / repo / "x86_64/os"
    for record in createrepo_c.Repomd(str(os_dir / "repodata/repomd.xml")).records:
        if record.type == kind:
            return gzip.decompress((os_dir / record.location_href).read_bytes()).decode()
    return ""


def manifest(site, channel="vetted"):
    return json.loads((site.public / channel / TREE / "SNAPSHOT.json").read_text())


def names(texts, *wanted):
    return sorted(name for name in texts if name.startswith(wanted))


def test_what_a_mirror_begins_with_is_old(site):
    assert manifest(site) == manifest(site, "candidate")
    assert "vetting" not in manifest(site)


def test_what_is_new_soaks_and_then_passes(site, standard_upstream):
    standard_upstream.advance()
    done = later(site, 1)
    [event] = done.named("vetted")
    assert event["channel"] == "vetted"
    assert event["held"] > 50
    assert event["until"] == NOW + 8 * DAY
    assert "curl-7.76.1-23.el9_2.4.x86_64.rpm" in packages(site, "candidate")
    assert "curl-7.76.1-23.el9_2.4.x86_64.rpm" not in packages(site)
    vetting = manifest(site)["vetting"]
    assert vetting["upstream"] == manifest(site, "candidate")["id"]
    assert vetting["policy"] == "default"
    assert later(site, 2).named("published") == []
    later(site, 7.9)
    assert "curl-7.76.1-23.el9_2.4.x86_64.rpm" not in packages(site)
    later(site, 8)
    assert "curl-7.76.1-23.el9_2.4.x86_64.rpm" in packages(site)
    # All of it passed: what is shown is upstream's own again, byte for byte.
    assert manifest(site) == manifest(site, "candidate")


def test_what_upstream_took_away_stays_while_its_successor_waits(site, standard_upstream):
    standard_upstream.advance()
    later(site, 1)
    assert names(packages(site, "candidate"), "tzdata") == ["tzdata-2024a-1.el9.noarch.rpm"]
    assert "tzdata-2023c" in listed(site, "BaseOS", "updateinfo")
    assert "2023c" in listed(site, "BaseOS", "other")
    assert "tzdata-2023c-1.el9.noarch.rpm" in listed(site, "BaseOS")
    assert "2024a" not in listed(site, "BaseOS")


def test_urgent_fixes_do_not_wait(site, standard_upstream):
    site.trees["policy/default"]["fast_track"] = "critical CVE-2023-38545"
    standard_upstream.advance()
    later(site, 1)
    passed = packages(site)
    assert "openssl-libs-3.0.7-24.el9_2.x86_64.rpm" in passed  # ALSA-2023:7877, Critical
    assert "openssl-libs-3.0.7-24.el9_2.i686.rpm" in passed
    assert "openssl-perl-3.0.7-24.el9_2.x86_64.rpm" in passed
    assert "libcurl-7.76.1-23.el9_2.4.i686.rpm" in passed  # Important, by its CVE
    assert names(passed, "kernel-core") == ["kernel-core-5.14.0-284.11.1.el9_2.x86_64.rpm"]


def test_advisories_are_those_of_what_is_there(site, standard_upstream):
    site.trees["policy/default"]["fast_track"] = "Critical"
    standard_upstream.advance()
    later(site, 1)
    text = listed(site, "BaseOS", "updateinfo")
    assert "ALSA-2023:7877" in text
    assert "ALSA-2023:2645" in text
    for held in ("ALSA-2023:5763", "ALSA-2023:5069", "ALBA-2024:0762"):
        assert held not in text
    assert "ALSA-2023:5763" in listed(site, "BaseOS", "updateinfo", "candidate")


def test_a_modules_version_moves_as_one(site, standard_upstream):
    site.trees["policy/default"]["fast_track"] = "CVE-2023-44487"
    standard_upstream.advance()
    later(site, 1)
    modules = listed(site, "AppStream", "modules")
    assert "9020020231017101010" in modules
    assert names(packages(site), "npm-9") == [
        "npm-9.5.0-3.module_el9.2.0+32+f3c125b5.x86_64.rpm",
        "npm-9.8.1-2.module_el9.2.0+42+9d3e1ab1.x86_64.rpm",
    ]


def test_a_modules_version_that_waits_is_not_offered(site, standard_upstream):
    standard_upstream.advance()
    later(site, 1)
    modules = listed(site, "AppStream", "modules")
    assert "9020020231017101010" not in modules
    assert "9020020230315150517" in modules
    assert modules.count("document: modulemd-defaults") == 2


def test_comps_stay_as_they_are(site, standard_upstream):
    standard_upstream.advance()
    later(site, 1)
    assert listed(site, "BaseOS", "group_gz") == listed(site, "BaseOS", "group_gz", "candidate")


def test_repositories_that_nothing_was_left_out_of_stay_upstreams(site, standard_upstream):
    standard_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh", "1.0")])
    standard_upstream.publish()
    later(site, 1)
    shown, candidate = manifest(site), manifest(site, "candidate")
    untouched = {"AppStream/x86_64", "CRB/x86_64", "extras/x86_64"}
    for name in untouched:
        assert shown["repositories"][name] == candidate["repositories"][name]
    origin = shown["repositories"]["BaseOS/x86_64"]["origin"]
    assert origin["repomd"] == candidate["repositories"]["BaseOS/x86_64"]["repomd"]


def test_dnf_takes_it_with_every_check(site, standard_upstream, host, httpd, keys):
    site.trees["policy/default"]["fast_track"] = "Critical"
    key = host.trust(keys.almalinux)
    operator = host.trust(keys.operator, "/etc/pki/rpm-gpg/RPM-GPG-KEY-operator")
    server = httpd(site.public)
    host.run("rm -f /etc/yum.repos.d/*")
    for repo in REPOS.split():
        baseurl = f"{server.url}/vetted/{TREE}/{repo}/x86_64/os/"
        both = f"file://{key} file://{operator}"
        host.add_repo(repo.lower(), baseurl, gpgkey=both, repo_gpgcheck=1)
    host.dnf("install", "curl", "openssl", "tzdata")
    host.dnf("module", "install", "nodejs:18/common")
    standard_upstream.advance()
    later(site, 1)
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
    later(site, 8)
    host.dnf("upgrade", "--refresh")
    assert "curl-7.76.1-23.el9_2.4.x86_64" in host.rpmdb()


def test_manifest_is_signed(site, keys):
    from tuxmirror.adapters.keyring import GpgKeyring

    folder = site.public / "vetted" / TREE
    keyring = GpgKeyring([keys.operator.public])
    signature = (folder / "SNAPSHOT.json.asc").read_bytes()
    assert keyring.verify_detached((folder / "SNAPSHOT.json").read_bytes(), signature)
    keyring.close()


def test_signing_that_fails_publishes_nothing(site, standard_upstream, tmp_path):
    standard_upstream.advance()
    before = site.fingerprint()
    site.main["gnupghome"] = tmp_path / "nowhere"
    done = later(site, 1, status=2)
    assert "no such directory" in done.error["message"]
    assert site.fingerprint() == before
