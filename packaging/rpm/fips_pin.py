"""From a FIPS manifest to the spec's packages tuxcare-fips-pin and tuxcare-fips-pin-strict.

    fips_pin.py MANIFEST > fips-pin.inc

The packages hold nothing but dependencies, for what goes past the DNF plugin: rpm -U, microdnf,
PackageKit, dnf --noplugins.

    tuxcare-fips-pin          mode patched: conflicts with builds older than the validated ones
    tuxcare-fips-pin-strict   mode strict: conflicts with older and with newer ones

Both require the modules, of this architecture: strict at the validated build, patched at that or a
newer one. The kernel has no conflicts: several may be installed, and one that is not validated may
stay beside the one that is. A manifest under review gives no strict package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "dnf_plugin"))

from tuxcare import manifest as manifests
from tuxcare.errors import TuxcareError
from tuxcare.host import MODE_PATCHED, MODE_STRICT
from tuxcare.manifest import Binary, Manifest, Pin
from tuxcare.nevra import Evr

NAMES = {MODE_PATCHED: "tuxcare-fips-pin", MODE_STRICT: "tuxcare-fips-pin-strict"}
# As rpm writes an architecture in provides such as openssl-libs(x86-64).
ISA = {"x86_64": "x86-64", "aarch64": "aarch-64", "ppc64le": "ppc-64", "s390x": "s390-64"}
# Several versions of it are installed side by side.
INSTALLONLY = frozenset({"kernel"})

_SUMMARY = {
    MODE_PATCHED: "Holds FIPS 140-3 validated builds of AlmaLinux {release} and patches of them",
    MODE_STRICT: "Holds the FIPS 140-3 validated builds of AlmaLinux {release}",
}
_DESCRIPTION = {
    MODE_PATCHED: """\
This package holds the FIPS 140-3 validated cryptographic modules of AlmaLinux
{release}: it does not let them be removed, or replaced by older builds. Security
patches of TuxCare, which leave the validated cryptography as it is, may come.
It belongs to FIPS mode 'patched' of tuxctl(8).""",
    MODE_STRICT: """\
This package holds the FIPS 140-3 validated cryptographic modules of AlmaLinux
{release} at exactly the validated builds: it does not let them be removed, or
replaced by older or newer builds. It belongs to FIPS mode 'strict' of
tuxctl(8).""",
}


class IncompleteManifest(TuxcareError):
    """A pin that names no modules: its package would hold nothing."""


def modes(manifest: Manifest) -> list[str]:
    """Strict is for builds that a certificate covers."""
    strict = [MODE_STRICT] if manifest.status == manifests.VALIDATED else []
    return [MODE_PATCHED, *strict]


def requires(pin: Pin, mode: str, arch: str) -> list[str]:
    """What has to be installed, as spec dependencies."""
    if not pin.modules:
        raise IncompleteManifest(f"{pin.path}: [pin {pin.source}] modules: missing")
    binaries = {binary.name: binary for binary in pin.binaries}
    return [_require(pin, binaries[name], mode, arch) for name in pin.modules]


def conflicts(pin: Pin, mode: str) -> list[str]:
    """What must not be installed: older builds, and in mode strict newer ones."""
    if pin.source in INSTALLONLY:
        return []
    found = []
    for binary in pin.binaries:
        builds = versions(pin, binary)
        if builds:
            found.append(f"{binary.name} < {builds[-1]}")
            if mode == MODE_STRICT:
                found.append(f"{binary.name} > {builds[0]}")
    return found


def versions(pin: Pin, binary: Binary) -> list[Evr]:
    """The validated versions of a package, newest first; none where only its source tells."""
    if binary.follows:
        return [Evr(pin.epoch, build.version, build.release) for build in pin.builds]
    return [binary.evr] if binary.evr else []


def spec_text(manifest: Manifest) -> str:
    """The part of the spec that makes the packages, for every architecture of the manifest."""
    return "\n".join(_package(manifest, mode) for mode in modes(manifest))


def _require(pin: Pin, binary: Binary, mode: str, arch: str) -> str:
    name = f"{binary.name}({ISA[arch]})"
    builds = versions(pin, binary)
    if not builds:
        return name
    if mode == MODE_PATCHED:
        return f"{name} >= {builds[-1]}"
    terms = [f"{name} = {build}" for build in builds]
    return terms[0] if len(terms) == 1 else f"({' or '.join(terms)})"


def _package(manifest: Manifest, mode: str) -> str:
    name = NAMES[mode]
    other = NAMES[MODE_STRICT if mode == MODE_PATCHED else MODE_PATCHED]
    arches = sorted({arch for pin in manifest.pins for arch in pin.arches})
    lines = [f"%package -n {name}", f"Summary: {_SUMMARY[mode].format(release=manifest.release)}"]
    lines += ["# One mode at a time: 'dnf swap' goes from one to the other.", f"Conflicts: {other}"]
    for arch in arches:
        lines += [f"%ifarch {arch}", *_dependencies(manifest, mode, arch), "%endif"]
    lines += ["", f"%description -n {name}", _DESCRIPTION[mode].format(release=manifest.release)]
    lines += ["", f"%files -n {name}", "%license LICENSE", ""]
    return "\n".join(lines)


def _dependencies(manifest: Manifest, mode: str, arch: str) -> Iterator[str]:
    pins = [pin for pin in manifest.pins if arch in pin.arches]
    for pin in pins:
        yield f"# {pin.source}: {pin.certificate_text}"
        yield from (f"Requires: {text}" for text in requires(pin, mode, arch))
        yield from (f"Conflicts: {text}" for text in conflicts(pin, mode))


def main(argv: list[str]) -> int:
    if len(argv) != 1:
        print("usage: fips_pin.py MANIFEST", file=sys.stderr)
        return 2
    path = Path(argv[0])
    try:
        text = spec_text(manifests.parse(str(path), path.read_text(encoding="utf-8")))
    except OSError as error:
        print(f"{path}: {error.strerror}", file=sys.stderr)
        return 2
    except TuxcareError as error:
        print(error.message, file=sys.stderr)
        return error.exit_status
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
