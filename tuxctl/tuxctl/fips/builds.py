"""Which builds a host has of the pinned packages, and which ones it has to get. Pure.

A package that satisfies its pin stays as it is. Any other is replaced by the newest validated build
that is offered, in mode patched by the newest security patch where no validated one is. Besides
what is installed, the modules of every pin are wanted, and the package with the source's own name
(`openssl`, `kernel`): as the guide installs them.
"""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from tuxcare.manifest import Manifest, Pin
from tuxcare.pins import Package, Pins

# Lines of both: NAME EPOCH VERSION RELEASE ARCH SOURCERPM, then PROVIDES or the repository's id.
RPM_QUERY = (
    "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\t"
    "[%{PROVIDENAME} ]\\n"
)
DNF_QUERY = "%{name}\t%{epoch}\t%{version}\t%{release}\t%{arch}\t%{sourcerpm}\t%{repoid}"

KERNEL = "kernel-core"
_INSTALLONLY = "installonlypkg("


class Installed(NamedTuple):
    """A package of the rpm database. `installonly`: several versions may stand side by side."""

    package: Package
    installonly: bool


class Replacement(NamedTuple):
    """A package to install. `replaces`: the installed one that goes; None where none does."""

    package: Package
    replaces: Optional[Package]
    pin: Pin
    validated: bool


class Selection(NamedTuple):
    """What has to happen to the packages.

    `missing`: modules of pins that nobody offers; `left`: installed pinned packages that do not
    satisfy their pins and stay, since nobody offers a build that does. `kernel`: the kernel that
    is to be booted, `5.14.0-284.11.1.el9_2.tuxcare.6.x86_64`; None where there will be none.
    """

    install: Tuple[Replacement, ...]
    missing: Tuple[str, ...]
    left: Tuple[Package, ...]
    kernel: Optional[str]


def pins_of(manifest: Manifest, mode: str, arch: str) -> Pins:
    """The rules of a host for packages whose `ref` is the id of their repository."""
    return Pins.from_manifest(manifest, mode, frozenset([arch]), _from_named_repository)


def _from_named_repository(package: Package, repositories: Sequence[str]) -> Optional[str]:
    return None if package.ref in repositories else "comes from {}".format(package.ref)


def parse_installed(listing: str) -> List[Installed]:
    """What RPM_QUERY printed."""
    found = []
    for package, provides in _rows(listing):
        installonly = package.name == "kernel" or _INSTALLONLY in provides
        found.append(Installed(package._replace(ref=None), installonly))
    return found


def parse_available(listing: str) -> List[Package]:
    """What DNF_QUERY printed; `ref` is the repository's id."""
    return [package._replace(ref=repository) for package, repository in _rows(listing)]


def _rows(listing: str) -> List[Tuple[Package, str]]:
    rows = []
    for line in listing.splitlines():
        fields = line.split("\t")
        if len(fields) == 7 and fields[1].isdigit():
            name, epoch, version, release, arch, source, last = fields
            rows.append((Package(name, int(epoch), version, release, arch, source), last))
    return rows


def wanted_names(pins: Sequence[Pin]) -> List[str]:
    """The packages that a host in FIPS mode has, whatever else it has."""
    names = set()
    for pin in pins:
        own = [binary.name for binary in pin.binaries if binary.name == pin.source]
        names.update(list(pin.modules) + own)
    return sorted(names)


def select(
    manifest: Manifest,
    rules: Pins,
    arch: str,
    installed: Sequence[Installed],
    available: Sequence[Package],
) -> Selection:
    """What to install so that every pin is satisfied."""
    pins = [pin for pin in manifest.pins if arch in pin.arches]
    modules = {name for pin in pins for name in pin.modules}
    here = _by_name(installed, rules)
    wanted = {(name, arch) for name in wanted_names(pins)} | set(here)
    install, missing, left = [], [], []  # type: List[Replacement], List[str], List[Package]
    for name, package_arch in sorted(wanted):
        present = here.get((name, package_arch), [])
        if any(rules.satisfied_by(item.package) for item in present):
            continue
        best = _best(rules, available, name, package_arch)
        if best is not None:
            stays = not present or present[0].installonly
            install.append(_replacement(rules, best, None if stays else present[0].package))
        elif name in modules and package_arch == arch:
            missing.append(name)
        else:
            # An installonly package does no harm beside the one that is booted.
            left.extend(item.package for item in present if not item.installonly)
    kernel = _kernel(rules, arch, installed, [item.package for item in install])
    return Selection(tuple(install), tuple(missing), tuple(left), kernel)


def _by_name(installed: Sequence[Installed], rules: Pins) -> Dict[Tuple[str, str], List[Installed]]:
    found: Dict[Tuple[str, str], List[Installed]] = {}
    for item in installed:
        if rules.pin_of(item.package) is not None:
            found.setdefault((item.package.name, item.package.arch), []).append(item)
    return found


def _best(rules: Pins, available: Sequence[Package], name: str, arch: str) -> Optional[Package]:
    allowed = [
        package
        for package in available
        if (package.name, package.arch) == (name, arch) and rules.check_arriving(package) is None
    ]
    validated = [package for package in allowed if rules.is_validated(package)]
    return newest(validated or allowed)


def newest(packages: Sequence[Package]) -> Optional[Package]:
    """The one of the highest version; None of none."""
    return max(packages, key=lambda package: package.evr) if packages else None


def _replacement(rules: Pins, package: Package, replaces: Optional[Package]) -> Replacement:
    pin = rules.pin_of(package)
    assert pin is not None  # noqa: S101  # only pinned packages are looked at
    return Replacement(package, replaces, pin, rules.is_validated(package))


def _kernel(
    rules: Pins, arch: str, installed: Sequence[Installed], arriving: Sequence[Package]
) -> Optional[str]:
    """The newest kernel that satisfies its pin."""
    cores = [
        package
        for package in [item.package for item in installed] + list(arriving)
        if (package.name, package.arch) == (KERNEL, arch) and rules.satisfied_by(package)
    ]
    best = newest(cores)
    return kernel_release(best) if best else None


def kernel_release(package: Package) -> str:
    """What `uname -r` says once this kernel-core runs."""
    return "{}-{}.{}".format(package.version, package.release, package.arch)
