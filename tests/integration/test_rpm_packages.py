"""What the packages are: contents, dependencies, bytes; built by rpmbuild from a source archive."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import CHECKOUT, requires
from tests.support.keys import Keys
from tests.support.packages import (
    ENVIRONMENT,
    GOLDEN,
    GOLDEN_PACKAGES,
    Built,
    build_packages,
    listing,
    other_checkout,
    rpm_query,
    run_build,
    unpack,
)

# Directories that other packages own, and which: on AlmaLinux these are always there.
OTHERS = {
    "/": "filesystem",
    "/etc": "filesystem",
    "/etc/dnf": "dnf-data",
    "/etc/dnf/plugins": "dnf-data",
    "/etc/dnf/protected.d": "dnf-data",
    "/etc/dnf/vars": "dnf-data",
    "/etc/pki": "filesystem",
    "/etc/pki/rpm-gpg": "almalinux-release",
    "/etc/yum.repos.d": "almalinux-repos",
    "/usr": "filesystem",
    "/usr/bin": "filesystem",
    "/usr/lib": "filesystem",
    "/usr/lib/python3.9": "python3-libs",
    "/usr/lib/python3.9/site-packages": "python3-libs",
    "/usr/lib/python3.9/site-packages/dnf-plugins": "python3-dnf",
    "/usr/lib/python3.9/site-packages/dnf-plugins/__pycache__": "python3-dnf",
    "/usr/lib/systemd": "systemd",
    "/usr/lib/systemd/system": "systemd",
    "/usr/lib/sysusers.d": "systemd",
    "/usr/lib/tmpfiles.d": "systemd",
    "/usr/sbin": "filesystem",
    "/usr/share": "filesystem",
    "/usr/share/doc": "filesystem",
    "/usr/share/licenses": "filesystem",
    "/usr/share/man": "filesystem",
    "/usr/share/man/man5": "filesystem",
    "/usr/share/man/man8": "filesystem",
    "/var": "filesystem",
    "/var/lib": "filesystem",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory, keys: Keys) -> Built:
    return build_packages(
        tmp_path_factory.mktemp("dist"), keys.tuxcare, arches=("x86_64", "aarch64"), signed=False
    )


def options(keys: Keys, output: Path, *more: str) -> list[str]:
    key = keys.tuxcare
    return ["--key", str(key.public), "--fingerprint", key.fingerprint, "--output", str(output),
            *more]  # fmt: skip


def dependencies(package: Path, kind: str) -> set[str]:
    return set(rpm_query(f"[%{{{kind}NEVRS}}\n]", package).splitlines())


def owned(package: Path) -> list[str]:
    return rpm_query("[%{FILENAMES}\n]", package).splitlines()


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.rpm"))
    }


# -- contents ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arch"), GOLDEN_PACKAGES.items())
def test_a_package_is_what_its_golden_listing_says(built, name, arch):
    found = listing(built.package(name, arch))
    assert found == (GOLDEN / f"{name}.txt").read_text(), (
        "if that is meant: .venv/bin/python -m tests.support.packages"
    )


def test_every_module_of_the_sources_is_in_one_package(built, tmp_path):
    sources = other_checkout(built, tmp_path / "source")
    for package, roots in (
        (built.package("tuxcare-release"), ["dnf_plugin/tuxcare", "tuxctl/tuxctl"]),
        (built.package("tuxmirror", "noarch"), ["mirror/tuxmirror"]),
    ):
        site = "/usr/lib/python3.9/site-packages"
        wanted = {
            f"{site}/{path.relative_to((sources / root).parent)}"
            for root in roots
            for path in (sources / root).rglob("*.py")
        }
        found = {path for path in owned(package) if path.endswith(".py")}
        assert found - {f"{site}/dnf-plugins/tuxcare.py"} == wanted
        compiled = [path for path in owned(package) if path.endswith(".pyc")]
        assert len(compiled) == len(found)


def test_no_directory_is_without_an_owner(built):
    for package in built.packages:
        paths = set(owned(package))
        parents = {str(parent) for path in paths for parent in Path(path).parents}
        assert parents - paths - OTHERS.keys() == set(), package


def test_the_package_is_of_its_release_and_key(built, keys, tmp_path):
    root = unpack(built.package("tuxcare-release"), tmp_path / "root")
    assert (root / "etc/tuxcare-release").read_text().endswith("AlmaLinux release 9.2\n")
    shipped = root / "etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"
    assert shipped.read_bytes() == keys.tuxcare.public.read_bytes()
    # An own key is useless unless tuxctl expects it.
    conf = (root / "etc/tuxcare/tuxcare.conf").read_text()
    assert f"\nfingerprint = {keys.tuxcare.fingerprint}\n" in conf


def test_nothing_of_the_builder_is_in_the_packages(built, tmp_path):
    for package in built.packages:
        root = unpack(package, tmp_path / package.name)
        found = subprocess.run(
            ["grep", "-rlE", f"rpmbuild|BUILDROOT|{CHECKOUT}|/tmp/", str(root)],
            capture_output=True,
            text=True,
        ).stdout
        # The sandbox of the unit, and what the programs themselves do in /tmp.
        assert not [line for line in found.splitlines() if "BUILDROOT" in Path(line).read_text(
            errors="replace")], package  # fmt: skip
    assert {rpm_query("%{BUILDHOST}", package) for package in built.packages} == {"localhost"}


def test_pins_differ_by_architecture(built):
    x86 = dependencies(built.package("tuxcare-fips-pin-strict", "x86_64"), "REQUIRE")
    arm = dependencies(built.package("tuxcare-fips-pin-strict", "aarch64"), "REQUIRE")
    assert "openssl-libs(x86-64) = 1:3.0.7-20.el9_2.tuxcare.1" in x86
    assert "openssl-libs(aarch-64) = 1:3.0.7-20.el9_2.tuxcare.1" in arm
    assert any(text.startswith("gnutls(x86-64)") for text in x86)
    assert not any(text.startswith(("gnutls", "nss")) for text in arm)


# -- other releases ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "names"),
    [
        # Certificates under review: nothing to be strict about.
        ("9.6", {"tuxcare-release", "tuxcare-fips-pin", "tuxmirror"}),
        # No validated builds at all.
        ("10.0", {"tuxcare-release", "tuxmirror"}),
    ],
)
def test_the_minor_release_is_a_parameter(tmp_path, keys, release, names):
    built = build_packages(tmp_path, keys.tuxcare, release=release)
    assert {rpm_query("%{NAME}", package) for package in built.packages} == names
    package = built.package("tuxcare-release")
    major, minor = release.split(".")
    assert rpm_query("%{RELEASE}", package) == f"1.el{major}_{minor}"
    python = {"9": "3.9", "10": "3.12"}[major]
    assert f"python(abi) = {python}" in dependencies(package, "REQUIRE")
    latest = built.root / f"tuxcare-release-latest-{release}.x86_64.rpm"
    assert rpm_query("%{NEVRA}", latest) == rpm_query("%{NEVRA}", package)


def test_on_el8_python_36_compiles_the_package_without_a_word(tmp_path, keys):
    python = requires("python3.6")
    built = build_packages(tmp_path / "dist", keys.tuxcare, release="8.10")
    # The mirror needs Python 3.9.
    assert [rpm_query("%{NAME}", package) for package in built.packages] == ["tuxcare-release"]
    assert rpm_query("%{RELEASE}", built.packages[0]) == "1.el8_10"
    root = unpack(built.package("tuxcare-release"), tmp_path / "root")
    site = root / "usr/lib/python3.6/site-packages"
    done = subprocess.run(
        [str(python), "-W", "error", "-m", "compileall", "-f", "-q", str(site)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    launcher = (root / "usr/sbin/tuxctl").read_text()
    assert launcher.startswith("#!/usr/libexec/platform-python -I\n")
    done = subprocess.run(
        [str(python), "-c", "import sys, tuxctl.cli; sys.exit(tuxctl.cli.main(['--help']))"],
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "PYTHONPATH": str(site)},
    )
    assert (done.returncode, done.stderr) == (0, "")


# -- how it is built -----------------------------------------------------------------------------


def test_two_builds_give_the_same_bytes_wherever_the_sources_lie(built, keys, tmp_path):
    checkout = other_checkout(built, tmp_path / "another-place")
    done = run_build(*options(keys, tmp_path / "dist", "--arch", "x86_64"), checkout=checkout)
    assert done.returncode == 0, done.stderr
    first, again = digests(built.root), digests(tmp_path / "dist" / "9.2")
    assert len(again) == 6
    assert {name: first[name] for name in again} == again


def test_the_source_package_rebuilds_from_itself(built, tmp_path):
    """With rpmbuild alone, no option of ours: what mock and COPR do."""
    source = tmp_path / built.source.name
    shutil.copy(built.source, source)
    done = subprocess.run(
        # Debian knows none of AlmaLinux's package names, and its sh is no bash.
        ["rpmbuild", "--rebuild", "--nodeps", "--target", "x86_64", "--define",
         f"_topdir {tmp_path}/top", "--define", "__brp_compress %{nil}",
         "--define", "__pythondist_provides %{nil}", str(source)],
        capture_output=True, text=True, env={**ENVIRONMENT, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = {rpm_query("%{NEVRA}", path): path for path in (tmp_path / "top").rglob("*.rpm")}
    wanted = [built.package(name, arch) for name, arch in GOLDEN_PACKAGES.items()]
    assert sorted(made) == sorted(rpm_query("%{NEVRA}", path) for path in wanted)
    for package in wanted:
        again = made[rpm_query("%{NEVRA}", package)]
        for kind in ("REQUIRE", "CONFLICT", "PROVIDE"):
            assert dependencies(again, kind) == dependencies(package, kind)


def test_signed_packages_verify_with_the_signing_key_alone(keys, tmp_path, monkeypatch):
    key = keys.operator
    done = subprocess.run(
        [*_python(), *options(keys, tmp_path / "dist", "--arch", "noarch", "--sign",
                              key.fingerprint)],
        capture_output=True, text=True,
        env={**ENVIRONMENT, "GNUPGHOME": str(key.homedir), "SOURCE_DATE_EPOCH": "1700000000"},
    )  # fmt: skip
    subprocess.run(["gpgconf", "--homedir", str(key.homedir), "--kill", "gpg-agent"], check=True)
    assert done.returncode == 0, done.stderr
    database = tmp_path / "db"
    rpmkeys = ["rpmkeys", "--dbpath", str(database)]
    subprocess.run([*rpmkeys, "--import", str(key.public)], check=True, env=ENVIRONMENT)
    packages = sorted((tmp_path / "dist").rglob("*.rpm"))
    assert len(packages) == 4
    checked = subprocess.run(
        [*rpmkeys, "--define", "_pkgverify_level all", "-K", *map(str, packages)],
        capture_output=True, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def _python() -> list[str]:
    import sys

    return [sys.executable, str(CHECKOUT / "packaging/rpm/build.py")]


def test_without_a_key_file_the_build_says_what_is_missing(tmp_path):
    if (CHECKOUT.parent / "shared/data/keys/RPM-GPG-KEY-TuxCare").exists():
        done = run_build("--key", tmp_path / "absent", "--output", tmp_path)
        assert done.returncode == 4
        return
    done = run_build("--output", tmp_path)
    assert done.returncode == 2
    assert "./dev rpm --key FILE" in done.stderr
    assert "https://repo.tuxcare.com/tuxcare/RPM-GPG-KEY-TuxCare" in done.stderr
    assert "FAD7859081D0738B7A828496D07BF2A08D50EB66" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_key_is_refused(keys, tmp_path):
    done = run_build("--key", keys.stranger.public, "--output", tmp_path)
    assert done.returncode == 4
    assert "expected the key FAD7859081D0738B7A828496D07BF2A08D50EB66" in done.stderr
    assert f"found {keys.stranger.fingerprint}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_checked_by_rpmbuild_itself_too(built, keys, tmp_path):
    """--define tuxcare_key, as a builder without ./dev gives it."""
    command = ["rpmbuild", "--rebuild", "--nodeps", "--define", f"_topdir {tmp_path}/top",
               "--define", f"tuxcare_key {keys.stranger.public}", str(built.source)]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, env={**ENVIRONMENT, "HOME": str(tmp_path)}
    )
    assert done.returncode != 0
    assert f"found {keys.stranger.fingerprint}" in done.stderr


def test_rpmlint_has_nothing_to_say_that_is_not_explained(built):
    filters = CHECKOUT / "packaging/rpm/tuxcare-release.rpmlintrc"
    done = subprocess.run(
        ["rpmlint", "-r", str(filters), *map(str, built.packages), str(built.source)],
        capture_output=True,
        text=True,
    )
    assert "0 errors, 0 warnings" in done.stdout, done.stdout
