"""Real dnf commands on real roots, with and without pins: what each says, and what is installed.

A row of TABLE is one command on a copy of one of pinlab.STATES, in one or several modes. The whole
set of installed packages is compared, not only what the row speaks of; a refused command must also
have downloaded nothing. Rows in mode `off` show what the same command does where nothing is pinned:
without them a plugin that refuses everything would pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.support import pinlab as lab
from tests.support.pinlab import names

BOTH = ("strict", "patched")
STRICT = ("strict",)
PATCHED = ("patched",)
OFF = ("off",)

# Messages.
NOT_VALIDATED = r"is not a validated build, and mode is strict|nor a newer TuxCare one"
STAYS = r"must not be removed"
OPENSSL_PIN = r"pinned to openssl-3\.0\.7-20\.el9_2\.tuxcare\.1 \(CMVP certificate 4823, interim\)"
NSS_PIN = r"pinned to nss-3\.90\.0-6\.el9_2\.tuxcare\.1 \(CMVP certificate 5031\)"
KERNEL_PIN = r"pinned to kernel-5\.14\.0-284\.11\.1\.el9_2\.tuxcare\.6 or .*certificate 4750"
FOREIGN = r"comes from repository"


def base(specs: list) -> set[str]:
    """What of these builds the states have installed."""
    return names(specs, *lab.BASE_NAMES)


KERNEL = ("kernel", "kernel-core", "kernel-modules", "kernel-modules-core")
OPENSSL = ("openssl", "openssl-libs")
MODULE = ("nss", "nss-softokn", "nss-softokn-freebl", "nss-util")
K5, K6 = names(lab.KERNEL_5, *KERNEL), names(lab.KERNEL_6, *KERNEL)
K7, K8, K9 = (names(build, *KERNEL) for build in lab.PATCHED_KERNELS)
SSL1, SSL2 = names(lab.OPENSSL, *OPENSSL), names(lab.OPENSSL_2, *OPENSSL)
SSL_NEW = names(lab.NEW, *OPENSSL)
# What no pin is about moves with every upgrade.
FREE_NEW = names(lab.NEW, "curl", "libcurl", "tzdata")
FREE_OLD = names(lab.OLD, "curl", "libcurl", "tzdata")
CURL_NEW, CURL_OLD = (names(specs, "curl", "libcurl") for specs in (lab.NEW, lab.OLD))
KCAPI_NEW = names(lab.NEW, "libkcapi", "libkcapi-hmaccalc")
KCAPI_OLD = names(lab.OLD, "libkcapi", "libkcapi-hmaccalc")
VALIDATED = base(lab.VALIDATED)
USERSPACE_OLD = base(lab.OLD) - names(lab.OLD, *KERNEL)
USERSPACE_NEW = base(lab.NEW) - names(lab.NEW, *KERNEL)


@dataclass(frozen=True)
class Row:
    """One command. `gains` and `loses` are all that changes; `says` are patterns of its output.

    A refused row (`exit` 1) must name a way out, unless `plain` says that dnf alone answers.
    """

    state: str
    modes: tuple[str, ...]
    command: str
    exit: int = 0
    says: tuple[str, ...] = ()
    gains: frozenset[str] | set[str] = frozenset()
    loses: frozenset[str] | set[str] = frozenset()
    plain: bool = False


def refused(state: str, modes: tuple[str, ...], command: str, *says: str) -> Row:
    return Row(state, modes, command, 1, says)


def nothing(state: str, modes: tuple[str, ...], command: str, *says: str) -> Row:
    return Row(state, modes, command, 0, says)


UPGRADE = [
    Row("validated", STRICT, "upgrade", gains=FREE_NEW, loses=FREE_OLD),
    Row("validated", PATCHED, "upgrade", gains=FREE_NEW | K7 | SSL2, loses=FREE_OLD | SSL1),
    Row("validated", OFF, "upgrade --exclude=openssl-next",
        gains=FREE_NEW | KCAPI_NEW | K7 | USERSPACE_NEW,
        loses=FREE_OLD | KCAPI_OLD | VALIDATED - K6),
    Row("old", STRICT, "upgrade",
        gains=FREE_NEW | VALIDATED, loses=FREE_OLD | USERSPACE_OLD),
    Row("newer", STRICT, "upgrade", gains=FREE_NEW, loses=FREE_OLD),
    Row("newer", PATCHED, "upgrade", gains=FREE_NEW | K7, loses=FREE_OLD),
    Row("patched", PATCHED, "upgrade", gains=FREE_NEW, loses=FREE_OLD),
    Row("patched", STRICT, "upgrade", gains=FREE_NEW, loses=FREE_OLD),
    Row("generation-5", STRICT, "upgrade", gains=FREE_NEW | K6, loses=FREE_OLD),
    Row("validated", STRICT, "upgrade --nobest", gains=FREE_NEW, loses=FREE_OLD),
    Row("validated", STRICT, "upgrade --disableexcludes=all", gains=FREE_NEW, loses=FREE_OLD),
    Row("validated", STRICT, "upgrade --setopt=excludepkgs= --setopt=best=0",
        gains=FREE_NEW, loses=FREE_OLD),
    Row("validated", STRICT, "upgrade --exclude=tzdata",
        gains=FREE_NEW - names(lab.NEW, "tzdata"), loses=FREE_OLD - names(lab.OLD, "tzdata")),
    Row("validated", STRICT, "upgrade --allowerasing", gains=FREE_NEW, loses=FREE_OLD),
    Row("validated", STRICT, "upgrade --obsoletes", gains=FREE_NEW, loses=FREE_OLD),
    Row("validated", STRICT, "upgrade-minimal", gains=CURL_NEW, loses=CURL_OLD),
    Row("validated", STRICT, "upgrade-minimal --security", gains=CURL_NEW, loses=CURL_OLD),
    Row("validated", STRICT, "upgrade --security", gains=CURL_NEW, loses=CURL_OLD),
    Row("validated", OFF, "upgrade-minimal --security",
        gains=CURL_NEW | SSL_NEW, loses=CURL_OLD | SSL1),
    Row("validated", STRICT, "--repofrompath=more,{url}/almalinux/9.2/{token}/BaseOS/x86_64/os/ "
        "--nogpgcheck upgrade", gains=FREE_NEW, loses=FREE_OLD),
    Row("tools", STRICT, "upgrade", gains=FREE_NEW, loses=FREE_OLD),
    nothing("validated", BOTH, "upgrade nss nss-*"),
    nothing("validated", STRICT, "upgrade openssl kernel*"),
    Row("validated", PATCHED, "upgrade openssl", gains=SSL2, loses=SSL1),
    refused("validated", BOTH, "upgrade openssl-3.0.7-24.el9_2", NOT_VALIDATED, OPENSSL_PIN),
    refused("validated", BOTH, "upgrade nss-softokn-3.90.0-7.el9_2", NOT_VALIDATED, NSS_PIN),
]  # fmt: skip

INSTALL = [
    Row("validated", BOTH, "install nss-tools", gains=names(lab.NSS, "nss-tools")),
    Row("validated", STRICT, "install openssl-devel", gains=names(lab.OPENSSL, "openssl-devel")),
    Row("validated", PATCHED, "install openssl-devel",
        gains=names(lab.OPENSSL_2, "openssl-devel", *OPENSSL), loses=SSL1),
    Row("validated", BOTH, "install nspr-devel", gains=names(lab.NSS, "nspr-devel")),
    Row("validated", STRICT, "install bpftool kernel-headers perf kernel-devel",
        gains=names(lab.KERNEL_6, "bpftool", "kernel-headers", "perf", "kernel-devel")),
    Row("validated", BOTH, "group install crypto",
        gains=names(lab.GNUTLS, "gnutls-utils")
        | names(lab.OLD, "vim-enhanced", "vim-common", "vim-filesystem")),
    Row("validated", BOTH, "install vim-enhanced",
        gains=names(lab.OLD, "vim-enhanced", "vim-common", "vim-filesystem")),
    Row("validated", STRICT, "install openssl-libs.i686",
        gains=names(lab.OPENSSL, "openssl-libs", arch="i686")),
    Row("old", STRICT, "install nss", gains=names(lab.NSS, *MODULE), loses=names(lab.OLD, *MODULE)),
    Row("validated", STRICT, "install kernel-5.14.0-284.11.1.el9_2.tuxcare.5", gains=K5),
    Row("validated", PATCHED, "install openssl-3.0.7-20.el9_2.tuxcare.2",
        gains=SSL2, loses=SSL1),
    Row("three-community", STRICT, "install kernel-5.14.0-284.11.1.el9_2.tuxcare.6", gains=K6,
        loses=names(lab.MORE_KERNELS[0], *KERNEL)),
    refused("validated", STRICT, "install openssl-3.0.7-20.el9_2.tuxcare.2", NOT_VALIDATED),
    refused("validated", BOTH, "install openssl-3.0.7-24.el9_2", NOT_VALIDATED, OPENSSL_PIN),
    refused("validated", BOTH, "install openssl-libs-1:3.0.7-24.el9_2.x86_64", NOT_VALIDATED),
    refused("validated", BOTH, "install openssl-libs-3.0.7-24.el9_2.i686", NOT_VALIDATED),
    refused("validated", BOTH, "install nss-tools-3.90.0-7.el9_2", NOT_VALIDATED, NSS_PIN),
    refused("validated", BOTH, "install kernel-5.14.0-284.30.1.el9_2", NOT_VALIDATED, KERNEL_PIN),
    refused("validated", BOTH, "install bpftool-7.0.0-284.30.1.el9_2", NOT_VALIDATED, KERNEL_PIN),
    refused("validated", BOTH, "install openssl-3.0.7-24.el9_2 --disableexcludes=all",
            NOT_VALIDATED),
    refused("validated", BOTH, "install openssl-3.0.7-24.el9_2 --assumeno", NOT_VALIDATED),
    refused("validated", BOTH, "install openssl-3.0.7-24.el9_2 --downloadonly", NOT_VALIDATED),
    refused("validated", BOTH, "install tzdata openssl-3.0.7-24.el9_2", NOT_VALIDATED),
    refused("validated", STRICT, "install rtla", NOT_VALIDATED, KERNEL_PIN),
    refused("validated", BOTH, "install uses-kernel", NOT_VALIDATED, KERNEL_PIN),
    refused("validated", STRICT, "install corp-crypto", NOT_VALIDATED, OPENSSL_PIN),
    Row("validated", OFF, "install corp-crypto",
        gains={"corp-crypto-1.0-1.el9.x86_64"} | SSL_NEW, loses=SSL1),
    refused("validated", BOTH, "install openssl-next", "would replace openssl-libs", OPENSSL_PIN),
    refused("validated", BOTH, "install openssl-next --allowerasing", "would replace openssl-libs"),
    Row("validated", OFF, "install openssl-next --allowerasing",
        gains={"openssl-next-4.0.0-1.el9.x86_64"}, loses=SSL1 | CURL_OLD),
]  # fmt: skip

LOCAL = [
    refused("validated", BOTH, "install {lab}/local/newer/*x86_64.rpm", NOT_VALIDATED, OPENSSL_PIN),
    refused("validated", BOTH, "install {lab}/local/newer/*i686.rpm", NOT_VALIDATED, OPENSSL_PIN),
    refused("validated", BOTH, "install {lab}/local/newer/*x86_64.rpm --allowerasing",
            NOT_VALIDATED, OPENSSL_PIN),
    refused("validated", BOTH, "upgrade {lab}/local/newer/*x86_64.rpm --allowerasing",
            NOT_VALIDATED, OPENSSL_PIN),
    refused("old", BOTH, "install {lab}/local/fork/*.rpm --allowerasing",
            r"is built from openssl-fork-.*, not from openssl"),
    refused("validated", BOTH, "install {lab}/local/obsoleter/*.rpm --allowerasing",
            r"libressl-3\.8\.0-1\.el9\.x86_64 would replace openssl-libs", OPENSSL_PIN),
    Row("validated", OFF, "install {lab}/local/obsoleter/*.rpm --allowerasing --nogpgcheck",
        gains={"libressl-3.8.0-1.el9.x86_64"},
        loses=SSL1 | CURL_OLD),
    refused("validated", BOTH, "install {lab}/local/unsourced/*.rpm", NOT_VALIDATED, KERNEL_PIN),
    refused("old", BOTH, "install {lab}/local/alike/*.rpm",
            r"is a local package and not signed by key"),
    Row("old", BOTH, "install {lab}/local/genuine/openssl-3*.rpm "
        "{lab}/local/genuine/openssl-libs-3*.rpm", gains=SSL1, loses=names(lab.OLD, *OPENSSL)),
    refused("old", STRICT, "install {lab}/local/patched/openssl-3*.rpm "
            "{lab}/local/patched/openssl-libs-3*.rpm", NOT_VALIDATED),
    Row("old", PATCHED, "install {lab}/local/patched/openssl-3*.rpm "
        "{lab}/local/patched/openssl-libs-3*.rpm", gains=SSL2, loses=names(lab.OLD, *OPENSSL)),
    refused("validated", BOTH, "install --allowerasing {url}/almalinux/9.2/{token}/BaseOS/x86_64/"
            "os/openssl-libs-3.0.7-24.el9_2.x86_64.rpm", NOT_VALIDATED),
]  # fmt: skip

SPOOF = "--setopt=tuxcare-fips.gpgcheck=0 --setopt=tuxcare-fips.baseurl="
PROVENANCE = [
    refused("validated", BOTH, SPOOF + "file://{lab}/elsewhere install openssl-perl "
            "--disablerepo=tuxcare-esu", FOREIGN + " tuxcare-fips at file://", "not signed by key"),
    refused("validated", BOTH, SPOOF + "{elsewhere} install openssl-perl --disablerepo=tuxcare-esu",
            FOREIGN + r" tuxcare-fips at http://localhost"),
    refused("validated", BOTH, SPOOF + "file://{lab}/elsewhere reinstall openssl-libs "
            "--disablerepo=tuxcare-esu", FOREIGN + " tuxcare-fips at file://"),
    refused("validated", BOTH, "--repofrompath=evil,file://{lab}/elsewhere --disablerepo=tuxcare-* "
            "--setopt=evil.gpgcheck=0 install openssl-perl-3.0.7-20.el9_2.tuxcare.1",
            FOREIGN + " evil, not from tuxcare-fips", "not signed by key"),
    Row("validated", STRICT, "--repofrompath=media,file://{lab}/local/genuine "
        "--disablerepo=tuxcare-* install openssl-perl", gains=names(lab.OPENSSL, "openssl-perl")),
    Row("validated", OFF, SPOOF + "file://{lab}/elsewhere install openssl-perl "
        "--disablerepo=tuxcare-esu --disablerepo=baseos",
        gains=names(lab.OPENSSL, "openssl-perl")),
    nothing("validated", BOTH, "reinstall openssl-libs nss"),
]  # fmt: skip

REMOVE = [
    refused("validated", BOTH, "remove openssl-libs", "openssl-libs-1.*" + STAYS, OPENSSL_PIN),
    refused("validated", BOTH, "remove openssl", STAYS, OPENSSL_PIN),
    refused("validated", BOTH, "remove nss", STAYS, NSS_PIN),
    refused("validated", BOTH, "remove nspr", STAYS, NSS_PIN),
    refused("validated", BOTH, "remove libkcapi", STAYS, r"libkcapi-1\.3\.1-3\.el9.*4750"),
    refused("validated", BOTH, "remove kernel-core", STAYS, KERNEL_PIN),
    refused("validated", BOTH, "remove --noautoremove gnutls", STAYS, "certificate 5049"),
    refused("tools", BOTH, "remove openssl-devel", STAYS, OPENSSL_PIN),
    refused("tools", BOTH, "remove nss-tools", STAYS, NSS_PIN),
    refused("tools", BOTH, "remove openssl-libs.i686", STAYS, OPENSSL_PIN),
    refused("patched", PATCHED, "remove openssl-libs", STAYS, OPENSSL_PIN),
    Row("patched", STRICT, "remove openssl", loses=names(lab.OPENSSL_2, "openssl")),
    Row("validated", BOTH, "remove tzdata", loses=names(lab.OLD, "tzdata")),
    Row("newer", STRICT, "remove openssl", loses=names(lab.NEW, "openssl")),
    Row("validated", OFF, "remove openssl", loses=names(lab.OPENSSL, "openssl")),
    Row("full", BOTH, "remove kernel-core-5.14.0-284.1101.el9_2.tuxcare.7", loses=K7),
    Row("two-generations", BOTH, "remove kernel-core-5.14.0-284.11.1.el9_2.tuxcare.5", loses=K5),
    refused("two-generations", BOTH, "remove kernel-core-5.14.0-284.11.1.el9_2.tuxcare.6",
            STAYS, KERNEL_PIN),
    refused("two-generations", BOTH, "remove kernel-core", STAYS, KERNEL_PIN),
    Row("validated", BOTH, "remove tuxcare-release", loses={lab.OWN.nevra}),
    Row("validated", BOTH, "autoremove", plain=True),
    refused("validated", BOTH, "swap openssl-libs openssl-next", "openssl-libs", OPENSSL_PIN),
    refused("validated", BOTH, "swap nss nss-rival", STAYS, NSS_PIN),
    refused("tools", BOTH, "swap nss-tools nss-rival-tools", STAYS, NSS_PIN),
    Row("tools", OFF, "swap nss-tools nss-rival-tools", loses=names(lab.NSS, "nss-tools"),
        gains={"nss-rival-tools-1.0-1.el9.x86_64"}),
    Row("validated", BOTH, "swap tzdata vim-enhanced", loses=names(lab.OLD, "tzdata"),
        gains=names(lab.OLD, "vim-enhanced", "vim-common", "vim-filesystem")),
    refused("validated", BOTH, "install nss-rival", STAYS, NSS_PIN),
    refused("validated", BOTH, "install nss-rival --allowerasing", STAYS, NSS_PIN),
    Row("validated", OFF, "install nss-rival --allowerasing",
        gains={"nss-rival-1.0-1.el9.x86_64"}, loses=names(lab.NSS, "nss", "nss-sysinit")),
    refused("tools", BOTH, "install nss-rival-tools --allowerasing", STAYS, NSS_PIN),
]  # fmt: skip

DOWNGRADE = [
    Row("newer", STRICT, "distro-sync",
        gains=FREE_NEW | VALIDATED, loses=FREE_OLD | USERSPACE_NEW),
    Row("validated", STRICT, "distro-sync", gains=FREE_NEW, loses=FREE_OLD),
    # What `dnf system-upgrade download` resolves.
    nothing("validated", STRICT, "distro-sync --downloadonly"),
    nothing("newer", STRICT, "distro-sync --downloadonly"),
    nothing("validated", STRICT, "upgrade --setopt=tsflags=test"),
    Row("validated", PATCHED, "distro-sync", gains=FREE_NEW | K7 | SSL2, loses=FREE_OLD | SSL1),
    Row("patched", STRICT, "distro-sync openssl openssl-libs", gains=SSL1, loses=SSL2),
    Row("newer", STRICT, "downgrade openssl openssl-libs", gains=SSL1, loses=SSL_NEW),
    Row("patched", BOTH, "downgrade openssl openssl-libs", gains=SSL1, loses=SSL2),
    refused("validated", BOTH, "downgrade openssl-3.0.7-16.el9_2", NOT_VALIDATED, OPENSSL_PIN),
    refused("validated", BOTH, "downgrade nss-3.79.0-17.el9_1", NOT_VALIDATED, NSS_PIN),
    Row("validated", BOTH, "downgrade openssl", plain=True),
    Row("validated", OFF, "downgrade openssl openssl-libs",
        gains=names(lab.OLD, *OPENSSL), loses=SSL1),
]  # fmt: skip

NEXT_KERNEL = "install {lab}/local/kernels/*1103*.rpm"
KERNELS = [
    Row("full", PATCHED, NEXT_KERNEL, gains=K9, loses=K7),
    Row("full", OFF, NEXT_KERNEL, gains=K9, loses=K6),
    Row("full", PATCHED, NEXT_KERNEL + " --setopt=installonly_limit=2", gains=K9, loses=K7 | K8),
    Row("full", PATCHED, NEXT_KERNEL + " --setopt=installonly_limit=5", gains=K9),
    refused("full", STRICT, NEXT_KERNEL, NOT_VALIDATED, KERNEL_PIN),
    Row("two-generations", PATCHED, NEXT_KERNEL, gains=K9, loses=K5),
    Row("three-community", STRICT, "distro-sync kernel*", gains=K6,
        loses=names(lab.MORE_KERNELS[0], *KERNEL)),
]  # fmt: skip

TABLE = UPGRADE + INSTALL + LOCAL + PROVENANCE + REMOVE + DOWNGRADE + KERNELS


# Ways to say nearly the same as another row.
VARIATIONS = ("--nobest", "--obsoletes", "--exclude=tzdata", "--disableexcludes", "upgrade-minimal",
              "installonly_limit", "--assumeno", "--allowerasing", "nss-rival")  # fmt: skip


def cases():
    """Every row in each of its modes; of those in both, one mode in turn waits for --full.

    So do variations, save their refusals in one mode.
    """
    for number, row in enumerate(TABLE):
        varies = not row.exit and any(word in row.command for word in VARIATIONS)
        for mode in row.modes:
            late = varies or (row.modes == BOTH and mode == BOTH[number % 2])
            yield pytest.param(
                row, mode, id=f"{row.state}-{mode}-{row.command}", marks=[pytest.mark.full] * late
            )


def run(pinlab, row: Row, mode: str):
    host = pinlab.host(row.state, mode)
    elsewhere = pinlab.content_url.replace("127.0.0.1", "localhost")
    command = row.command.replace("{elsewhere}", elsewhere + "/tuxcare/9.2/{token}/fips/x86_64/")
    return host, host.run(*command.split())


@pytest.mark.parametrize("row, mode", list(cases()))
def test_a_command_does_what_the_pins_allow_and_nothing_else(pinlab, row, mode):
    host, outcome = run(pinlab, row, mode)
    assert (outcome.exit, set(outcome.gained), set(outcome.lost)) == (
        row.exit,
        set(row.gains),
        set(row.loses),
    ), outcome.text
    for pattern in row.says:
        assert re.search(pattern, outcome.text), outcome.text
    if row.exit and not row.plain:
        assert f"FIPS mode '{mode}' of AlmaLinux 9.2 forbids this:" in outcome.stderr
        assert "tuxctl fips disable" in outcome.stderr
        assert host.cached_packages() == []
    else:
        assert "FIPS" not in outcome.text
    assert lab.TOKEN not in outcome.text


def test_no_case_stands_twice():
    ids = [case.id for case in cases()]
    assert len(ids) == len(set(ids))
    at_once = [case for case in cases() if not case.marks]
    assert len(at_once) >= 80
