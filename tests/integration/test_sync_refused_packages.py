"""Packages that must not be published: each is refused by name, kept aside, and harms nothing.

The metadata of these upstreams is consistent and well signed throughout; only the package, or what
primary says of it, is wrong.
"""

import json
import re
import tempfile
from pathlib import Path

import pytest

from tests.support import rpmheader
from tests.support.keys import SigningKey
from tests.support.mirror import TREE, sha256
from tests.support.rpms import (
    RpmSpec,
    build_rpms,
    replace_rpm,
    strip_signature,
    tamper_header,
    tamper_payload,
)

pytest_plugins = ("tests.support.mirror_fixtures",)

REPOSITORY = "BaseOS/x86_64"
EVIL = RpmSpec("evil", size=3000)
PAYLOAD_DIGEST_TAGS = {5092, 5093, 5097}
DSA_HEADER, RSA_HEADER = 267, 268


def add(upstream, spec=EVIL, **options):
    [path] = upstream.add("BaseOS", "x86_64", [spec], **options)
    return path


def refused(site, path, *words, found=None, gained=()):
    """One sync that is refused because of the package at `path`; returns its error event."""
    with site.harmless(gained):
        run = site.sync("--json")
    assert run.status == 4, run
    error = run.error
    assert error["tree"] == TREE
    assert error["repository"] == REPOSITORY
    assert error["path"] == f"Packages/{path.name}"
    for word in words:
        assert word in error["message"], run
    assert error["expected"]
    assert found is None or re.search(found, error["found"]), run
    assert error["way_out"]
    [kept] = site.quarantined()
    assert sha256(kept) == sha256(path)
    assert json.loads(kept.with_suffix(".json").read_text())["message"] == error["message"]
    return error


def test_payload_tampered_with(synced, tiny_upstream):
    path = add(tiny_upstream)
    tamper_payload(path)
    tiny_upstream.publish()
    refused(synced, path, "Payload", "digest: BAD")


def test_header_tampered_with(synced, tiny_upstream):
    path = add(tiny_upstream)
    tamper_header(path)
    tiny_upstream.publish()
    refused(synced, path, "BAD", found="Signature.*BAD")


def test_unsigned(synced, tiny_upstream):
    path = add(tiny_upstream, unsigned=True)
    tiny_upstream.publish()
    refused(synced, path, "there is none", found="no signature")


def test_signature_stripped(synced, tiny_upstream):
    path = strip_signature(add(tiny_upstream))
    tiny_upstream.publish()
    refused(synced, path, "there is none")


def test_signed_by_a_stranger(synced, tiny_upstream, keys):
    path = add(tiny_upstream, signed_by=keys.stranger)
    tiny_upstream.publish()
    key_id = keys.stranger.fingerprint[-8:].lower()
    refused(synced, path, "a key that is not allowed here", found=f"{key_id}: NOKEY")


def test_signed_over_sha1(synced, tiny_upstream, keys):
    path = add(tiny_upstream)
    keys.almalinux.sign_rpms([path], digest="sha1")
    tiny_upstream.publish()
    refused(synced, path, "SHA1")


def test_signed_by_a_revoked_key_beside_a_good_one(synced, tiny_upstream, keys, tmp_path):
    revoked = SigningKey.create(tmp_path, "Revoked test")
    path = add(tiny_upstream, signed_by=revoked)
    revoked.revoke()
    tiny_upstream.publish()
    synced.trees[TREE]["gpgkey"] = f"{keys.almalinux.public} {revoked.public}"
    refused(synced, path)


def test_signed_by_a_revoked_subkey_of_a_good_key(synced, tiny_upstream, keys, tmp_path):
    """Subkeys are revoked one by one; rpm's keyring does not care."""
    key = SigningKey.create(tmp_path, "Subkey revoked test", subkey=True)
    path = add(tiny_upstream, signed_by=key)
    key.revoke_subkey()
    tiny_upstream.publish()
    synced.trees[TREE]["gpgkey"] = f"{keys.almalinux.public} {key.public}"
    refused(synced, path)


@pytest.mark.parametrize("second", ["BAD", "NOKEY"])
def test_of_several_signatures_each_must_be_good(synced, tiny_upstream, keys, second):
    """An RSA and an EdDSA signature over one header: AlmaLinux 10.1 signs more than once."""
    path = add(tiny_upstream)
    content = path.read_bytes()
    parts = rpmheader.segments(content)
    donor = keys.stranger if second == "NOKEY" else keys.almalinux
    signed = sign_again(content, donor)
    entry = rpmheader.parse(signed, rpmheader.segments(signed).signature)[RSA_HEADER]
    if second == "BAD":
        damaged = bytearray(entry.data)
        damaged[-20] ^= 1
        entry = entry._replace(data=bytes(damaged))
    # The tag of the other algorithm's signature; what is in it says what it is.
    signature = {**rpmheader.parse(content, parts.signature), DSA_HEADER: entry}
    replace_signature(path, rpmheader.build_signature(signature))
    tiny_upstream.publish()
    refused(synced, path)


def sign_again(content, key):
    from rpm_rs import Package

    package = Package.from_bytes(content)
    package.clear_signatures()
    package.sign(key.rpm_signer)
    with tempfile.TemporaryDirectory() as folder:
        package.write_file(f"{folder}/a.rpm")
        return Path(folder, "a.rpm").read_bytes()


def replace_signature(path, signature):
    content = path.read_bytes()
    parts = rpmheader.segments(content)
    padding = b"\0" * (-(parts.signature + len(signature)) % 8)
    new = content[: parts.signature] + signature + padding + content[parts.header :]
    path.unlink()
    path.write_bytes(new)


def test_signed_by_a_key_of_the_file_that_fingerprints_leaves_out(synced, tiny_upstream, keys):
    path = add(tiny_upstream, signed_by=keys.stranger)
    tiny_upstream.publish()
    tree = synced.trees[TREE]
    tree["gpgkey"] = f"{keys.almalinux.public} {keys.stranger.public}"
    tree["fingerprints"] = keys.almalinux.fingerprint
    refused(synced, path, "a key that is not allowed here")


def test_signed_by_a_key_of_another_tree(synced, tiny_upstream, keys, tuxcare_rpms):
    path = add(tiny_upstream, signed_by=keys.tuxcare)
    tiny_upstream.publish()
    synced.add_local("tuxcare/9.2/esu", keys.tuxcare, tuxcare_rpms / "esu")
    with synced.harmless():
        run = synced.sync("--json", TREE)
    assert run.status == 4, run
    assert run.error["path"] == f"Packages/{path.name}"


def test_content_that_another_tree_verified_with_its_own_keys(synced, tiny_upstream, keys, httpd):
    """The pool is shared, trust is not."""
    path = add(tiny_upstream, signed_by=keys.stranger)
    tiny_upstream.publish()
    synced.add_tree(
        "other/9.2",
        keys.almalinux,
        gpgkey=f"{keys.almalinux.public} {keys.stranger.public}",
        upstream=synced.trees[TREE]["upstream"],
    )
    run = synced.sync("--json", "other/9.2")
    assert run.status == 0, run
    with synced.harmless():
        run = synced.sync("--json", TREE)
    assert run.status == 4, run
    assert run.error["path"] == f"Packages/{path.name}"
    assert "not allowed here" in run.error["message"]


def test_payload_that_nothing_covers(synced, tiny_upstream, keys):
    """A header-only signature over a header without a payload digest."""
    path = add(tiny_upstream)
    content = path.read_bytes()
    parts = rpmheader.segments(content)
    tags = rpmheader.parse(content, parts.header)
    bare = rpmheader.build({t: e for t, e in tags.items() if t not in PAYLOAD_DIGEST_TAGS})
    resigned = sign_in_process(content[: parts.header] + bare + content[parts.payload :], keys)
    replace_rpm(path, resigned)
    assert not PAYLOAD_DIGEST_TAGS & set(
        rpmheader.parse(path.read_bytes(), rpmheader.segments(path.read_bytes()).header)
    )
    tiny_upstream.publish()
    refused(synced, path)


def sign_in_process(content, keys):
    from rpm_rs import Package

    package = Package.from_bytes(content)
    package.clear_signatures()
    package.sign(keys.almalinux.rpm_signer)
    return package


def test_signature_of_another_package(synced, tiny_upstream):
    """Both halves are good, but not for each other."""
    path = add(tiny_upstream)
    donor = tiny_upstream.package("alpha-*").read_bytes()
    content = path.read_bytes()
    path.unlink()
    mine, theirs = rpmheader.segments(content), rpmheader.segments(donor)
    path.write_bytes(donor[: theirs.header] + content[mine.header :])
    tiny_upstream.publish()
    refused(synced, path)


@pytest.mark.parametrize("cut", [50, 0.5, 0.99])
def test_truncated(synced, tiny_upstream, cut):
    """Listed at its full glory, delivered as a stump that the metadata agrees with."""
    path = add(tiny_upstream)
    tiny_upstream.publish()
    content = path.read_bytes()
    stump = content[: cut if isinstance(cut, int) else int(len(content) * cut)]
    swap_content(tiny_upstream, path, stump)
    refused(synced, path)


@pytest.mark.parametrize("content", [b"#!/bin/sh\n" * 40, b"\0" * 400], ids=["text", "zeros"])
def test_no_package_at_all(synced, tiny_upstream, content):
    path = add(tiny_upstream)
    tiny_upstream.publish()
    swap_content(tiny_upstream, path, content)
    refused(synced, path)


def test_bytes_appended(synced, tiny_upstream):
    path = add(tiny_upstream)
    tiny_upstream.publish()
    swap_content(tiny_upstream, path, path.read_bytes() + b"\0" * 64)
    refused(synced, path)


def swap_content(upstream, path, content):
    """Replace a package; primary's checksum and size follow, the rest of it does not."""
    old, size = sha256(path), path.stat().st_size
    path.unlink()
    path.write_bytes(content)
    upstream.edit_metadata(
        "BaseOS",
        "x86_64",
        "primary",
        lambda text: text.replace(old, sha256(path)).replace(
            f'package="{size}"', f'package="{len(content)}"'
        ),
    )


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("name", "<name>evil</name>", "<name>glibc</name>"),
        ("arch", "<arch>x86_64</arch>", "<arch>i686</arch>"),
        ("epoch", 'epoch="0" ver="1.0"', 'epoch="9" ver="1.0"'),
        ("version", 'ver="1.0" rel="1.el9"/>', 'ver="9.0" rel="1.el9"/>'),
        ("release", 'ver="1.0" rel="1.el9"/>', 'ver="1.0" rel="9.el9"/>'),
        ("build_time", 'build="1695000000"', 'build="1795000000"'),
        ("sourcerpm", "evil-1.0-1.el9.src.rpm", "glibc-2.34-1.el9.src.rpm"),
    ],
)
def test_header_is_not_what_primary_says(synced, tiny_upstream, field, old, new):
    path = add(tiny_upstream)
    tiny_upstream.publish()

    def lie(text):
        start = text.index("<name>evil</name>")
        assert old in text[start:]
        return text[:start] + text[start:].replace(old, new, 1)

    tiny_upstream.edit_metadata("BaseOS", "x86_64", "primary", lie)
    error = refused(synced, path, f"not what the metadata says: {field}")
    assert error["expected"] != error["found"]


def test_new_description_of_a_package_that_was_verified_before(synced, tiny_upstream):
    """Its bytes are known to be good; that they are those of another package must be noticed."""
    add(tiny_upstream, RpmSpec("delta"))
    tiny_upstream.publish()
    tiny_upstream.edit_metadata(
        "BaseOS", "x86_64", "primary", lambda text: text.replace(">alpha<", ">glibc<")
    )
    with synced.harmless(gained=[tiny_upstream.package("delta-*")]):
        run = synced.sync("--json")
    assert run.status == 4, run
    assert run.error["path"] == "Packages/alpha-1.0-1.el9.x86_64.rpm"
    assert (run.error["expected"], run.error["found"]) == ("glibc", "alpha")


def test_every_refused_package_is_named_and_kept(synced, tiny_upstream, keys):
    specs = [RpmSpec(f"evil{number}") for number in range(3)]
    paths = tiny_upstream.add("BaseOS", "x86_64", specs, signed_by=keys.stranger)
    good = add(tiny_upstream, RpmSpec("delta"))
    tiny_upstream.publish()
    with synced.harmless(gained=[good]):
        run = synced.sync("--json")
    assert run.status == 4, run
    assert "and 2 more refused" in run.error["message"]
    assert {event["path"] for event in run.named("quarantine")} == {
        f"Packages/{path.name}" for path in paths
    }
    assert sorted(map(sha256, synced.quarantined())) == sorted(map(sha256, paths))


def test_what_was_verified_beside_a_refused_package_is_not_fetched_again(
    synced, tiny_upstream, upstream, keys
):
    good = add(tiny_upstream, RpmSpec("delta"))
    bad = add(tiny_upstream, signed_by=keys.stranger)
    tiny_upstream.publish()
    refused(synced, bad, gained=[good])
    keys.almalinux.sign_rpms([bad])
    tiny_upstream.publish()
    upstream.reset()
    run = synced.sync("--json")
    assert run.status == 0, run
    assert [path.rpartition("/")[2] for path in upstream.paths("*.rpm")] == [bad.name]
    assert len(synced.packages()) == 5


def test_refused_package_is_refused_again_by_the_next_run(synced, tiny_upstream):
    path = add(tiny_upstream, unsigned=True)
    tiny_upstream.publish()
    refused(synced, path)
    refused(synced, path)


def test_first_sync_with_a_bad_package_publishes_nothing(site, tiny_upstream):
    path = add(tiny_upstream, unsigned=True)
    tiny_upstream.publish()
    run = site.sync("--json")
    assert run.status == 4, run
    assert site.fingerprint() == {}
    assert run.error["path"] == f"Packages/{path.name}"


def test_local_tree_with_a_bad_package_publishes_nothing(synced, keys, tuxcare_rpms):
    source = tuxcare_rpms / "esu"
    synced.add_local("tuxcare/9.2/esu", keys.tuxcare, source)
    assert synced.sync("-q", "tuxcare/9.2/esu").status == 0
    [bad] = build_rpms([EVIL], source / "x86_64", keys.stranger)
    with synced.harmless():
        run = synced.sync("--json", "tuxcare/9.2/esu")
    assert run.status == 4, run
    assert run.error["path"] == f"Packages/{bad.name}"
    assert bad.exists(), "the operator's folder is not ours to change"


def test_refusal_is_told_to_people(synced, tiny_upstream, keys):
    path = add(tiny_upstream, signed_by=keys.stranger)
    tiny_upstream.publish()
    run = synced.sync()
    assert run.status == 4
    assert f"error: {TREE} {REPOSITORY} Packages/{path.name}: " in run.stderr
    for word in ("expected:", "found:", "way out:", "quarantine"):
        assert word in run.stderr, run


# What must be accepted although it looks unusual.


def accepted(site, path):
    run = site.sync("--json")
    assert run.status == 0, run
    assert path.name in site.packages()


def test_signing_subkey_is_accepted(synced, tiny_upstream, keys, tmp_path):
    subkey = SigningKey.create(tmp_path, "Subkey test", subkey=True)
    path = add(tiny_upstream, signed_by=subkey)
    tiny_upstream.publish()
    synced.trees[TREE]["gpgkey"] = f"{keys.almalinux.public} {subkey.public}"
    accepted(synced, path)


@pytest.mark.parametrize("algorithm", ["rsa4096", "ed25519"])
def test_other_key_types_are_accepted(synced, tiny_upstream, keys, tmp_path, algorithm):
    key = SigningKey.create(tmp_path, "Other test", algorithm=algorithm)
    path = add(tiny_upstream, signed_by=key)
    tiny_upstream.publish()
    synced.trees[TREE]["gpgkey"] = f"{keys.almalinux.public} {key.public}"
    accepted(synced, path)


def test_expired_key_counts_for_packages_in_currently_signed_metadata(
    synced, tiny_upstream, keys, tmp_path
):
    old = SigningKey.create(tmp_path, "Old test", created="20190101T000000", expires="1y")
    path = add(tiny_upstream, signed_by=old)
    tiny_upstream.publish()
    synced.trees[TREE]["gpgkey"] = f"{keys.almalinux.public} {old.public}"
    accepted(synced, path)


def test_one_content_at_two_places_is_verified_once(synced, tiny_upstream, upstream):
    path = add(tiny_upstream)
    tiny_upstream.add_files("AppStream", "x86_64", [path])
    tiny_upstream.publish()
    synced.trees[TREE]["repos"] = "BaseOS AppStream"
    upstream.reset()
    accepted(synced, path)
    assert len(upstream.paths("*.rpm")) == 1
    assert synced.packages(f"{TREE}/AppStream/x86_64/os") == [path.name]
