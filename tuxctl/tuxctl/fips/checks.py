"""What stands in the way of booting in FIPS mode, each with the way out. Pure.

A blocker is what would leave the host without a boot, without its disks or without a way in. People
who know better accept some of them by name (`--accept NAME`); then they are warnings.
"""

import datetime
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from tuxcare.manifest import Pin
from tuxctl.fips import checks_ssh
from tuxctl.fips.builds import Selection
from tuxctl.fips.findings import BLOCKER, WARNING, Finding
from tuxctl.fips.machine import Drivers, Machine

SOON = datetime.timedelta(days=90)

_MEGABYTE = 1024 * 1024
_ARGON = "argon2"
_PROVIDERS = {
    "grubby": "grubby",
    "fips-mode-setup": "crypto-policies-scripts",
    "update-crypto-policies": "crypto-policies-scripts",
}


def check(
    machine: Machine,
    selection: Selection,
    pins: Sequence[Pin],
    kernel_modules: Optional[Sequence[str]],
    today: datetime.date,
) -> List[Finding]:
    """Everything found, blockers first.

    `pins`: those of this architecture. `kernel_modules`: what the kernel to be booted brings, None
    where that is not known.
    """
    found: List[Finding] = []
    for part in (
        _tools(machine),
        _boot(machine, selection),
        _builds(selection),
        _encrypted(machine),
        checks_ssh.check(machine.ssh) if machine.ssh else (),
        _drivers(machine.drivers, kernel_modules),
        _platform(machine, pins),
        _certificates(pins, today),
    ):
        found.extend(part)
    return sorted(found, key=lambda finding: finding.level != BLOCKER)


def _tools(machine: Machine) -> Iterator[Finding]:
    for tool in machine.missing_tools:
        yield Finding(
            BLOCKER,
            "tools",
            "{} is not installed".format(tool),
            "dnf install {}".format(_PROVIDERS[tool]),
        )


def _boot(machine: Machine, selection: Selection) -> Iterator[Finding]:
    if not machine.has_boot:
        yield Finding(
            BLOCKER,
            "boot",
            "/boot is empty: this host boots no kernel of its own",
            "In a container FIPS mode is the host's; hold the builds alone with --pins-only.",
        )
        return
    installs_kernel = any(item.package.name == "kernel-core" for item in selection.install)
    needed = machine.boot_needed if installs_kernel else machine.boot_needed // 2
    if machine.boot_free < needed:
        yield Finding(
            BLOCKER,
            "boot-space",
            "/boot has {} MB free, {} MB are needed for a kernel and its initramfs".format(
                machine.boot_free // _MEGABYTE, -(-needed // _MEGABYTE)
            ),
            "Remove a kernel that is not running: dnf remove kernel-core-VERSION",
        )
    if machine.separate_boot and not machine.boot_uuid:
        yield Finding(
            BLOCKER,
            "boot-device",
            "/boot is a file system of its own whose UUID findmnt cannot tell: without "
            "boot=UUID=… on the kernel's command line a FIPS boot stops",
            "Mount /boot by UUID in /etc/fstab ('blkid' tells it), then try again.",
        )
    yield from _stale_boot(machine)


def _stale_boot(machine: Machine) -> Iterator[Finding]:
    wanted = "UUID={}".format(machine.boot_uuid) if machine.separate_boot else None
    stale = {
        entry.options["boot"]
        for entry in machine.entries
        if "boot" in entry.options and entry.options["boot"] != wanted
    }
    for value in sorted(stale):
        yield Finding(
            WARNING,
            "boot-argument",
            "boot={} is on a kernel's command line, /boot is {}".format(
                value, wanted or "no file system of its own"
            ),
            "It is replaced."
            if wanted
            else "Remove it: grubby --update-kernel=ALL --remove-args=boot=" + value,
        )


def _builds(selection: Selection) -> Iterator[Finding]:
    for name in selection.missing:
        yield Finding(
            BLOCKER,
            "builds",
            "no validated build of {} is offered by the TuxCare repositories".format(name),
            "See 'dnf repoquery --showduplicates {}'; the licence must cover FIPS.".format(name),
        )
    for package in selection.left:
        yield Finding(
            WARNING,
            "builds-left",
            "{} is no validated build, and none is offered".format(package),
            "Remove it, or leave it: nothing validated depends on it.",
        )


def _encrypted(machine: Machine) -> Iterator[Finding]:
    for volume in machine.encrypted:
        if volume.problem:
            yield Finding(
                BLOCKER,
                "luks",
                "{}: its key slots cannot be read: {}".format(volume.device, volume.problem),
                "See 'cryptsetup luksDump {}': no slot may use Argon2.".format(volume.device),
            )
        for slot, derivation in volume.slots:
            if derivation.startswith(_ARGON):
                yield Finding(
                    BLOCKER,
                    "luks",
                    "{}: key slot {} uses {}, which FIPS mode has not: it would not open".format(
                        volume.device, slot, derivation
                    ),
                    "cryptsetup luksConvertKey --pbkdf pbkdf2 --key-slot {} {}".format(
                        slot, volume.device
                    ),
                )


# -- drivers, platform, certificates -------------------------------------------------------------


def _drivers(drivers: Drivers, kernel_modules: Optional[Sequence[str]]) -> Iterator[Finding]:
    for name in drivers.foreign:
        yield Finding(
            WARNING,
            "foreign-drivers",
            "module {} is not of the kernel's own: it has to be built for the other kernel, and "
            "no certificate covers it".format(name),
            "Install kernel-devel of the validated kernel and rebuild it (dkms, akmods).",
        )
    if kernel_modules is None:
        if drivers.loaded:
            yield Finding(
                WARNING,
                "drivers",
                "it is not known which drivers the validated kernel brings: its list of files "
                "is not to be had",
                "Keep the present kernel installed, and a console at hand for the reboot.",
            )
        return
    provided = set(kernel_modules)
    lacking = [n for n in drivers.loaded if n not in provided and n not in drivers.foreign]
    vital = [name for name in lacking if name in drivers.vital]
    if vital:
        yield Finding(
            BLOCKER,
            "drivers",
            "the validated kernel lacks drivers of this host's disks or network: {}".format(
                ", ".join(vital)
            ),
            "This hardware needs a newer kernel; try the validated one with 'grub2-reboot' first.",
        )
    others = [name for name in lacking if name not in vital]
    if others:
        yield Finding(
            WARNING,
            "drivers-other",
            "loaded now, and not in the validated kernel: {}".format(", ".join(others)),
            "They may have other names there, or be built in.",
        )


def _platform(machine: Machine, pins: Sequence[Pin]) -> Iterator[Finding]:
    if machine.secure_boot:
        yield Finding(
            WARNING,
            "secure-boot",
            "UEFI Secure Boot is on: the validated kernel must be signed by a key that the "
            "firmware or the shim trusts",
            "Have a console at hand; if it does not start, boot the present kernel from the menu.",
        )
    if machine.arch == "aarch64":
        yield Finding(
            WARNING,
            "aarch64",
            "on aarch64 only {} are validated: gnutls, libgcrypt, nettle and nss have no "
            "validated builds".format(", ".join(sorted(pin.source for pin in pins))),
            "Use nothing that depends on those where validated cryptography is required.",
        )
    if machine.major >= 10:
        yield Finding(
            WARNING,
            "installed-without-fips",
            "EL10 has no fips-mode-setup: FIPS mode is meant to be chosen at installation, and "
            "keys made before stay what they are",
            "Make host and disk keys anew, or install the host with fips=1.",
        )
    if machine.major < 10 and machine.policy not in ("", "DEFAULT") and not is_fips(machine.policy):
        yield Finding(
            WARNING,
            "crypto-policy",
            "the crypto policy is {}: FIPS takes its place".format(machine.policy),
            "'tuxctl fips disable' brings it back.",
        )


def no_pin_package(name: str) -> Finding:
    return Finding(
        WARNING,
        "pin-package",
        "{} is not offered: the DNF plugin holds the builds, and nothing holds them against "
        "'rpm -U' or tools that load no plugin".format(name),
        "It is in the repository tuxcare-base, where the content server has one.",
    )


def is_fips(policy: str) -> bool:
    """Whether a crypto policy is FIPS, perhaps with subpolicies (`FIPS:OSPP`)."""
    return policy.partition(":")[0] == "FIPS"


def _certificates(pins: Sequence[Pin], today: datetime.date) -> Iterator[Finding]:
    for sunset, names in sunsets(pins):
        if sunset < today:
            state = "ended on"
        elif sunset - today <= SOON:
            state = "ends on"
        else:
            continue
        yield Finding(
            WARNING,
            "sunset",
            "{} {} {}".format(names, state, sunset),
            "Ask whether your auditor accepts a historical certificate; an update of "
            "tuxcare-release brings the next one.",
        )


def sunsets(pins: Sequence[Pin]) -> List[Tuple[datetime.date, str]]:
    """(last day, `CMVP certificate 4823, interim (openssl)`) of the certificates, by day."""
    found: Dict[Tuple[datetime.date, str], List[str]] = {}
    for pin in pins:
        if pin.sunset is not None:
            found.setdefault((pin.sunset, pin.certificate_text), []).append(pin.source)
    return [
        (day, "{} ({})".format(text, ", ".join(sources)))
        for (day, text), sources in sorted(found.items())
    ]
