"""Whether a fix keeps a host's validated modules, by the manifest that hosts install."""

import pytest

from tests.support import CHECKOUT
from tests.support.advisories import package
from tuxmirror.core import fips
from tuxmirror.core.errors import ConfigError

MANIFEST = CHECKOUT / "packaging" / "fips" / "almalinux-9.2.conf"


@pytest.fixture(scope="module")
def pins():
    release, found = fips.parse(MANIFEST.read_text(), str(MANIFEST))
    assert release == "9.2"
    return found


def openssl(release, name="openssl-libs", **fields):
    return package(name, release=release, source=f"openssl-3.0.7-{release}.src.rpm", **fields)


@pytest.mark.parametrize(
    ("build", "effect", "certificate"),
    [
        (openssl("20.el9_2.tuxcare.1"), fips.Effect.VALIDATED, "4823"),
        (openssl("20.el9_2.tuxcare.2"), fips.Effect.PATCHED, "4823"),
        (openssl("24.el9"), fips.Effect.LEAVES, "4823"),
        (openssl("24.el9", arch="i686"), fips.Effect.LEAVES, "4823"),
        (package("vim-minimal"), fips.Effect.UNPINNED, None),
        (package("nss", arch="aarch64"), fips.Effect.UNPINNED, None),
        (package("nss", arch="x86_64"), fips.Effect.LEAVES, "5031"),
    ],
)
def test_what_a_build_does(pins, build, effect, certificate):
    found = fips.effect([build], pins)
    assert found.effect is effect
    assert (found.pin.certificate if found.pin else None) == certificate
    assert effect.value in found.text and effect.advice in found.text


def test_the_gravest_package_decides(pins):
    builds = [package("vim-minimal"), openssl("20.el9_2.tuxcare.2"), openssl("24.el9")]
    assert fips.effect(builds, pins).effect is fips.Effect.LEAVES
    assert fips.effect(builds[:2], pins).effect is fips.Effect.PATCHED
    assert fips.effect([], pins).effect is fips.Effect.UNPINNED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[manifest]\nformat = 2\nrelease = 9.2\n",
        "[manifest]\nrelease = 9.2\n",
        "[manifest]\nformat = 1\nrelease = 9.2\n[pin x]\nbuilds = x-1-1\n",
        "no section",
        "[manifest]\nformat = 1\nformat = 1\n",
    ],
)
def test_what_is_no_manifest_is_refused_by_name(text):
    with pytest.raises(ConfigError, match=r"m\.conf"):
        fips.parse(text, "m.conf")


def test_every_shipped_manifest_is_read():
    for path in sorted(MANIFEST.parent.glob("*.conf")):
        release, found = fips.parse(path.read_text(), str(path))
        assert path.name == f"almalinux-{release}.conf"
        assert {"kernel", "openssl"} <= {pin.source for pin in found}
