"""Packages put together by what they were built from: a build moves as one.

All binaries of a source package are one build, on every arch of the tree, so an i686 package goes
with its x86_64 twin. A version of a module stream is all the builds that its modulemd lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..package import Package

SOURCE_ARCHES = ("src", "nosrc")


class Item(NamedTuple):
    """A package of one repository. `gone`: the candidate does not have it any more."""

    repository: str
    package: Package
    gone: bool


class ModuleNeed(NamedTuple):
    """That a stream of a module be there: one of `streams`, any where there are none; where they
    are `barred`, any but these."""

    name: str
    streams: frozenset[str] = frozenset()
    barred: bool = False

    def met_by(self, module: ModuleBuild) -> bool:
        if module.name != self.name:
            return False
        return not self.streams or (module.stream in self.streams) != self.barred

    def __str__(self) -> str:
        streams = ("not " if self.barred else "") + " or ".join(sorted(self.streams))
        return f"module {self.name}:{streams}" if self.streams else f"module {self.name}"


class ModuleBuild(NamedTuple):
    """A modulemd document of a repository; `artifacts` are `name-epoch:version-release.arch`."""

    repository: str
    name: str
    stream: str
    version: int
    context: str
    arch: str
    artifacts: frozenset[str]
    requires: frozenset[ModuleNeed] = frozenset()
    gone: bool = False

    @property
    def nsvc(self) -> str:
        return f"{self.name}:{self.stream}:{self.version}:{self.context}"

    @property
    def name_stream(self) -> str:
        return f"{self.name}:{self.stream}"


@dataclass
class Build:
    """What was built from one source package. `name` is the source package's file name."""

    name: str
    items: list[Item] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)

    @property
    def gone(self) -> bool:
        """Upstream has nothing of it any more."""
        return all(item.gone for item in self.items)


def repository_arch(repository: str) -> str:
    """`x86_64` of `BaseOS/x86_64`; a local tree's repository is its arch alone."""
    return repository.rpartition("/")[2]


def source_file(package: Package) -> str:
    """The source package's file name; the package's own where nobody says."""
    if package.arch in SOURCE_ARCHES:
        return f"{package.name}-{package.version}-{package.release}.{package.arch}.rpm"
    return package.sourcerpm or f"{package.nevra}.rpm"


def source_name(package: Package) -> str:
    """`openssl` of `openssl-3.0.7-24.el9.src.rpm`."""
    stem = source_file(package).rpartition(".rpm")[0]
    for arch in (*SOURCE_ARCHES, package.arch):
        if stem.endswith(f".{arch}"):
            stem = stem[: -len(arch) - 1]
            break
    return stem.rsplit("-", 2)[0] if stem.count("-") >= 2 else stem


def is_debug(package: Package) -> bool:
    name = package.name
    return name.endswith(("-debuginfo", "-debugsource")) or "-debuginfo-" in name


def artifact(package: Package) -> str:
    """As modulemd lists it: always with the epoch."""
    evr = f"{package.epoch}:{package.version}-{package.release}"
    return f"{package.name}-{evr}.{package.arch}"


def gather(items: Iterable[Item], modules: Iterable[ModuleBuild]) -> dict[str, Build]:
    """The builds by name, each with the module versions (`nsvc`) that list any of it."""
    listed: dict[tuple[str, str], set[str]] = {}
    for module in modules:
        arch = repository_arch(module.repository)
        for name in module.artifacts:
            listed.setdefault((arch, name), set()).add(module.nsvc)
    builds: dict[str, Build] = {}
    for item in items:
        name = source_file(item.package)
        build = builds.get(name)
        if build is None:
            build = builds[name] = Build(name)
        build.items.append(item)
        if listed:
            key = (repository_arch(item.repository), artifact(item.package))
            build.modules |= listed.get(key, frozenset())
    return builds


def members(builds: Mapping[str, Build]) -> dict[str, set[str]]:
    """Names of the builds of each module version that has any."""
    found: dict[str, set[str]] = {}
    for build in builds.values():
        for nsvc in build.modules:
            found.setdefault(nsvc, set()).add(build.name)
    return found
