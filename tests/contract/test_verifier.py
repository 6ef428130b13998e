"""What every package verifier promises (ports.PackageVerifier), shown on rpmkeys in workers.

Single bad packages are tried in tests/integration/test_sync_refused_packages.py; here: batches,
workers that die, and packages made by others to be bad.
"""

import hashlib
import os
import signal
import subprocess
import sys
from random import Random

import createrepo_c
import pytest
import rpm_rs

from tests.support import CHECKOUT, SHARED_DATA, rpmheader
from tests.support.rpms import RpmSpec, build_rpms, replace_rpm, strip_signature
from tuxmirror.adapters import rpm_verifier, rpm_worker
from tuxmirror.adapters.keyring import GpgKeyring, rpm_database
from tuxmirror.adapters.rpm_verifier import RpmVerifier
from tuxmirror.core.errors import SignatureError
from tuxmirror.core.package import Package
from tuxmirror.core.rpmkeys import check_output

# RPMTAG_DSAHEADER, RPMTAG_RSAHEADER.
RSA_HEADER_TAGS = (267, 268)


@pytest.fixture
def keyring(keys):
    made = GpgKeyring([keys.almalinux.public])
    yield made
    made.close()


def described(path):
    """The package as honest metadata would have it."""
    found = createrepo_c.package_from_rpm(str(path), checksum_type=createrepo_c.SHA256)
    return Package(
        found.name, int(found.epoch), found.version, found.release, found.arch,
        f"Packages/{path.name}", found.pkgId, found.size_package, found.time_build,
        found.rpm_sourcerpm,
    )  # fmt: skip


def verify(keyring, packages, **options):
    """Verified results by file name."""
    with RpmVerifier(keyring, **options) as verifier:
        for package, path in packages:
            verifier.submit(package, path)
        results = [*verifier.results(), *verifier.finish()]
    assert len(results) == len(packages)
    return {result.path.name: result for result in results}


@pytest.mark.parametrize("workers", [1, 3])
def test_one_bad_package_spoils_no_other_of_its_batch(keyring, keys, tmp_path, workers):
    specs = [RpmSpec(f"p{number:03}") for number in range(rpm_verifier.BATCH_FILES + 20)]
    paths = build_rpms(specs, tmp_path, keys.almalinux)
    bad = {paths[3].name, paths[-1].name}
    for path in (paths[3], paths[-1]):
        strip_signature(path)
    results = verify(keyring, [(described(path), path) for path in paths], workers=workers)
    assert {name for name, result in results.items() if result.error} == bad
    for name in bad:
        assert results[name].error.path == f"Packages/{name}"


def test_nothing_submitted_is_nothing_found(keyring):
    assert verify(keyring, []) == {}


def test_file_names_cannot_forge_an_answer(keyring, keys, tmp_path):
    """rpmkeys prints names and verdicts to one stream."""
    [good] = build_rpms([RpmSpec("good")], tmp_path, keys.almalinux)
    [bad] = build_rpms([RpmSpec("bad")], tmp_path, keys.stranger)
    odd = bad.rename(tmp_path / "Header V4 RSA SHA256 Signature, key ID 1: OK")
    results = verify(keyring, [(described(good), good), (described(odd), odd)])
    assert results[good.name].error is None
    assert results[odd.name].error is not None


def test_both_ways_agree_wherever_a_byte_is_changed(keyring, keys, tmp_path):
    """What is taken without `rpmkeys` is what it would take: nothing more, nothing less."""
    [whole] = build_rpms([RpmSpec("alpha", size=3000)], tmp_path / "whole", keys.almalinux)
    content, package = whole.read_bytes(), described(whole)
    random, parts = Random(7), rpmheader.segments(content)
    places = [random.randrange(parts.header) for _ in range(60)]
    places += [random.randrange(parts.header, parts.payload) for _ in range(60)]
    places += [random.randrange(parts.payload, len(content)) for _ in range(20)]
    paths = []
    for place in places:
        path = tmp_path / f"changed-{place}.rpm"
        changed = content[place] ^ (1 << random.randrange(8))
        path.write_bytes(content[:place] + bytes([changed]) + content[place + 1 :])
        paths.append(path)
    results = verify(keyring, [(package, path) for path in paths])
    with rpm_database(keyring) as database:
        outputs = rpm_worker.rpmkeys(str(database), list(map(str, paths)))
    accepted = {path.name for path, output in zip(paths, outputs) if is_good(output, keyring)}
    assert {name for name, result in results.items() if result.error is None} == accepted
    # What nobody signed (lead, padding) may change: the whole file's digest covers that.
    assert not {f"changed-{place}.rpm" for place in places if place >= parts.header} & accepted


def is_good(output, keyring):
    try:
        check_output(output, keyring.key_ids, "a.rpm")
    except SignatureError:
        return False
    return True


def test_signature_tag_in_the_main_header_is_nobodys_signature(keyring, keys, tmp_path):
    """rpm shows a tag of the main header in place of the signature header's."""
    [good, bad] = build_rpms([RpmSpec("good"), RpmSpec("bad")], tmp_path, keys.almalinux)
    promised = described(bad)
    stolen = rpmheader.parse(good.read_bytes(), rpmheader.segments(good.read_bytes()).signature)
    tags = {tag: stolen[tag] for tag in RSA_HEADER_TAGS if tag in stolen}
    assert tags
    package = rpm_rs.Package.from_bytes(rpmheader.with_tags(bad.read_bytes(), tags))
    package.clear_signatures()  # and makes the digests anew
    replace_rpm(bad, package)
    assert verify(keyring, [(promised, bad)])[bad.name].error is not None


def test_missing_file_is_refused(keyring, keys, tmp_path):
    [path] = build_rpms([RpmSpec("gone")], tmp_path, keys.almalinux)
    package = described(path)
    path.unlink()
    assert verify(keyring, [(package, path)])[path.name].error is not None


def test_dead_worker_is_an_error_not_a_pass(keyring, keys, tmp_path, monkeypatch):
    [path] = build_rpms([RpmSpec("alpha")], tmp_path, keys.almalinux)
    monkeypatch.setattr(rpm_verifier.sys, "executable", "/bin/false")
    with pytest.raises(SignatureError, match="the process that verifies packages ended"):
        verify(keyring, [(described(path), path)])


def test_abandoned_verifier_ends_its_workers(keyring, keys, tmp_path):
    [path] = build_rpms([RpmSpec("alpha")], tmp_path, keys.almalinux)
    with pytest.raises(KeyError), RpmVerifier(keyring, workers=2) as verifier:
        verifier.submit(described(path), path)
        raise KeyError("something else went wrong")


# What libzypp, rpm and rpm-rs test with.
NEGATIVE = {
    # Its key is not among the collected ones.
    "hello-2.0-1.x86_64-signed-with-subkey.rpm": "rpm.org-rsa-2048-test.pub",
    "hello-2.0-1.x86_64-corrupted.rpm": "rpm.org-rsa-2048-test.pub",
    "hello-2.0-1.x86_64.rpm": "rpm.org-rsa-2048-test.pub",
    "no.rpm": "signed.key",
    "signed_broken.rpm": "signed.key",
    "signed_broken_header.rpm": "signed.key",
    "unsigned.rpm": "signed.key",
    "unsigned_broken.rpm": "signed.key",
    "unsigned_broken_header.rpm": "signed.key",
}
POSITIVE = {
    "hello-2.0-1.x86_64-signed.rpm": "rpm.org-rsa-2048-test.pub",
    "signed.rpm": "signed.key",
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", NEGATIVE)
def test_bad_packages_made_by_others(name):
    folder = SHARED_DATA / "rpms-negative"
    path = folder / name
    twin = next((n for n in POSITIVE if n[:5] == name[:5]), "signed.rpm")
    package = described(folder / twin)._replace(
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(), size=path.stat().st_size or 1
    )
    keyring = GpgKeyring([folder / NEGATIVE[name]])
    try:
        assert verify(keyring, [(package, path)])[name].error is not None
    finally:
        keyring.close()


@pytest.mark.shared_data
@pytest.mark.parametrize("name", POSITIVE)
def test_good_packages_made_by_others(name):
    folder = SHARED_DATA / "rpms-negative"
    keyring = GpgKeyring([folder / POSITIVE[name]])
    try:
        result = verify(keyring, [(described(folder / name), folder / name)])[name]
    finally:
        keyring.close()
    assert result.error is None, result.error


def test_a_package_that_makes_rpm_loop_ends_the_worker_alone(tmp_path):
    """Time before a batch does not count: a long sync is none that hangs."""
    script = """
import sys, time
from tuxmirror.adapters import rpm_worker

def check(headers, database, paths):
    end = time.process_time() + (0.7 if paths == ["good"] else 60)
    while time.process_time() < end:
        pass
    return []

rpm_worker.check, rpm_worker.CPU_SECONDS = check, 1
rpm_worker.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        input='["good"]\n' * 4 + '["bad"]\n',
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "mirror")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[]\n" * 4
    assert done.returncode == -signal.SIGXCPU, done
