"""FIPS manifests: the shipped ones, and everything the strict parser refuses."""

import datetime
from pathlib import Path

import pytest

from tuxcare import manifest
from tuxcare.errors import ConfigError, RefusedError
from tuxcare.host import HostPaths
from tuxcare.nevra import Evr

SHIPPED = Path(__file__).resolve().parents[2] / "packaging" / "fips"

GOOD = """\
[manifest]
format = 1
release = 9.2
status = validated
patched_repositories = tuxcare-fips tuxcare-esu

[pin nss]
builds =
    nss-3.90.0-6.el9_2.tuxcare.1
    nss-3.90.0-5.el9_2.tuxcare.1
arches = x86_64
certificate = 5031
status = active
sunset = 2030-06-24
repositories = tuxcare-fips
binaries =
    nspr *
    nss
    nss-extra 2:1.0-3.el9
    nss-own 7.0.0
"""


def shipped(release):
    path = SHIPPED / f"almalinux-{release}.conf"
    return manifest.parse(str(path), path.read_text())


def put(root, path, text):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


def test_the_manifest_of_9_2_holds_the_validated_set():
    pins = {pin.source: pin for pin in shipped("9.2").pins}
    assert {source: [str(build) for build in pin.builds] for source, pin in pins.items()} == {
        "kernel": [
            "kernel-5.14.0-284.11.1.el9_2.tuxcare.6",
            "kernel-5.14.0-284.11.1.el9_2.tuxcare.5",
        ],
        "libkcapi": ["libkcapi-1.3.1-3.el9"],
        "openssl": ["openssl-3.0.7-20.el9_2.tuxcare.1"],
        "nss": ["nss-3.90.0-6.el9_2.tuxcare.1"],
        "gnutls": ["gnutls-3.7.6-23.el9_2.tuxcare.3"],
        "nettle": ["nettle-3.8-3.el9_2.tuxcare.1"],
        "libgcrypt": ["libgcrypt-1.10.0-10.el9_2.tuxcare.3"],
    }
    assert {source: pin.certificate for source, pin in pins.items()} == {
        "kernel": "4750",
        "libkcapi": "4750",
        "openssl": "4823",
        "nss": "5031",
        "gnutls": "5049",
        "nettle": "5049",
        "libgcrypt": "5060",
    }
    on_arm = {source for source, pin in pins.items() if "aarch64" in pin.arches}
    assert on_arm == {"kernel", "libkcapi", "openssl"}
    assert pins["openssl"].epoch == 1
    assert pins["openssl"].sunset == datetime.date(2026, 10, 6)
    assert pins["openssl"].certificate_text == "CMVP certificate 4823, interim"
    own = {b.name for pin in pins.values() for b in pin.binaries if not b.follows}
    assert own == {"nspr", "nspr-devel", "bpftool"}


def test_the_manifest_of_9_6_is_pending_and_refuses_strict_alone():
    pending = shipped("9.6")
    assert pending.status == "pending"
    assert not any(pin.is_validated for pin in pending.pins)
    manifest.require_mode(pending, "patched")
    with pytest.raises(RefusedError, match=r"almalinux-9\.6\.conf.*under review") as refused:
        manifest.require_mode(pending, "strict")
    assert "patched" in refused.value.hint
    manifest.require_mode(shipped("9.2"), "strict")


def test_binaries_may_have_versions_of_their_own():
    (pin,) = manifest.parse("m.conf", GOOD).pins
    binaries = {binary.name: binary for binary in pin.binaries}
    assert binaries["nss"].follows
    assert (binaries["nspr"].follows, binaries["nspr"].evr) == (False, None)
    assert binaries["nss-extra"].evr == Evr(2, "1.0", "3.el9")
    assert str(binaries["nss-own"].evr) == "7.0.0-"


BAD = [
    ("format = 1", "format = 2", r"\[manifest\] format: expected 1, found '2'"),
    ("format = 1\n", "", r"\[manifest\] format: missing"),
    ("release = 9.2", "release = nine", r"\[manifest\] release: expected a release"),
    ("release = 9.2", "release = 9.2\nrelease = 9.2", "already exists"),
    ("status = validated", "status = fine", r"\[manifest\] status: expected validated or pending"),
    ("arches = x86_64", "arches = amd64", r"\[pin nss\] arches: expected x86_64 or"),
    ("arches = x86_64", "arches = x86_64 x86_64", r"\[pin nss\] arches: 'x86_64' stands twice"),
    ("arches = x86_64", "arches =", r"\[pin nss\] arches: missing"),
    ("arches = x86_64", "Arches = x86_64", r"unknown key"),
    ("sunset = 2030-06-24", "sunse = 2030-06-24", r"\[pin nss\] sunse: unknown key; did you mean"),
    ("sunset = 2030-06-24", "sunset = 2030-13-24", r"\[pin nss\] sunset: .*month"),
    ("sunset = 2030-06-24", "sunset = soon", r"\[pin nss\] sunset: expected a date"),
    ("sunset = 2030-06-24\n", "", r"\[pin nss\] sunset: missing"),
    ("certificate = 5031", "certificate = yes", r"\[pin nss\] certificate: expected a CMVP"),
    ("certificate = 5031", "certificate = pending", r"\[pin nss\] sunset: a certificate that is"),
    ("status = active", "status = pending", r"\[pin nss\] status: 'pending', but there is"),
    ("nss-3.90.0-6.el9_2.tuxcare.1", "nss-3.90.0", r"\[pin nss\] builds: expected NAME-VERSION"),
    ("nss-3.90.0-6.el9_2.tuxcare.1", "nss-3.90.0-6.src.rpm", r"\[pin nss\] builds: expected"),
    ("nss-3.90.0-6.el9_2.tuxcare.1", "nspr-4.35-6.el9", r"\[pin nss\] builds: .* is no build of"),
    ("nss-3.90.0-6.el9_2.tuxcare.1", "nss-3.90.0-4.el9", r"\[pin nss\] builds: .*newest first"),
    ("repositories = tuxcare-fips\n", "repositories = a/b\n", r"\[pin nss\] repositories: expect"),
    ("    nss\n", "    nss\n    nss\n", r"\[pin nss\] binaries: 'nss' stands twice"),
    ("    nss\n", "    nss\n    nss *\n", r"\[pin nss\] binaries: 'nss' stands twice"),
    ("    nss\n", "    nss 1-2-3 4\n", r"\[pin nss\] binaries: expected NAME"),
    ("    nss\n", "    nss x:1-2\n", r"\[pin nss\] binaries: expected an epoch"),
    ("[pin nss]", "[nss]", r"\[nss\]: expected \[manifest\] or \[pin NAME\]"),
    ("[manifest]", "[manifesto]", r"no \[manifest\] section"),
    ("[pin nss]", "[pin nss]\n[pin nss]", "already exists"),
    ("builds =", "builds", "contains parsing errors"),
]


@pytest.mark.parametrize("old, new, complaint", BAD)
def test_what_is_wrong_is_named_by_file_section_and_key(old, new, complaint):
    assert old in GOOD
    with pytest.raises(ConfigError, match=complaint) as refused:
        manifest.parse("/etc/tuxcare/fips.d/site.conf", GOOD.replace(old, new, 1))
    assert "/etc/tuxcare/fips.d/site.conf" in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", GOOD.split("[pin", 1)[0]])
def test_a_manifest_without_pins_is_refused(text):
    with pytest.raises(ConfigError, match=r"m.conf: no \["):
        manifest.parse("m.conf", text)


def test_a_file_of_the_site_adds_pins(tmp_path):
    put(tmp_path, "usr/share/tuxcare/fips/almalinux-9.2.conf", GOOD)
    site = GOOD.replace("nss", "libcorp").replace("nspr", "libcorp-data")
    put(tmp_path, "etc/tuxcare/fips.d/corp.conf", site)
    put(tmp_path, "etc/tuxcare/fips.d/README", "not a manifest")
    found = manifest.load(HostPaths(str(tmp_path)), "9.2")
    assert [pin.source for pin in found.pins] == ["nss", "libcorp"]
    assert len(found.paths) == 2


def test_two_files_may_not_pin_the_same(tmp_path):
    put(tmp_path, "usr/share/tuxcare/fips/almalinux-9.2.conf", GOOD)
    site = put(tmp_path, "etc/tuxcare/fips.d/corp.conf", GOOD)
    with pytest.raises(ConfigError, match="source nss is pinned already by") as refused:
        manifest.load(HostPaths(str(tmp_path)), "9.2")
    assert str(site) in refused.value.message
    site.write_text(GOOD.replace("pin nss", "pin nss2").replace(" nss-3", " nss2-3"))
    with pytest.raises(ConfigError, match="nspr is pinned already by"):
        manifest.load(HostPaths(str(tmp_path)), "9.2")


def test_a_manifest_for_another_release_is_refused(tmp_path):
    path = put(tmp_path, "usr/share/tuxcare/fips/almalinux-9.6.conf", GOOD)
    with pytest.raises(ConfigError, match=r"expected 9\.6, found 9\.2") as refused:
        manifest.load(HostPaths(str(tmp_path)), "9.6")
    assert str(path) in refused.value.message


def test_a_missing_manifest_names_itself_and_what_there_is(tmp_path):
    put(tmp_path, "usr/share/tuxcare/fips/almalinux-9.2.conf", GOOD)
    with pytest.raises(ConfigError, match=r"9.4.conf: no such.*found: almalinux-9.2.conf"):
        manifest.load(HostPaths(str(tmp_path)), "9.4")
    with pytest.raises(ConfigError, match="no such FIPS manifest"):
        manifest.load(HostPaths(str(tmp_path / "empty")), "9.2")
