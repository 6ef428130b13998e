"""Our own packages: their metadata carries the operator's signature, and dnf wants to see it."""

import pytest

from tests.support.mirror import MirrorSite, run
from tests.support.rpms import RpmSpec, build_rpms

TREE = "tuxcare/9.2/esu"
REPOMD = f"{TREE}/x86_64/repodata/repomd.xml"


@pytest.fixture
def own(tmp_path, keys, tuxcare_rpms):
    """A mirror of nothing but packages of our own, with a signing key."""
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    site.source = tuxcare_rpms / "esu"
    site.add_local(TREE, keys.tuxcare, site.source)
    sign_with(site, keys.operator)
    return site


def sign_with(site, key):
    site.main["signing_key"] = key.fingerprint
    site.main["gnupghome"] = key.homedir


def published(site, path):
    return (site.public / "vetted" / path).read_bytes()


def test_dnf_takes_it_with_repo_gpgcheck_and_refuses_it_altered(own, keys, httpd, host):
    assert own.sync().status == 0
    server = httpd(own.public / "vetted")
    key = f"{server.url}/{TREE}/RPM-GPG-KEY-tuxmirror"
    host.write(
        "/etc/yum.repos.d/own.repo",
        f"[own]\nname=own\nbaseurl={server.url}/{TREE}/x86_64/\nenabled=1\ngpgcheck=1\n"
        f"repo_gpgcheck=1\ngpgkey={key} {server.url}/{TREE}/{keys.tuxcare.public.name}\n",
    )
    shown = host.dnf("-y", "repoquery", "--repo=own", "--qf=%{name}").stdout
    assert "openssl" in shown
    server.fault("*/repomd.xml", "swap", body=published(own, REPOMD) + b"<!-- -->\n")
    done = host.dnf("-y", "--refresh", "repoquery", "--repo=own", check=False)
    assert done.returncode, "the altered one must not be taken"
    assert "GPG" in done.stderr or "signature" in done.stderr, done.stderr


def test_what_did_not_change_keeps_its_signature(own, keys):
    own.trees[TREE]["arches"] = "x86_64 aarch64"
    assert own.sync().status == 0
    before = {arch: published(own, f"{TREE}/{arch}/repodata/repomd.xml.asc") for arch in ARCHES}
    done = own.sync("--json")
    assert done.named("unchanged"), done
    build_rpms([RpmSpec("fresh", arch="x86_64")], own.source, key=keys.tuxcare)
    assert own.sync().status == 0
    assert published(own, f"{TREE}/aarch64/repodata/repomd.xml.asc") == before["aarch64"]
    assert published(own, f"{TREE}/x86_64/repodata/repomd.xml.asc") != before["x86_64"]


ARCHES = ("x86_64", "aarch64")


def test_another_key_signs_afresh_and_verify_looks_at_it(own, keys):
    assert own.sync().status == 0
    verified = run(own.command("verify"), own.environment)
    assert verified.status == 0, verified
    sign_with(own, keys.stranger)
    own.write_conf()
    stale = run(own.command("verify"), own.environment)
    assert stale.status == 4, "signed by a key that is not the operator's any more"
    assert "repomd.xml" in stale.stderr
    assert own.sync().status == 0
    assert run(own.command("verify"), own.environment).status == 0
    keyfile = f"{TREE}/RPM-GPG-KEY-tuxmirror"
    assert b"PUBLIC KEY" in published(own, keyfile)


def test_without_the_key_nothing_is_published(own, keys, tmp_path):
    assert own.sync().status == 0
    build_rpms([RpmSpec("fresh", arch="x86_64")], own.source, key=keys.tuxcare)
    (tmp_path / "empty").mkdir(mode=0o700)
    own.main["gnupghome"] = tmp_path / "empty"
    before = own.fingerprint()
    done = own.sync()
    assert done.status == 2, done
    assert "signing_key" in done.stderr
    assert own.fingerprint() == before


def test_an_altered_signature_is_damage(own):
    assert own.sync().status == 0
    signature = own.public / "vetted" / f"{REPOMD}.asc"
    text = bytearray(signature.read_bytes())
    text[len(text) // 2] ^= 1
    signature.write_bytes(bytes(text))
    assert run(own.command("verify"), own.environment).status == 4
