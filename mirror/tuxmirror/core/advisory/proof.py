"""Proof that OVAL definitions decide right, by what a scanner says of hosts made for it.

    before    every package of an advisory in a build just below the fix: true, by each package
    previous  every package in the newest real build before the fix, where one is known, else as
              `before`: true, by each package
    fixed     every package as the advisory brings it (of two builds, the newer): false
    release   as `before`, on another release: false
    module    as `before`, with the module stream not enabled: false, where all of it is modular
    beside    old and fixed kernels installed, the old one runs: true; the fixed one runs: false

A build "just below" has the fix's EVR with a tilde behind it: nothing sorts between the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .. import evr
from ..audit.host import RELEASE_PACKAGE, Host, Installed, module_file
from ..audit.results import Finding
from ..errors import MirrorError, VerificationError
from .formats.oval import KERNEL
from .model import Advisory, FixedPackage, Scope
from .previous import Previous

SAMPLE = 200
_NEWEST = SAMPLE // 2
_KERNELS = (KERNEL, f"{KERNEL}-core")


class Case(NamedTuple):
    """A host, and what has to be said of each advisory on it.

    `shown`: every package has to be evidence; else the result alone counts.
    """

    name: str
    host: Host
    expected: dict[str, bool]
    shown: bool = False


def sample(advisories: Sequence[Advisory]) -> list[Advisory]:
    """All of them up to SAMPLE; else the newest, and others by chance that never changes."""
    if len(advisories) <= SAMPLE:
        return list(advisories)
    by_age = sorted(advisories, key=lambda a: (-a.updated, a.id))
    rest = sorted(by_age[_NEWEST:], key=lambda a: hashlib.sha256(a.id.encode()).hexdigest())
    return by_age[:_NEWEST] + rest[: SAMPLE - _NEWEST]


def batches(advisories: Iterable[Advisory]) -> list[list[Advisory]]:
    """Advisories that can be judged on one host: no two speak of the same package or module."""
    found: list[tuple[set[str], list[Advisory]]] = []
    for advisory in advisories:
        names = {p.name for p in advisory.packages}
        names |= {f"module {p.module.name}" for p in advisory.packages if p.module}
        place = next((batch for batch in found if not batch[0] & names), None)
        if place is None:
            found.append((names, [advisory]))
        else:
            place[0].update(names)
            place[1].append(advisory)
    return [batch for _, batch in found]


def cases(
    scope: Scope,
    batch: Sequence[Advisory],
    previous: Previous = Previous(),  # noqa: B008  # empty
) -> list[Case]:
    fixed = [_build(p) for a in batch for p in _newest(a)]
    before = [_just_below(_build(p)) for a in batch for p in a.packages]
    modules = {
        f"{p.module.name}.module": module_file(p.module.name, p.module.stream)
        for a in batch
        for p in a.packages
        if p.module
    }
    all_true = {a.id: True for a in batch}
    all_false = {a.id: False for a in batch}
    old, new = _kernel(before), _kernel(fixed)
    found = [
        Case("before", _host(scope.release, before, modules, old), all_true, shown=True),
        Case("fixed", _host(scope.release, fixed, modules, new), all_false),
        Case("release", _host(_other(scope.release), before, modules, old), all_false),
    ]
    real = [previous.of(p) or _just_below(_build(p)) for a in batch for p in _oldest(a)]
    if real_ones(batch, previous):
        host = _host(scope.release, real, modules, _kernel(real))
        found.append(Case("previous", host, all_true, shown=True))
    modular = {a.id: False for a in batch if all(p.module for p in a.packages)}
    if modular:
        found.append(Case("module", _host(scope.release, before, {}, old), modular))
    kernels = {a.id for a in batch if any(p.name in _KERNELS for p in a.packages)}
    if kernels:
        both = [*before, *fixed]
        for name, running, needed in (("beside", old, True), ("beside, fixed", new, False)):
            host = _host(scope.release, [p for p in both if _is_kernel(p)], modules, running)
            found.append(Case(name, host, dict.fromkeys(kernels, needed)))
    return found


def real_ones(batch: Iterable[Advisory], previous: Previous) -> list[Advisory]:
    """Those of whose packages a real build before the fix is known."""
    return [a for a in batch if any(previous.of(package) for package in _oldest(a))]


def check(
    case: Case, batch: Sequence[Advisory], findings: Iterable[Finding]
) -> dict[str, MirrorError]:
    """What the scanner should have said and did not, by advisory; nothing where all is right."""
    by_advisory = {finding.advisory: finding for finding in findings}
    wrong = {}
    for advisory in batch:
        wanted = case.expected.get(advisory.id)
        if wanted is not None:
            error = _judge(case, advisory, wanted, by_advisory.get(advisory.id))
            if error is not None:
                wrong[advisory.id] = error
    return wrong


def _judge(
    case: Case, advisory: Advisory, wanted: bool, finding: Finding | None
) -> MirrorError | None:
    result = finding.result if finding else "no definition"
    if result != str(wanted).lower():
        return _wrong(case, advisory, str(wanted).lower(), result)
    if case.shown and finding:
        seen = {(e.package.name, e.package.arch, e.fixed) for e in finding.evidence}
        for package in advisory.packages:
            if (package.name, package.arch, package.evr) not in seen:
                expected = f"true because of {package.identity}"
                return _wrong(case, advisory, expected, "not by this package")
    return None


def _wrong(case: Case, advisory: Advisory, expected: str, found: str) -> MirrorError:
    return VerificationError(
        f"the OVAL definition of {advisory.id} is wrong on the host '{case.name}'",
        expected=expected,
        found=found,
        way_out="nothing was published; compare the advisory's packages with what was built,"
        " else report this",
    )


def _newest(advisory: Advisory) -> list[FixedPackage]:
    """Upstream's advisories sometimes name two builds of a package."""
    found: dict[tuple[str, str], FixedPackage] = {}
    for package in sorted(advisory.packages, key=_age):
        found[package.name, package.arch] = package
    return list(found.values())


def _oldest(advisory: Advisory) -> list[FixedPackage]:
    """The build before it needs all of them."""
    found: dict[tuple[str, str], FixedPackage] = {}
    for package in sorted(advisory.packages, key=_age):
        found.setdefault((package.name, package.arch), package)
    return list(found.values())


def _age(package: FixedPackage) -> Any:
    return evr.key((package.epoch, package.version, package.release))


def _build(package: FixedPackage) -> Installed:
    return Installed(package.name, package.epoch, package.version, package.release, package.arch)


def _just_below(package: Installed) -> Installed:
    return package._replace(release=f"{package.release}~")


def _host(
    release: str, packages: Sequence[Installed], modules: dict[str, str], running: str | None
) -> Host:
    full = release if "." in release else f"{release}.0"
    owner = Installed(RELEASE_PACKAGE, 0, full, "1.el9", "x86_64")
    unique = sorted({owner, *packages})
    return Host(tuple(unique), modules, True, running, "proof")


def _other(release: str) -> str:
    """One that begins alike: 9.20 is no 9.2, and 90 no 9."""
    return f"{release}0"


def _is_kernel(package: Installed) -> bool:
    return package.name in _KERNELS


def _kernel(packages: Iterable[Installed]) -> str | None:
    """What `uname -r` says where one of these kernels runs."""
    found = {p.name: p for p in packages if _is_kernel(p) and p.arch != "noarch"}
    package = found.get(f"{KERNEL}-core") or found.get(KERNEL)
    return f"{package.version}-{package.release}.{package.arch}" if package else None
