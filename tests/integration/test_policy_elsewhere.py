"""A policy where not all is one folder and one arch: in a bucket, and over two arches."""

import functools
import json
import re

import pytest

from tests.support.mirror import TREE
from tests.support.storage import Place
from tests.support.upstream import standard_tree
from tests.support.vetting import make_site

pytestmark = pytest.mark.full

CURL, OPENSSL = "curl-7.76.1-23.el9_2.4", "openssl-libs-3.0.7-24.el9_2"


@pytest.fixture
def in_bucket(tmp_path, httpd, standard_upstream, keys, s3_service, programs):
    site = make_site(tmp_path / "mirror", httpd(standard_upstream.root), keys)
    site.runner = programs.run
    bucket = s3_service.bucket()
    site.main |= {
        "local": site.store,
        "store": f"s3://{bucket}/store",
        "public": f"s3://{bucket}/public",
    }
    site.sync = functools.partial(site.sync, timeout=300)
    site.place = Place("s3", tmp_path / "looking", s3_service)
    site.place.bucket = bucket
    site.place.config = site.place.config_in(bucket, site.store, site.public)
    site.trees["policy/default"]["fast_track"] = "Critical"
    assert site.sync().status == 0
    standard_upstream.advance()
    done = site.later(1)
    assert done.named("vetted"), done
    return site


def ask(site, *arguments, status=0):
    done = site.run(*arguments, timeout=300)
    assert done.status == status, done
    return done


def manifest(site):
    shown = json.loads(ask(site, "snapshot", "show", TREE, "vetted", "--json").stdout)
    return shown["id"], shown["repositories"]


def test_a_bucket_is_vetted_and_mended_as_folders_are(in_bucket):
    site = in_bucket
    before = site.place.shown()
    assert any(OPENSSL in path for path in before)
    assert not any(CURL in path for path in before)
    plan = json.loads(ask(site, "plan", TREE, "--json").stdout)
    assert any(note["nevra"].startswith("curl-7.76.1-23.el9_2.4") for note in plan["held"])
    name, repositories = manifest(site)
    assert repositories["BaseOS/x86_64"]["origin"]["shown"]

    # What the mirror cut, comes back as it was.
    os_dir = f"{TREE}/BaseOS/x86_64/os/repodata/"
    index = before[f"{os_dir}repomd.xml"]
    text = site.place.kept()[f"pool/{index[:2]}/{index}"].decode()
    [cut] = re.findall(r'href="repodata/([0-9a-f]{64})-primary', text)
    site.place.damage(f"pool/{cut[:2]}/{cut}", b"rotten")
    ask(site, "verify", status=4)
    ask(site, "verify", "--repair")
    assert site.place.shown() == before

    # Its signature is made anew.
    signature = before[f"{os_dir}repomd.xml.asc"]
    site.place.damage(f"pool/{signature[:2]}/{signature}", b"rotten")
    done = ask(site, "verify", "--repair", "--json")
    assert [e["snapshot"] for e in done.named("replaced")] == [name]
    assert manifest(site)[0] != name
    assert site.place.shown()[f"{os_dir}repomd.xml.asc"] != signature
    ask(site, "verify")
    assert site.later(1.1).named("published") == []

    ask(site, "hold", "openssl*", "--why", "not yet")
    ask(site, "prune", "--keep", "0")
    ask(site, "verify")
    site.later(9)
    assert any(CURL in path for path in site.place.shown())


def test_two_arches_are_chosen_and_closed_together(tmp_path, httpd, keys, make_host):
    arches = ("x86_64", "aarch64")
    upstream = standard_tree(tmp_path / "upstream", keys.almalinux, arches=arches)
    server = httpd(upstream.root)
    site = make_site(tmp_path / "mirror", server, keys)
    site.trees[TREE]["arches"] = " ".join(arches)
    assert site.sync().status == 0
    upstream.advance()
    site.trees["policy/default"]["fast_track"] = "Critical"
    site.trees["channel/vetted"] = {"approval": "required"}
    site.later(1)
    plan = site.plan()
    for arch in arches:
        added = {e["nevra"] for e in plan["difference"]["added"] if arch in e["repository"]}
        assert f"openssl-libs-1:3.0.7-24.el9_2.{arch}" in added, added
        held = {note["nevra"] for note in plan["held"] if arch in note["repository"]}
        assert f"curl-7.76.1-23.el9_2.4.{arch}" in held
    site.call("approve", plan["plan"])
    shown = site.manifest()
    for arch in arches:
        assert "origin" in shown["repositories"][f"BaseOS/{arch}"]
    site.call("verify")

    # A gap on one arch alone is a gap: the other has what it needs.
    site.trees["policy/default"]["exclude"] = "openssl-libs*.aarch64"
    refused = site.call("plan", TREE, status=5)
    assert "aarch64" in refused.stderr

    served = httpd(site.public / "vetted").url
    for arch in arches:
        host = make_host(f"host-{arch.partition('_')[0]}", arch=arch)
        trusted = [
            f"file://{host.trust(keys.almalinux)}",
            f"file://{host.trust(keys.operator, '/etc/pki/rpm-gpg/RPM-GPG-KEY-operator')}",
        ]
        host.run("rm -f /etc/yum.repos.d/*")
        for repo in ("BaseOS", "AppStream"):
            base = f"{served}/{TREE}/{repo}/{arch}/os/"
            host.add_repo(repo.lower(), base, gpgkey=" ".join(trusted), repo_gpgcheck=1)
        host.dnf("install", "openssl", "curl")
        installed = host.rpmdb()
        assert f"openssl-1:3.0.7-24.el9_2.{arch}" in installed
        assert f"curl-7.76.1-23.el9_2.1.{arch}" in installed
