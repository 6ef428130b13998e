"""The packages of the tests are what rpm takes for real ones, and the bad ones are bad."""

import re
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.support.keys import SigningKey
from tests.support.rpms import (
    Directory,
    RpmSpec,
    Symlink,
    build_rpms,
    strip_signature,
    tamper_header,
    tamper_payload,
)


class Rpm:
    """rpm with a database of its own that trusts some keys."""

    def __init__(self, directory: Path, *keys: SigningKey) -> None:
        self._defines = ["--define", f"_dbpath {directory}/rpmdb"]
        for key in keys:
            subprocess.run(["rpmkeys", *self._defines, "--import", str(key.public)], check=True)

    def check(self, path: Path) -> tuple[int, str]:
        """Exit status and output of a verification that demands signatures."""
        strict = ["--define", "_pkgverify_level all"]
        done = subprocess.run(
            ["rpmkeys", *self._defines, *strict, "-Kv", str(path)], capture_output=True, text=True
        )
        return done.returncode, done.stdout

    def query(self, path: Path, form: str) -> str:
        command = ["rpm", *self._defines, "-qp", "--qf", form, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def rpm(tmp_path, keys):
    return Rpm(tmp_path, keys.almalinux)


def build(directory: Path, key: SigningKey | None, **fields) -> Path:
    return build_rpms([RpmSpec("sample", **fields)], directory, key)[0]


def test_header_says_what_the_spec_says(rpm, tmp_path, keys):
    path = build(
        tmp_path,
        keys.almalinux,
        version="2.5",
        release="7.el9_2",
        epoch=3,
        sourcerpm="origin-2.4-7.el9_2.src.rpm",
        modularitylabel="sample:18:9020020230315150517:rhel9",
        requires=("glibc", "openssl-libs >= 1:3.0.7"),
        obsoletes=("older < 2",),
        conflicts=("rival = 4",),
        provides=("virtual = 1",),
        files={
            "/usr/bin/sample": b"#!/bin/sh\n",
            "/etc/sample.conf": b"a=b\n",
            "/usr/lib/sample": Symlink("share"),
            "/var/lib/sample": Directory(0o700),
        },
        config=("/etc/sample.conf",),
        scriptlets={"post": "echo installed"},
    )
    assert path.name == "sample-2.5-7.el9_2.x86_64.rpm"
    assert rpm.query(path, "%{NEVRA}") == "sample-3:2.5-7.el9_2.x86_64"
    assert rpm.query(path, "%{SOURCERPM}") == "origin-2.4-7.el9_2.src.rpm"
    assert rpm.query(path, "%{MODULARITYLABEL}") == "sample:18:9020020230315150517:rhel9"
    assert rpm.query(path, "%{VENDOR}") == "AlmaLinux"
    assert "openssl-libs >= 1:3.0.7" in rpm.query(path, "[%{REQUIRENEVRS}\n]").splitlines()
    assert rpm.query(path, "[%{OBSOLETENEVRS}]") == "older < 2"
    assert rpm.query(path, "[%{CONFLICTNEVRS}]") == "rival = 4"
    assert "virtual = 1" in rpm.query(path, "[%{PROVIDENEVRS}\n]").splitlines()
    assert rpm.query(path, "%{POSTIN}") == "echo installed"
    assert rpm.query(path, "[%{FILENAMES} %{FILEMODES:perms} %{FILEFLAGS:fflags}\n]").split(
        "\n"
    ) == [
        "/etc/sample.conf -rw-r--r-- cn",
        "/usr/bin/sample -rwxr-xr-x ",
        "/usr/lib/sample lrwxrwxrwx ",
        "/usr/share/doc/sample-2.5-7.el9_2.x86_64/README -rw-r--r-- ",
        "/var/lib/sample drwx------ ",
        "",
    ]


@pytest.mark.parametrize("algorithm", ["rsa2048", "ed25519"])
@pytest.mark.parametrize("subkey", [False, True])
def test_signature_verifies_with_its_key_only(tmp_path, keys, algorithm, subkey):
    key = SigningKey.create(tmp_path / "key", algorithm=algorithm, subkey=subkey)
    path = build(tmp_path, key)
    status, output = Rpm(tmp_path / "its", key).check(path)
    assert (status, key.signing_fingerprint[-8:].lower() in output) == (0, True)
    assert (key.signing_fingerprint != key.fingerprint) == subkey
    status, output = Rpm(tmp_path / "other", keys.stranger).check(path)
    assert (status, "NOKEY" in output) == (1, True)


@pytest.mark.parametrize("length", [86, 87])
def test_key_works_where_the_path_is_too_long_for_an_agent(length):
    with tempfile.TemporaryDirectory(prefix="tuxcare-") as short:
        directory = Path(short, "x" * (length - len(short) - len("//long.gnupg")))
        key = SigningKey.create(directory, "Long", algorithm="ed25519")
        assert (key.homedir.parent == directory) == (length == 86)
        assert key.sign_detached(key.public).exists()
        homedir = key.homedir
        del key
        assert homedir.exists() == (length == 86)


def test_sha1_signature_can_be_made(tmp_path, rpm, keys):
    path = build(tmp_path, None)
    keys.almalinux.sign_rpms([path], digest="sha1")
    assert "RSA/SHA1" in rpm.check(path)[1]


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (tamper_payload, "Payload SHA256 digest: BAD"),
        (tamper_header, "Header V4 RSA/SHA256 Signature, key ID .*: BAD"),
        (strip_signature, "Header RSA signature: NOTFOUND"),
    ],
)
def test_harmed_package_is_refused_for_the_reason_named(rpm, tmp_path, keys, harm, complaint):
    path = build(tmp_path, keys.almalinux, size=5000)
    assert rpm.check(path)[0] == 0
    status, output = rpm.check(harm(path))
    assert status == 1
    assert re.search(complaint, output)


def test_harming_a_package_spares_its_hard_links(rpm, tmp_path, keys):
    path = build(tmp_path, keys.almalinux)
    twin = tmp_path / "twin.rpm"
    twin.hardlink_to(path)
    for harm in (tamper_payload, tamper_header, strip_signature):
        harm(path)
    assert rpm.check(twin)[0] == 0


def test_revoked_and_expired_keys_say_so(tmp_path):
    revoked = SigningKey.create(tmp_path / "a", "Revoked")
    revoked.revoke()
    expired = SigningKey.create(tmp_path / "b", "Expired", created="20200101T000000", expires="1y")
    expired.sign_detached(expired.public)
    for key, flag in ((revoked, "r"), (expired, "e")):
        listing = subprocess.run(
            ["gpg", "--show-keys", "--with-colons", str(key.public)],
            capture_output=True, text=True, check=True,
            env={"PATH": "/usr/bin:/bin", "GNUPGHOME": str(key.homedir)},
        ).stdout  # fmt: skip
        assert listing.splitlines()[0].startswith(f"pub:{flag}:")


def test_two_hundred_packages_cost_a_second_of_processor_time(tmp_path, keys):
    assert keys.almalinux.rpm_signer
    started = time.process_time()
    build_rpms([RpmSpec(f"p{n}", size=2000) for n in range(200)], tmp_path, keys.almalinux)
    assert time.process_time() - started < 2
