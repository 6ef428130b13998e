"""Advisories as values: an update that fixes something, by the packages that bring the fix.

Times are seconds since the epoch, in UTC. Collections are sorted tuples, so that equal advisories
are equal values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

SECURITY = "security"
KINDS = (SECURITY, "bugfix", "enhancement", "newpackage")
# What dnf knows; "None" is upstream's word for updates that fix no vulnerability.
SEVERITIES = ("Critical", "Important", "Moderate", "Low")
NO_SEVERITY = "None"

OWN = "tuxcare"
UPSTREAM = "almalinux"
ESSENTIAL = "essential"


class Scope(NamedTuple):
    """What an advisory is for: a release, and the product that brings it there.

    `essential` is AlmaLinux's own repositories, as vetted; `esu` and `fips` are packages of ours.
    """

    release: str
    product: str

    @property
    def slug(self) -> str:
        """`almalinux9.2-esu`, as the guide's OVAL files are called."""
        return f"{UPSTREAM}{self.release}-{self.product}"

    @property
    def title(self) -> str:
        """`AlmaLinux 9.2 ESU`, as the tracker calls it."""
        return _title(self.release, self.product)

    @property
    def major(self) -> str:
        return self.release.partition(".")[0]


@lru_cache(maxsize=1024)
def _title(release: str, product: str) -> str:
    word = product.upper() if len(product) <= 4 else product.capitalize()
    return f"AlmaLinux {release} {word}"


def scope_of(tree: str) -> Scope | None:
    """From a tree's name: `almalinux/9.2`, `tuxcare/9.2/esu`; None for a tree of other people."""
    parts = tree.split("/")
    if not all(parts) or len(parts) < 2 or not parts[1].replace(".", "").isdecimal():
        return None
    if parts[0] == UPSTREAM and len(parts) == 2:
        return Scope(parts[1], ESSENTIAL)
    if parts[0] == OWN and len(parts) == 3:
        return Scope(parts[1], parts[2])
    return None


class Module(NamedTuple):
    """The module stream that a package belongs to."""

    name: str
    stream: str
    version: str
    context: str
    arch: str

    @property
    def nsvca(self) -> str:
        return ":".join(self)

    @property
    def name_stream(self) -> str:
        return f"{self.name}:{self.stream}"


class FixedPackage(NamedTuple):
    """A binary package that brings the fix: earlier ones need it.

    `source` is the source package's file name, `repository` the tree's repository that has it
    (`BaseOS/x86_64`; a local tree's arch). `sha256` is the file's, empty where nobody says.
    """

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    source: str = ""
    module: Module | None = None
    repository: str = ""
    filename: str = ""
    sha256: str = ""
    reboot: bool = False

    @property
    def evr(self) -> str:
        """Always with its epoch: `0:1.2-3.el9`."""
        return f"{self.epoch}:{self.version}-{self.release}"

    @property
    def nevra(self) -> str:
        """As dnf prints it: the epoch only where it is not 0."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{self.name}-{epoch}{self.version}-{self.release}.{self.arch}"

    @property
    def identity(self) -> str:
        """`name-epoch:version-release.arch`: what all formats must agree on."""
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def source_name(self) -> str:
        """The source package's name; the package's own where nobody says."""
        return _source_name(self.source) or self.name


@lru_cache(maxsize=65536)
def _source_name(file: str) -> str:
    stem = file[: -len(".src.rpm")] if file.endswith(".src.rpm") else ""
    return stem.rsplit("-", 2)[0] if stem.count("-") >= 2 else ""


class Reference(NamedTuple):
    """`kind` is cve, bugzilla, self, rhsa or other."""

    kind: str
    id: str
    url: str
    title: str = ""


@dataclass(frozen=True)
class Advisory:
    """One advisory in one scope.

    Attributes:
        id: such as `ALSA-2023:7549`, `CLSA-2026:001`.
        kind: one of KINDS.
        severity: one of SEVERITIES, or NO_SEVERITY.
        issued, updated: seconds; `updated` is never before `issued`.
        cves: those of its references that are CVEs, sorted.
        version: of the record; numbers compare as numbers.
        origin: the file and line it was read from, for errors.
    """

    id: str
    scope: Scope
    kind: str
    title: str
    severity: str
    issued: int
    updated: int
    packages: tuple[FixedPackage, ...]
    cves: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    description: str = ""
    summary: str = ""
    solution: str = ""
    rights: str = ""
    version: str = "1"
    publisher: str = ""
    origin: str = ""

    @property
    def identities(self) -> frozenset[str]:
        """Its packages as all formats must name them."""
        return frozenset(package.identity for package in self.packages)

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        return tuple(sorted({package.source_name for package in self.packages}))

    def only(self, packages: Iterable[FixedPackage]) -> Advisory:
        """The same advisory about some of its packages."""
        return replace(self, packages=tuple(sorted(packages, key=sort_key)))

    def with_severity(self, severity: str) -> Advisory:
        return replace(self, severity=severity)


def security(found: Iterable[Advisory]) -> list[Advisory]:
    """Those that formats about vulnerabilities speak of."""
    return [advisory for advisory in found if advisory.kind == SECURITY]


def sort_key(package: FixedPackage) -> tuple[object, ...]:
    """Stable, and defined where one has a module and another has none."""
    module = package.module or ("",) * 5
    return (*package[:6], *module, *package[7:])


def is_cve(text: str) -> bool:
    """`CVE-YYYY-NNNN` with four digits or more."""
    head, _, rest = text.partition("-")
    year, _, number = rest.partition("-")
    plain = text.isascii() and year.isdecimal() and number.isdecimal()
    return plain and head == "CVE" and len(year) == 4 and 4 <= len(number) <= 19
