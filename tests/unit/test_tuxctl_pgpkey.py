"""Fingerprints of key files, as gpg tells them."""

import base64
import subprocess

import pytest

from tuxcare import pgpkey


def packet(tag, body, old=False):
    if old:
        return bytes([0x80 | tag << 2 | 1]) + len(body).to_bytes(2, "big") + body
    return bytes([0xC0 | tag, 255]) + len(body).to_bytes(4, "big") + body


def armour(data):
    return (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n"
        + base64.encodebytes(data)
        + b"=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )


KEY = b"\x04" + bytes(300)


@pytest.mark.parametrize("old", [False, True])
def test_both_packet_formats_and_armour_give_the_same(old):
    data = packet(6, KEY, old) + packet(13, b"name", old) + packet(14, KEY + b"x", old)
    found = pgpkey.fingerprints(data)
    assert found == pgpkey.fingerprints(armour(data))
    assert len(found) == 1
    assert len(found[0]) == 40


def test_every_primary_key_counts():
    first, second = packet(6, KEY), packet(6, KEY + b"x")
    assert len(set(pgpkey.fingerprints(first + second))) == 2
    assert pgpkey.fingerprints(first + second) == pgpkey.fingerprints(
        armour(first) + b"text between\n" + armour(second)
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no public key"),
        (b"hello", "not an OpenPGP packet"),
        (packet(13, b"name"), "no public key"),
        (packet(6, KEY)[:-1], "cut off"),
        (b"\xc6", "cut off"),
        (packet(6, b"\x03" + KEY), "version 3"),
        (b"\xc6\xe0" + KEY, "partial length"),
        (b"\x9b" + KEY, "indeterminate length"),
        (
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!\n-----END PGP PUBLIC KEY BLOCK-----",
            "damaged",
        ),
    ],
)
def test_other_bytes_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        pgpkey.fingerprints(data)


@pytest.mark.shared_data
def test_real_keys_have_the_fingerprints_that_gpg_tells(shared_data, tmp_path):
    files = sorted((shared_data / "keys").iterdir())
    assert files
    for file in files:
        listing = subprocess.check_output(
            ["gpg", "--homedir", str(tmp_path), "--show-keys", "--with-colons", str(file)],
            stderr=subprocess.DEVNULL,
        ).decode()
        expected, primary = [], False
        for record in (line.split(":") for line in listing.splitlines()):
            primary = record[0] == "pub" or (primary and record[0] != "sub")
            if record[0] == "fpr" and primary:
                expected.append(record[9])
        assert pgpkey.fingerprints(file.read_bytes()) == expected, file.name
