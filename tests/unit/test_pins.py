"""The rules of the pins, over plain values."""

from pathlib import Path

import pytest

from tuxcare import kernels, manifest
from tuxcare.nevra import parse_source
from tuxcare.pins import Change, Leaving, Package, Pins, explain

MANIFEST = Path(__file__).resolve().parents[2] / "packaging/fips/almalinux-9.2.conf"
VALIDATED = "openssl-3.0.7-20.el9_2.tuxcare.1"
PATCHED = "openssl-3.0.7-20.el9_2.tuxcare.2"
COMMUNITY = "openssl-3.0.7-24.el9_2"
KERNEL_5 = "kernel-5.14.0-284.11.1.el9_2.tuxcare.5"
KERNEL_6 = "kernel-5.14.0-284.11.1.el9_2.tuxcare.6"
KERNEL_7 = "kernel-5.14.0-284.1101.el9_2.tuxcare.7"
NSS = "nss-3.90.0-6.el9_2.tuxcare.1"
FIPS_REPOS = ("tuxcare-fips", "tuxcare-esu")


def from_home(package, repositories):
    """A Trust: `ref` is the repository, and its id is to be believed."""
    if package.ref in repositories:
        return None
    return f"comes from {package.ref}"


def rules(mode="strict", arch="x86_64"):
    found = manifest.parse(str(MANIFEST), MANIFEST.read_text())
    return Pins.from_manifest(found, mode, frozenset([arch]), from_home)


def built(name, source, epoch=None, version=None, release=None, arch="x86_64", repo="tuxcare-fips"):
    """A binary package of a source, by default at the source's version."""
    build = parse_source(source)
    if epoch is None:
        epoch = 1 if build.name == "openssl" else 0
    version = version or build.version
    return Package(name, epoch, version, release or build.release, arch, build.sourcerpm, repo)


def problem(mode, package, arch="x86_64"):
    found = rules(mode, arch).check_arriving(package)
    return found.problem if found else None


@pytest.mark.parametrize("mode", ["strict", "patched"])
@pytest.mark.parametrize(
    "package",
    [
        built("openssl-libs", VALIDATED),
        built("openssl-devel", VALIDATED, arch="i686"),
        built("openssl-libs-debuginfo", VALIDATED, epoch=0),
        built("nspr", NSS, version="4.35.0"),
        built("nss-softokn", NSS),
        built("kernel-core", KERNEL_5),
        built("kernel-core", KERNEL_6, repo="tuxcare-esu"),
        built("bpftool", KERNEL_6, version="7.0.0"),
        built("libkcapi", "libkcapi-1.3.1-3.el9", repo="baseos"),
    ],
    ids=str,
)
def test_validated_builds_arrive_in_either_mode(mode, package):
    assert problem(mode, package) is None


@pytest.mark.parametrize(
    "package",
    [
        built("openssl-libs", COMMUNITY, repo="baseos"),
        built("openssl-libs", "openssl-3.0.7-16.el9_2", repo="baseos"),
        built("nss-softokn", "nss-3.90.0-7.el9_2", repo="appstream"),
        built("nspr", "nss-3.90.0-7.el9_2", version="4.35.0"),
        built("bpftool", "kernel-5.14.0-284.30.1.el9_2", version="7.0.0"),
        built("kernel-foo", "kernel-5.14.0-284.30.1.el9_2"),
        built("openssl-libs", COMMUNITY, arch="i686"),
        built("libkcapi", "libkcapi-1.4.0-2.el9", repo="baseos"),
    ],
    ids=str,
)
def test_other_builds_are_refused_in_either_mode(package):
    assert problem("strict", package) == "is not a validated build, and mode is strict"
    assert problem("patched", package) == "is neither a validated build nor a newer TuxCare one"


def test_newer_tuxcare_builds_arrive_in_mode_patched_alone():
    package = built("openssl-libs", PATCHED, repo="tuxcare-esu")
    assert problem("patched", package) is None
    assert problem("strict", package) == "is not a validated build, and mode is strict"
    assert problem("patched", built("kernel-core", KERNEL_7)) is None


def test_older_tuxcare_builds_do_not_arrive_in_mode_patched():
    assert problem("patched", built("kernel-core", "kernel-5.14.0-284.11.1.el9_2.tuxcare.4"))
    assert problem("patched", built("openssl-libs", "openssl-3.0.7-19.el9_2.tuxcare.9"))


def test_a_patched_build_keeps_its_epoch():
    assert problem("patched", built("openssl-libs", PATCHED, epoch=0)) == "has epoch 0, not 1"


def test_a_patched_build_comes_from_the_tuxcare_repositories():
    assert problem("patched", built("openssl-libs", PATCHED, repo="baseos")) == "comes from baseos"


@pytest.mark.parametrize("mode", ["strict", "patched"])
def test_a_validated_build_comes_from_the_repositories_of_its_pin(mode):
    assert problem(mode, built("openssl-libs", VALIDATED, repo="baseos")) == "comes from baseos"
    assert problem(mode, built("libkcapi", "libkcapi-1.3.1-3.el9", repo="epel"))


@pytest.mark.parametrize("mode", ["strict", "patched"])
def test_a_listed_name_from_another_source_is_a_look_alike(mode):
    fork = built("openssl-libs", "openssl-fork-3.0.7-20.el9_2.tuxcare.1", epoch=1)
    assert problem(mode, fork) == (
        "is built from openssl-fork-3.0.7-20.el9_2.tuxcare.1.src.rpm, not from openssl"
    )
    assert (
        problem(mode, fork._replace(sourcerpm=None)) == "names no source package, openssl expected"
    )
    assert problem(mode, fork._replace(sourcerpm="openssl.rpm"))


@pytest.mark.parametrize("change", [{"epoch": 0}, {"version": "3.0.8"}, {"release": "20.el9_2"}])
def test_a_binary_that_only_claims_the_source_is_refused(change):
    package = built("openssl-libs", VALIDATED)._replace(**change)
    expected = "is not 1:3.0.7-20.el9_2.tuxcare.1, its version in that build"
    assert problem("strict", package) == expected


def test_what_is_not_pinned_is_free():
    for package in [
        built("curl", "curl-7.76.1-23.el9_2.4", repo="baseos"),
        built("openssl-pkcs11", "openssl-pkcs11-0.4.11-7.el9", repo="baseos"),
        built("kernel-srpm-macros", "kernel-srpm-macros-1.0-12.el9", repo="baseos"),
        Package("gpg-pubkey", 0, "1", "1", "(none)", None),
    ]:
        assert problem("strict", package) is None


def test_what_is_not_validated_on_an_arch_is_not_pinned_there():
    community = built("nss", "nss-3.90.0-7.el9_2", arch="aarch64", repo="appstream")
    assert problem("strict", community, arch="aarch64") is None
    assert problem("strict", built("openssl-libs", COMMUNITY, arch="aarch64"), arch="aarch64")
    assert problem("strict", built("kernel-core", KERNEL_7, arch="aarch64"), arch="aarch64")


def losses(mode, *leaving, **change):
    found = rules(mode).check(Change(leaving=leaving, **change))
    return [(violation.package.name, violation.problem) for violation in found]


def test_an_installed_build_that_satisfies_its_pin_stays():
    gone = "must not be removed"
    assert losses("strict", Leaving(built("openssl-libs", VALIDATED))) == [("openssl-libs", gone)]
    assert losses("patched", Leaving(built("openssl-libs", PATCHED))) == [("openssl-libs", gone)]
    assert losses("patched", Leaving(built("nspr", NSS, version="4.35.0"))) == [("nspr", gone)]


def test_an_installed_build_that_does_not_may_go():
    assert losses("strict", Leaving(built("openssl-libs", COMMUNITY))) == []
    assert losses("strict", Leaving(built("openssl-libs", PATCHED))) == []
    assert losses("strict", Leaving(built("curl", "curl-7.76.1-23.el9_2.4"))) == []


def test_the_repository_an_installed_build_came_from_does_not_matter():
    installed = built("openssl-libs", VALIDATED, repo="@System")
    assert rules().satisfied_by(installed)
    assert losses("strict", Leaving(installed))


def test_another_package_does_not_replace_a_pinned_build():
    fork = built("libressl", "libressl-3.8.0-1.el9")
    found = losses("strict", Leaving(built("openssl-libs", VALIDATED), (fork,)))
    assert found == [("openssl-libs", "must not be replaced by libressl-3.8.0-1.el9.x86_64")]


def test_a_build_of_the_same_source_may_take_a_subpackage_in():
    new = built("openssl-libs", PATCHED, repo="tuxcare-esu")
    old = Leaving(built("openssl-fips-provider", VALIDATED), (new,))
    assert losses("patched", old, arriving=(new,)) == []


def test_a_forbidden_replacement_of_the_same_name_is_told_once():
    new = built("openssl-libs", COMMUNITY, repo="baseos")
    old = built("openssl-libs", VALIDATED)
    found = rules().check(Change(arriving=(new,), leaving=(Leaving(old, (new,)),)))
    assert [violation.package for violation in found] == [new]


def test_a_validated_kernel_is_not_evicted_but_others_are():
    gone = "must not be removed"
    kernel = Leaving(built("kernel-core", KERNEL_6), installonly=True)
    assert losses("patched", kernel) == [("kernel-core", gone)]
    assert losses("patched", Leaving(built("kernel-core", KERNEL_7), installonly=True)) == []
    community = built("kernel-core", "kernel-5.14.0-284.30.1.el9_2")
    assert losses("strict", Leaving(community, installonly=True)) == []


def test_an_older_validated_kernel_goes_only_while_a_newer_one_stays():
    older = Leaving(built("kernel-core", KERNEL_5), installonly=True)
    newer = built("kernel-core", KERNEL_6)
    assert losses("strict", older)
    assert losses("strict", older, staying=(newer,)) == []
    assert losses("strict", older, arriving=(newer,)) == []
    assert losses("strict", older, staying=(built("kernel-modules", KERNEL_6),))
    assert losses("strict", older, staying=(built("kernel-core", KERNEL_7),))
    assert losses("strict", older, Leaving(newer, installonly=True)) == [
        ("kernel-core", "must not be removed"),
        ("kernel-core", "must not be removed"),
    ]


def test_the_message_names_package_pin_certificate_and_way_out():
    found = rules().check(Change(arriving=(built("openssl-libs", COMMUNITY),)))
    assert explain(found, "strict", "9.2").splitlines() == [
        "FIPS mode 'strict' of AlmaLinux 9.2 forbids this:",
        "  openssl-libs-1:3.0.7-24.el9_2.x86_64 is not a validated build, and mode is strict; "
        "pinned to openssl-3.0.7-20.el9_2.tuxcare.1 (CMVP certificate 4823, interim)",
        "To let TuxCare's FIPS-compliant security updates in: tuxctl fips enable",
        "To see what is validated: tuxctl fips status; to give the pins up: tuxctl fips disable",
    ]
    kernel = rules("patched").check(Change(arriving=(built("perf", "kernel-5.14.0-1.el9"),)))
    text = explain(kernel, "patched", "9.2")
    assert f"pinned to {KERNEL_6} or {KERNEL_5} (CMVP certificate 4750)" in text
    assert "fips enable" not in text


def test_problems_are_sorted_and_one_for_each_package():
    packages = tuple(built(name, COMMUNITY) for name in ("openssl-perl", "openssl", "openssl-libs"))
    found = rules().check(Change(arriving=packages))
    assert [violation.package.name for violation in found] == [
        "openssl", "openssl-libs", "openssl-perl",
    ]  # fmt: skip


def test_there_are_no_pins_without_a_mode():
    with pytest.raises(ValueError, match="off"):
        rules("off")


# --- which kernels make room ----------------------------------------------------------------------


def kernel_packages(*sources):
    return [built(name, source) for source in sources for name in ("kernel-core", "kernel-modules")]


def keeps(*sources):
    kept = {parse_source(source).sourcerpm for source in sources}
    return lambda package: package.sourcerpm not in kept


KERNEL_8 = "kernel-5.14.0-284.1102.el9_2.tuxcare.8"
KERNEL_9 = "kernel-5.14.0-284.1103.el9_2.tuxcare.9"


def test_slots_are_crowded_when_full_and_one_must_stay():
    full = kernel_packages(KERNEL_6, KERNEL_7, KERNEL_8)
    assert kernels.crowded(full, keeps(KERNEL_6), 3)
    assert not kernels.crowded(full, keeps(), 3)
    assert not kernels.crowded(full, keeps(KERNEL_6), 4)


def test_the_oldest_that_may_go_makes_room_with_all_of_its_build():
    full = [*kernel_packages(KERNEL_6, KERNEL_7, KERNEL_8), built("kernel-devel", KERNEL_7)]
    going = kernels.surplus(full, kernel_packages(KERNEL_9), keeps(KERNEL_6), 3)
    assert {package.sourcerpm for package in going} == {KERNEL_7 + ".src.rpm"}
    assert {package.name for package in going} == {"kernel-core", "kernel-modules", "kernel-devel"}


def test_nothing_goes_while_there_is_room_or_nothing_comes():
    two = kernel_packages(KERNEL_6, KERNEL_7)
    assert kernels.surplus(two, kernel_packages(KERNEL_9), keeps(KERNEL_6), 3) == []
    three = kernel_packages(KERNEL_6, KERNEL_7, KERNEL_8)
    assert kernels.surplus(three, [built("curl", "curl-1-1")], keeps(KERNEL_6), 3) == []


def test_a_slot_too_many_is_better_than_a_lost_kernel():
    two = kernel_packages(KERNEL_6, KERNEL_7)
    assert kernels.surplus(two, kernel_packages(KERNEL_9), keeps(KERNEL_6, KERNEL_7), 2) == []
