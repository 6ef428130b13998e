"""Which builds have to be installed, from what is installed and what is offered."""

import pytest

from tests.support import CHECKOUT
from tuxcare import manifest as manifests
from tuxcare.pins import Package
from tuxctl.fips import builds
from tuxctl.fips.builds import Installed

PATH = CHECKOUT / "packaging" / "fips" / "almalinux-9.2.conf"
MANIFEST = manifests.parse(str(PATH), PATH.read_bytes().decode())
OLD_KERNEL = "kernel-5.14.0-284.30.1.el9_2.src.rpm"
KERNEL_5 = "kernel-5.14.0-284.11.1.el9_2.tuxcare.5.src.rpm"
KERNEL_6 = "kernel-5.14.0-284.11.1.el9_2.tuxcare.6.src.rpm"
KERNEL_7 = "kernel-5.14.0-284.1101.el9_2.tuxcare.7.src.rpm"
OPENSSL = "openssl-3.0.7-20.el9_2.tuxcare.1.src.rpm"
PATCHED = "openssl-3.0.7-20.el9_2.tuxcare.2.src.rpm"


def package(name, source, arch="x86_64", epoch=None, repository="tuxcare-fips"):
    _name, version, release = source[: -len(".src.rpm")].rsplit("-", 2)
    if epoch is None:
        epoch = 1 if source.startswith("openssl") else 0
    return Package(name, epoch, version, release, arch, source, repository)


def kernels(source, repository="tuxcare-fips"):
    return [package(name, source, repository=repository) for name in ("kernel", "kernel-core")]


def installed(*packages):
    return [
        Installed(
            item._replace(ref=None), item.name.startswith("kernel-c") or item.name == "kernel"
        )
        for item in packages
    ]


def select(here, offered, mode="patched", arch="x86_64"):
    rules = builds.pins_of(MANIFEST, mode, arch)
    return builds.select(MANIFEST, rules, arch, here, offered)


def chosen(selection):
    return {str(item.package): item.validated for item in selection.install}


def test_the_newest_validated_build_is_taken_also_where_a_patch_is_offered():
    offered = [*kernels(KERNEL_5), *kernels(KERNEL_6), *kernels(KERNEL_7, "tuxcare-esu")]
    selection = select(installed(*kernels(OLD_KERNEL)), offered)
    assert chosen(selection) == {
        "kernel-5.14.0-284.11.1.el9_2.tuxcare.6.x86_64": True,
        "kernel-core-5.14.0-284.11.1.el9_2.tuxcare.6.x86_64": True,
    }
    assert all(item.replaces is None for item in selection.install)  # kernels stand side by side
    assert selection.kernel == "5.14.0-284.11.1.el9_2.tuxcare.6.x86_64"


def test_a_patch_is_taken_where_no_validated_build_is_offered_and_not_in_mode_strict():
    offered = [package("openssl-libs", PATCHED, repository="tuxcare-esu")]
    here = installed(package("openssl-libs", "openssl-3.0.7-16.el9_2.src.rpm"))
    selection = select(here, offered)
    assert chosen(selection) == {"openssl-libs-1:3.0.7-20.el9_2.tuxcare.2.x86_64": False}
    assert str(selection.install[0].replaces) == "openssl-libs-1:3.0.7-16.el9_2.x86_64"
    assert "openssl-libs" in select(here, offered, "strict").missing


def test_what_satisfies_its_pin_stays():
    here = installed(package("openssl-libs", PATCHED), *kernels(KERNEL_5))
    offered = [package("openssl-libs", OPENSSL), *kernels(KERNEL_6)]
    assert "openssl-libs" not in str(chosen(select(here, offered)))
    strict = chosen(select(here, offered, "strict"))
    assert strict == {"openssl-libs-1:3.0.7-20.el9_2.tuxcare.1.x86_64": True}
    assert select(here, offered).kernel == "5.14.0-284.11.1.el9_2.tuxcare.5.x86_64"


@pytest.mark.parametrize(
    "offer",
    [
        package("openssl-libs", OPENSSL, repository="elsewhere"),
        package("openssl-libs", OPENSSL, epoch=0),
        package("openssl-libs", "openssl-fork-3.0.7-20.el9_2.tuxcare.1.src.rpm"),
        package("openssl-libs", OPENSSL, arch="aarch64"),
    ],
)
def test_look_alikes_are_not_taken(offer):
    assert "openssl-libs" in select([], [offer]).missing


def test_i686_follows_the_same_build():
    here = installed(package("openssl-libs", "openssl-3.0.7-24.el9_2.src.rpm", "i686"))
    offered = [package("openssl-libs", OPENSSL, arch) for arch in ("x86_64", "i686")]
    assert set(chosen(select(here, offered))) == {
        "openssl-libs-1:3.0.7-20.el9_2.tuxcare.1.i686",
        "openssl-libs-1:3.0.7-20.el9_2.tuxcare.1.x86_64",
    }


def test_aarch64_has_the_shorter_list():
    offered = [package("openssl-libs", OPENSSL, "aarch64")]
    missing = set(select([], offered, arch="aarch64").missing)
    assert missing == {"kernel-core", "libkcapi", "libkcapi-hmaccalc"}


def test_an_extra_package_that_nobody_offers_is_told_not_demanded():
    here = installed(package("openssl-perl", "openssl-3.0.7-24.el9_2.src.rpm"))
    selection = select(here, [package("openssl-libs", OPENSSL)])
    assert [str(item) for item in selection.left] == ["openssl-perl-1:3.0.7-24.el9_2.x86_64"]


def test_what_rpm_and_dnf_print():
    rpm = "kernel-core\t0\t5.14.0\t1.el9\tx86_64\tkernel-5.14.0-1.el9.src.rpm\t"
    rpm += "kernel installonlypkg(kernel) \ngpg-pubkey\t0\t1\t2\t(none)\t(none)\tgpg(X) \n"
    first, second = builds.parse_installed(rpm)
    assert (first.installonly, second.installonly) == (True, False)
    dnf = "nss\t0\t3.90.0\t6.el9\tx86_64\tnss-3.90.0-6.el9.src.rpm\ttuxcare-fips\nwarning: x\n"
    [found] = builds.parse_available(dnf)
    assert (found.name, found.ref) == ("nss", "tuxcare-fips")
