"""Whether an RPM file is signed by one key: real packages, real signatures."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.support.rpms import RpmSpec, build_rpms, strip_signature, tamper_header, tamper_payload
from tuxcare.signature import KeyChecker

SPEC = RpmSpec("openssl-libs", "3.0.7", "20.el9_2.tuxcare.1", epoch=1,
               sourcerpm="openssl-3.0.7-20.el9_2.tuxcare.1.src.rpm")  # fmt: skip
IDENTITY = (
    SPEC.name, 1, SPEC.version, SPEC.release, "x86_64", "openssl-3.0.7-20.el9_2.tuxcare.1.src.rpm",
)  # fmt: skip


@pytest.fixture
def package(keys, tmp_path):
    return build_rpms([SPEC], tmp_path, keys.tuxcare)[0]


@pytest.fixture
def checker(keys):
    return KeyChecker(str(keys.tuxcare.public), keys.tuxcare.fingerprint)


def test_a_package_signed_by_the_key_is_good(checker, package):
    assert checker.problem(str(package)) is None
    assert checker.problem(str(package), IDENTITY) is None


def test_one_signed_by_another_key_is_not(checker, keys, tmp_path):
    package = build_rpms([SPEC], tmp_path, keys.stranger)[0]
    assert checker.problem(str(package)).startswith("not signed by key ")


def test_an_unsigned_one_is_not(checker, tmp_path):
    package = build_rpms([SPEC], tmp_path / "built", None)[0]
    assert checker.problem(str(package)) == "is not signed"


def test_a_stripped_signature_is_none(checker, package):
    strip_signature(package)
    assert checker.problem(str(package))


def test_a_changed_header_is_found(checker, package):
    tamper_header(package)
    assert checker.problem(str(package))


def test_a_changed_payload_is_left_to_rpm_which_finds_it(checker, package, tmp_path):
    """The signed header holds the payload's digest, which rpm checks as it installs."""
    tamper_payload(package)
    assert checker.problem(str(package)) is None
    done = subprocess.run(
        ["rpm", "-i", "--root", str(tmp_path / "root"), "--nodeps", str(package)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "digest" in done.stderr.lower() or "digest" in done.stdout.lower()


def test_the_file_must_be_what_its_repository_says(checker, package):
    for place, other in [(0, "openssl"), (1, 0), (2, "3.0.8"), (4, "i686"), (5, "x-1-1.src.rpm")]:
        claimed = [*IDENTITY]
        claimed[place] = other
        assert "is not what its repository says" in checker.problem(str(package), claimed)


def test_a_file_that_changes_is_checked_again(checker, keys, package, tmp_path):
    assert checker.problem(str(package)) is None
    other = build_rpms([SPEC], tmp_path / "other", keys.stranger)[0]
    shutil.copyfile(other, package)
    assert checker.problem(str(package)).startswith("not signed by key ")


def test_no_package_at_all_is_told(checker, tmp_path):
    assert "cannot be checked" in checker.problem(str(tmp_path / "absent.rpm"))
    (tmp_path / "text.rpm").write_text("not a package")
    assert checker.problem(str(tmp_path / "text.rpm"))


def test_a_key_file_that_holds_another_key_is_refused(keys, package):
    checker = KeyChecker(str(keys.stranger.public), keys.tuxcare.fingerprint)
    problem = checker.problem(str(package))
    assert (
        f"expected the key {keys.tuxcare.fingerprint}, found {keys.stranger.fingerprint}" in problem
    )


def test_a_missing_or_damaged_key_file_is_told(keys, package, tmp_path):
    for content in (None, b"", b"no key", keys.tuxcare.public.read_bytes()[:400]):
        path = tmp_path / "key"
        if content is not None:
            path.write_bytes(content)
        problem = KeyChecker(str(path), keys.tuxcare.fingerprint).problem(str(package))
        assert "its signature cannot be checked" in problem


def test_a_revoked_key_signs_nothing(package, tmp_path):
    from tests.support.keys import SigningKey

    key = SigningKey.create(tmp_path / "gone", name="Revoked test")
    signed = build_rpms([SPEC], tmp_path / "signed", key)[0]
    assert KeyChecker(str(key.public), key.fingerprint).problem(str(signed)) is None
    key.revoke()
    assert "is revoked" in KeyChecker(str(key.public), key.fingerprint).problem(str(signed))


def test_a_signature_with_sha1_is_too_weak(checker, keys, package):
    keys.tuxcare.sign_rpms([package], digest="SHA1")
    assert checker.problem(str(package)) == "is signed with a hash that is too weak"
