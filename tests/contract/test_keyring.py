"""What every keyring promises (ports.Keyring), shown on gpg's.

The signatures themselves are tried in tests/integration/test_sync_refused_signature.py.
"""

import time
from pathlib import Path

import pytest

from tests.support import SHARED_DATA
from tests.support.keys import SigningKey
from tuxmirror.adapters.keyring import GpgKeyring, rpm_database
from tuxmirror.core.errors import ConfigError, SignatureError

DATA = b"<repomd/>"


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "repomd.xml"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def make():
    made = []

    def keyring(*args):
        made.append(GpgKeyring(*args))
        return made[-1]

    yield keyring
    for each in made:
        each.close()


def test_good_signature_names_the_primary_key(make, keys, document):
    signature = keys.almalinux.sign_detached(document).read_bytes()
    keyring = make([keys.almalinux.public])
    assert keyring.fingerprints == {keys.almalinux.fingerprint}
    assert keyring.verify_detached(DATA, signature) == keys.almalinux.fingerprint


def test_subkeys_signature_names_the_primary_key(make, document, tmp_path):
    key = SigningKey.create(tmp_path, "Subkey test", subkey=True)
    signature = key.sign_detached(document).read_bytes()
    keyring = make([key.public])
    assert keyring.verify_detached(DATA, signature) == key.fingerprint
    assert {key.fingerprint[-16:], key.signing_fingerprint[-16:]} == keyring.key_ids


@pytest.mark.parametrize("digest", ["SHA256", "SHA384", "SHA512"])
def test_strong_digests(make, keys, document, digest):
    signature = keys.almalinux.sign_detached(document, digest).read_bytes()
    make([keys.almalinux.public]).verify_detached(DATA, signature)


@pytest.mark.parametrize("digest", ["SHA1", "RIPEMD160", "SHA224"])
def test_weak_digests(make, keys, document, digest):
    signature = keys.almalinux.sign_detached(document, digest).read_bytes()
    with pytest.raises(SignatureError):
        make([keys.almalinux.public]).verify_detached(DATA, signature)


def test_other_data(make, keys, document):
    signature = keys.almalinux.sign_detached(document).read_bytes()
    keyring = make([keys.almalinux.public])
    for data in (b"", DATA + b"\n", DATA[:-1]):
        with pytest.raises(SignatureError) as caught:
            keyring.verify_detached(data, signature)
        assert keys.almalinux.fingerprint in caught.value.expected


TEXT = "# a list\nSHA256 (a.iso) = 00\n- with a dash\n"


def test_a_text_with_its_own_signature(make, keys):
    before = int(time.time())
    said = make([keys.almalinux.public]).verify_clear(keys.almalinux.sign_clear(TEXT))
    assert said.text == TEXT
    assert said.fingerprint == keys.almalinux.fingerprint
    assert before <= said.signed <= time.time()


@pytest.mark.parametrize(
    "change",
    [
        lambda good: good.replace(b"a.iso", b"b.iso"),
        lambda good: b"SHA256 (evil.iso) = 00\n" + good,
        lambda good: good + b"SHA256 (evil.iso) = 00\n",
        lambda good: good + good,
        lambda good: good.replace(b"\n\n", b"\nSHA256 (evil.iso) = 00\n\n", 1),
        lambda good: good.replace(b"Hash: SHA256", b"NotDashEscaped: x\nHash: SHA256"),
        lambda good: good.partition(b"-----BEGIN PGP SIGNATURE")[0],
        lambda good: TEXT.encode(),
        lambda good: b"",
    ],
)
def test_nothing_but_what_was_signed(make, keys, change):
    keyring = make([keys.almalinux.public])
    with pytest.raises(SignatureError):
        keyring.verify_clear(change(keys.almalinux.sign_clear(TEXT)))


def test_a_text_by_another_key_or_a_weak_digest(make, keys):
    keyring = make([keys.almalinux.public])
    with pytest.raises(SignatureError):
        keyring.verify_clear(keys.stranger.sign_clear(TEXT))
    with pytest.raises(SignatureError):
        keyring.verify_clear(keys.almalinux.sign_clear(TEXT, "SHA1"))


def test_keys_of_several_files_and_a_choice_among_them(make, keys, document):
    files = [keys.almalinux.public, keys.stranger.public]
    both = {keys.almalinux.fingerprint, keys.stranger.fingerprint}
    assert make(files).fingerprints == both
    chosen = make(files, [keys.stranger.fingerprint])
    assert chosen.fingerprints == {keys.stranger.fingerprint}
    assert chosen.key_ids == {keys.stranger.fingerprint[-16:]}
    signature = keys.almalinux.sign_detached(document).read_bytes()
    with pytest.raises(SignatureError, match="not allowed here"):
        chosen.verify_detached(DATA, signature)


def test_revoked_key_is_none(make, keys, tmp_path):
    revoked = SigningKey.create(tmp_path, "Revoked test")
    revoked.revoke()
    assert make([revoked.public, keys.almalinux.public]).fingerprints == {
        keys.almalinux.fingerprint
    }
    with pytest.raises(ConfigError, match="not revoked"):
        make([revoked.public])


def test_the_users_own_keyring_does_not_count(make, keys, document, monkeypatch):
    monkeypatch.setenv("GNUPGHOME", str(keys.stranger.homedir))
    signature = keys.stranger.sign_detached(document).read_bytes()
    with pytest.raises(SignatureError):
        make([keys.almalinux.public]).verify_detached(DATA, signature)


def test_nothing_is_left_when_it_is_closed(keys, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    keyring = GpgKeyring([keys.almalinux.public])
    with rpm_database(keyring):
        assert len(list(tmp_path.iterdir())) == 2
    keyring.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_it_cannot_be_made(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigError):
        GpgKeyring([tmp_path / "none"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.shared_data
def test_real_keys_load_with_their_subkeys(make):
    folder = SHARED_DATA / "keys"
    keyring = make([folder / "RPM-GPG-KEY-AlmaLinux-8", folder / "RPM-GPG-KEY-AlmaLinux-9"])
    assert keyring.fingerprints == {
        "5E9B8F5617B5066CE92057C3488FCF7C3ABB34F8",
        "BC5EDDCADF502C077F1582882AE81E8ACED7258B",
        "BF18AC2876178908D6E71267D36CB86CB86B3716",
    }
    assert "51D6647EC21AD6EA" in keyring.key_ids


@pytest.mark.shared_data
def test_real_signature_of_a_repomd(make):
    folder = SHARED_DATA / "repodata/librepo_repo_yum_01/repodata"
    keyring = make([folder / "repomd.xml.key"])
    data, signature = (Path(folder / n).read_bytes() for n in ("repomd.xml", "repomd.xml.asc"))
    assert keyring.verify_detached(data, signature) in keyring.fingerprints
    bad = (folder / "repomd.xml_bad").read_bytes()
    with pytest.raises(SignatureError):
        keyring.verify_detached(bad, signature)
