"""From a manifest to the dependencies of tuxcare-fips-pin."""

import importlib.util

import pytest

from tests.support import CHECKOUT
from tuxcare import manifest as manifests
from tuxcare.host import MODE_PATCHED, MODE_STRICT

_PATH = CHECKOUT / "packaging" / "rpm" / "fips_pin.py"
_SPEC = importlib.util.spec_from_file_location("fips_pin", _PATH)
fips_pin = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fips_pin)

HEAD = """\
[manifest]
format = 1
release = 9.2
status = {status}
patched_repositories = tuxcare-fips

[pin openssl]
builds =
    openssl-3.0.7-20.el9_2.tuxcare.2
    openssl-3.0.7-20.el9_2.tuxcare.1
epoch = 1
arches = x86_64 aarch64
certificate = {certificate}
status = {pin_status}
{sunset}
repositories = tuxcare-fips
modules = openssl-libs
binaries =
    openssl
    openssl-libs
    own *
    fixed 2:5-1
"""
NEWEST, OLDEST = "1:3.0.7-20.el9_2.tuxcare.2", "1:3.0.7-20.el9_2.tuxcare.1"


def manifest(text="", pending=False):
    head = HEAD.format(
        status="pending" if pending else "validated",
        certificate="pending" if pending else "4823",
        pin_status="pending" if pending else "active",
        sunset="" if pending else "sunset = 2030-01-01",
    )
    return manifests.parse("test.conf", head + text)


def test_strict_requires_one_of_the_validated_builds_of_this_architecture():
    [pin] = manifest().pins
    assert fips_pin.requires(pin, MODE_STRICT, "aarch64") == [
        f"(openssl-libs(aarch-64) = {NEWEST} or openssl-libs(aarch-64) = {OLDEST})"
    ]


def test_patched_requires_the_oldest_validated_build_or_a_newer_one():
    [pin] = manifest().pins
    assert fips_pin.requires(pin, MODE_PATCHED, "x86_64") == [f"openssl-libs(x86-64) >= {OLDEST}"]


def test_strict_conflicts_on_both_sides_and_patched_below_only():
    [pin] = manifest().pins
    below = [f"openssl < {OLDEST}", f"openssl-libs < {OLDEST}", "fixed < 2:5-1"]
    above = [f"openssl > {NEWEST}", f"openssl-libs > {NEWEST}", "fixed > 2:5-1"]
    assert sorted(fips_pin.conflicts(pin, MODE_PATCHED)) == sorted(below)
    assert sorted(fips_pin.conflicts(pin, MODE_STRICT)) == sorted(below + above)


def test_a_package_at_a_version_of_its_own_has_no_conflicts():
    [pin] = manifest().pins
    assert not [text for text in fips_pin.conflicts(pin, MODE_STRICT) if text.startswith("own")]


def test_kernels_may_stay_side_by_side():
    real = manifests.parse(
        "9.2", (CHECKOUT / "packaging/fips/almalinux-9.2.conf").read_text(encoding="utf-8")
    )
    kernel = next(pin for pin in real.pins if pin.source == "kernel")
    assert fips_pin.conflicts(kernel, MODE_STRICT) == []
    assert "kernel-core(x86-64) = " in fips_pin.requires(kernel, MODE_STRICT, "x86_64")[0]


def test_nothing_is_strict_while_certificates_are_pending():
    text = fips_pin.spec_text(manifest(pending=True))
    assert "%package -n tuxcare-fips-pin\n" in text
    assert "tuxcare-fips-pin-strict\nSummary" not in text


def test_a_pin_that_would_hold_nothing_is_an_error():
    [pin] = manifest().pins
    with pytest.raises(fips_pin.IncompleteManifest, match=r"openssl.*modules: missing"):
        fips_pin.requires(pin._replace(modules=()), MODE_STRICT, "x86_64")


def test_modules_are_among_the_binaries():
    text = HEAD.replace("modules = openssl-libs", "modules = openssl-lib")
    with pytest.raises(manifests.ConfigError, match="'openssl-lib' is none of the binaries"):
        manifests.parse(
            "test.conf",
            text.format(
                status="validated",
                certificate="4823",
                pin_status="active",
                sunset="sunset = 2030-01-01",
            ),
        )


@pytest.mark.parametrize("path", sorted((CHECKOUT / "packaging/fips").glob("*.conf")))
def test_every_manifest_of_the_package_gives_pins_for_every_architecture(path):
    real = manifests.parse(str(path), path.read_text(encoding="utf-8"))
    text = fips_pin.spec_text(real)
    for arch in ("x86_64", "aarch64"):
        assert f"%ifarch {arch}\n" in text
    assert text.count("%package") == len(fips_pin.modes(real))
