"""Metadata whose signature must not be believed: missing, forged, stale, weak or a stranger's.

The mirror has a good state already, which stays as it is.
"""

import subprocess

import pytest

from tests.support.keys import SigningKey
from tests.support.mirror import TREE, sha256
from tests.support.refusals import REPO, REPOMD, REPOSITORY, refused, replace
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)


def signature_path(upstream):
    return upstream.os_dir(*REPO) / "repodata/repomd.xml.asc"


def gpg(key, *arguments, data=b""):
    command = ["gpg", "--homedir", str(key.homedir), "--batch", "--yes", *arguments]
    try:
        return subprocess.run(command, input=data, check=True, capture_output=True).stdout
    finally:
        subprocess.run(["gpgconf", "--homedir", str(key.homedir), "--kill", "all"], check=True)


def test_no_signature(synced, news):
    news.sign(*REPO, unsigned=True)
    refused(synced, "no usable signature", "404", "metadata_signature = pinned", path=REPOMD)


def test_signature_by_a_stranger(synced, news, keys):
    news.sign(*REPO, signed_by=keys.stranger)
    refused(synced, keys.almalinux.fingerprint, "key", path=REPOMD)


def test_signature_of_the_former_state(synced, tiny_upstream):
    stale = signature_path(tiny_upstream).read_bytes()
    tiny_upstream.add(*REPO, [RpmSpec("delta")])
    tiny_upstream.publish()
    replace(signature_path(tiny_upstream), stale)
    refused(synced, "does not hold", path=REPOMD)


def test_repomd_changed_after_it_was_signed(synced, news):
    news.edit_repomd(*REPO, lambda text: text.replace("<repomd ", "<repomd  "), sign=False)
    refused(synced, "does not hold", path=REPOMD)


def test_inline_signed_text_in_place_of_a_signature(synced, news, keys):
    """gpg calls it valid on its own, whatever repomd.xml says."""
    blob = gpg(keys.almalinux, "--armor", "--sign", data=b"something else")
    replace(signature_path(news), blob)
    refused(synced, path=REPOMD)


def test_clear_signed_text_in_place_of_a_signature(synced, news, keys):
    blob = gpg(keys.almalinux, "--clearsign", data=b"something else")
    replace(signature_path(news), blob)
    refused(synced, path=REPOMD)


def test_signature_over_sha1(synced, news, keys):
    keys.almalinux.sign_detached(news.os_dir(*REPO) / REPOMD, digest="SHA1")
    refused(synced, path=REPOMD)


def test_good_signature_beside_a_foreign_one(synced, news, keys):
    path = signature_path(news)
    good = gpg(keys.almalinux, "--dearmor", data=path.read_bytes())
    news.sign(*REPO, signed_by=keys.stranger)
    foreign = gpg(keys.stranger, "--dearmor", data=path.read_bytes())
    for both in (good + foreign, foreign + good):
        replace(path, both)
        refused(synced, path=REPOMD)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"x" * (128 << 10)], ids=["empty", "zeros", "huge"]
)
def test_no_signature_at_all_in_the_file(synced, news, content):
    replace(signature_path(news), content)
    refused(synced)


def test_signature_by_an_expired_key(synced, news, keys, tmp_path):
    """It still counts for packages, not for metadata."""
    old = SigningKey.create(tmp_path, "Old test", created="20190101T000000", expires="1y")
    synced.trees[TREE]["gpgkey"] = f"{keys.almalinux.public} {old.public}"
    news.sign(*REPO, signed_by=old)
    refused(synced, "expired", path=REPOMD)


def test_signature_by_a_revoked_key(synced, news, keys, tmp_path):
    revoked = SigningKey.create(tmp_path, "Revoked test")
    news.sign(*REPO, signed_by=revoked)
    revoked.revoke()
    synced.trees[TREE]["gpgkey"] = f"{keys.almalinux.public} {revoked.public}"
    refused(synced, path=REPOMD)


def test_signature_by_a_key_that_fingerprints_leaves_out(synced, news, keys):
    news.sign(*REPO, signed_by=keys.stranger)
    tree = synced.trees[TREE]
    tree["gpgkey"] = f"{keys.almalinux.public} {keys.stranger.public}"
    tree["fingerprints"] = keys.almalinux.fingerprint
    refused(synced, "not allowed here", path=REPOMD)


def test_tree_whose_only_key_is_revoked(synced, news, tmp_path):
    revoked = SigningKey.create(tmp_path, "Revoked test")
    revoked.revoke()
    synced.trees[TREE]["gpgkey"] = revoked.public
    with synced.harmless():
        run = synced.sync("--json")
    assert run.status == 2, run
    assert "not revoked" in run.error["message"]


def test_pinned_metadata_needs_no_signature(site, news):
    news.sign(*REPO, unsigned=True)
    tree = site.trees[TREE]
    tree["metadata_signature"] = "pinned"
    tree["repomd_sha256"] = f"{REPOSITORY}:{sha256(news.os_dir(*REPO) / REPOMD)}"
    run = site.sync("--json")
    assert run.status == 0, run
    published = (site.public / "vetted" / TREE / "SNAPSHOT.json").read_text()
    assert '"signed_by": "pinned"' in published


def test_metadata_other_than_the_pinned(synced, news):
    tree = synced.trees[TREE]
    tree["metadata_signature"] = "pinned"
    tree["repomd_sha256"] = f"{REPOSITORY}:{'0' * 64}"
    found = sha256(news.os_dir(*REPO) / REPOMD)
    refused(synced, "not the pinned one", "0" * 64, found, path=REPOMD)
