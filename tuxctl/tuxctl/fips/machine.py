"""What decides whether this machine can boot in FIPS mode, as found. Reads; changes nothing."""

import json
import os
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from tuxcare.errors import StorageError
from tuxctl.context import Context
from tuxctl.fips import access
from tuxctl.fips.access import Ssh
from tuxctl.fips.boot import BootLoader, Entry
from tuxctl.system import System, join, text_of

# EFI_GLOBAL_VARIABLE of the UEFI specification; four bytes of attributes, then the value.
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_ENCRYPTED = "crypto_LUKS"
_SLOT = re.compile(r"  (\d+): luks")
_PBKDF = re.compile(r"\s+PBKDF:\s+(\S+)")


class Encrypted(NamedTuple):
    """A LUKS volume: key slots with their key derivation, `problem` where it cannot be read."""

    device: str
    slots: Tuple[Tuple[int, str], ...]
    problem: Optional[str] = None


class Drivers(NamedTuple):
    """Kernel modules: loaded ones, those not of the kernel's own tree, and those that drive a
    network card or a disk."""

    loaded: Tuple[str, ...]
    foreign: Tuple[str, ...]
    vital: Tuple[str, ...]


class Machine(NamedTuple):
    """`separate_boot`: /boot is a file system of its own, `boot_uuid` its UUID where known.

    `boot_needed`: bytes for one more kernel, after the size of the running one's files.
    """

    arch: str
    major: int
    kernel: str
    missing_tools: Tuple[str, ...]
    has_boot: bool
    separate_boot: bool
    boot_uuid: Optional[str]
    boot_free: int
    boot_needed: int
    entries: Tuple[Entry, ...]
    default_kernel: Optional[str]
    secure_boot: bool
    policy: str
    encrypted: Tuple[Encrypted, ...]
    ssh: Optional[Ssh]
    drivers: Drivers


_KERNEL_FILES = ("vmlinuz-{}", "initramfs-{}.img", "System.map-{}", "config-{}")
_MANY = 150 * 1024 * 1024  # of a kernel whose files are not there to measure


def look(context: Context, loader: BootLoader, arch: str, major: int) -> Machine:
    """The running host. Raises StorageError where something that must be readable is not."""
    system = context.system
    boot = join(system, "/boot")
    has_boot = bool(system.entries(boot))
    separate = has_boot and system.is_separate(boot)
    kernel = running_kernel(system)
    return Machine(
        arch=arch,
        major=major,
        kernel=kernel,
        missing_tools=tuple(loader.missing_tools(major)),
        has_boot=has_boot,
        separate_boot=separate,
        boot_uuid=_boot_uuid(system) if separate else None,
        boot_free=system.free_bytes(boot) if has_boot else 0,
        boot_needed=_boot_needed(system, kernel),
        entries=tuple(loader.entries()),
        default_kernel=loader.default_kernel(),
        secure_boot=_secure_boot(system),
        policy=loader.policy(),
        encrypted=tuple(_encrypted(system)),
        ssh=access.look(system),
        drivers=_drivers(system),
    )


def running_kernel(system: System) -> str:
    """As `uname -r` says it."""
    return text_of(system, "/proc/sys/kernel/osrelease").strip()


def kernel_is_in_fips_mode(system: System) -> bool:
    return text_of(system, "/proc/sys/crypto/fips_enabled").strip() == "1"


def boot_id(system: System) -> str:
    """Differs after every boot."""
    return text_of(system, "/proc/sys/kernel/random/boot_id").strip()


# -- /boot ---------------------------------------------------------------------------------------


def _boot_uuid(system: System) -> Optional[str]:
    """As fips-mode-setup asks for it: what fstab says first."""
    argv = ["findmnt", "--first-only", "--noheadings", "--output", "uuid", "--mountpoint", "/boot"]
    sources: List[List[str]] = [["--fstab"], []]
    for extra in sources:
        try:
            done = system.run(argv + extra)
        except StorageError:
            return None
        if done.status == 0 and done.stdout.strip():
            return done.stdout.strip()
    return None


def _boot_needed(system: System, kernel: str) -> int:
    """A new kernel's files, and one initramfs being rebuilt beside the old one."""
    paths = [join(system, "/boot/" + name.format(kernel)) for name in _KERNEL_FILES]
    sizes = [system.size(path) or 0 for path in paths]
    return sum(sizes) + sizes[1] if sizes[0] and sizes[1] else _MANY


def _secure_boot(system: System) -> bool:
    data = system.read(join(system, _SECURE_BOOT))
    return bool(data and len(data) > 4 and data[4] == 1)


# -- encrypted volumes ---------------------------------------------------------------------------


def _encrypted(system: System) -> List[Encrypted]:
    argv = ["lsblk", "--json", "--paths", "--output", "NAME,FSTYPE"]
    done = system.run(argv)
    try:
        tree = json.loads(done.stdout)["blockdevices"] if done.status == 0 else []
    except (ValueError, KeyError) as error:
        raise StorageError("'{}' printed what is not understood".format(" ".join(argv))) from error
    devices = sorted({node["name"] for node in _nodes(tree) if node.get("fstype") == _ENCRYPTED})
    return [_key_slots(system, device) for device in devices]


def _nodes(tree: Iterable[Dict[str, Any]]) -> Iterable[Dict[str, Any]]:
    for node in tree:
        yield node
        for below in _nodes(node.get("children") or []):
            yield below


def _key_slots(system: System, device: str) -> Encrypted:
    if not system.has_program("cryptsetup"):
        return Encrypted(device, (), "cryptsetup is not installed")
    done = system.run(["cryptsetup", "luksDump", device])
    if done.status:
        return Encrypted(device, (), " ".join(done.stderr.split()) or "cryptsetup failed")
    return Encrypted(device, tuple(parse_key_slots(done.stdout)))


def parse_key_slots(dump: str) -> List[Tuple[int, str]]:
    """(slot, key derivation) of a LUKS2 volume; LUKS1 knows PBKDF2 alone and lists none."""
    found: List[Tuple[int, str]] = []
    slot = None
    for line in dump.splitlines():
        if line.startswith("Tokens:"):
            break
        opening = _SLOT.match(line)
        if opening:
            slot = int(opening.group(1))
        derivation = _PBKDF.match(line)
        if derivation and slot is not None:
            found.append((slot, derivation.group(1)))
            slot = None
    return found


# -- drivers -------------------------------------------------------------------------------------


def _drivers(system: System) -> Drivers:
    loaded, foreign = parse_modules(text_of(system, "/proc/modules"))
    devices = system.names(join(system, "/sys/class/net/*/device"))
    devices += system.names(join(system, "/sys/block/*/device"))
    vital: Set[str] = set()
    for device in devices:
        vital.update(_modules_above(system, device))
    return Drivers(tuple(loaded), tuple(foreign), tuple(sorted(vital & set(loaded))))


def parse_modules(text: str) -> Tuple[List[str], List[str]]:
    """Names of loaded modules, and of those that are tainted as out of tree (`(OE)`)."""
    loaded, foreign = [], []
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        loaded.append(words[0])
        if words[-1].startswith("(") and "O" in words[-1]:
            foreign.append(words[0])
    return sorted(loaded), sorted(foreign)


_MODULE_FILE = re.compile(r"/lib/modules/[^/]+/.*/([^/]+)\.ko(?:\.xz|\.gz|\.zst)?\Z")


def modules_in(paths: Iterable[str]) -> Optional[List[str]]:
    """The modules among a kernel's files, as the kernel calls them; None where there are none:
    then the list is not that of a kernel's packages."""
    found = [match.group(1).replace("-", "_") for match in map(_MODULE_FILE.search, paths) if match]
    return sorted(set(found)) or None


def _modules_above(system: System, device: str) -> Iterable[str]:
    """The modules that drive a device and what it is attached to."""
    top = join(system, "/sys/devices")
    place = os.path.realpath(device)
    while place.startswith(top + os.sep):
        module = os.path.join(place, "driver", "module")
        if os.path.islink(module):
            yield os.path.basename(os.path.realpath(module))
        place = os.path.dirname(place)
