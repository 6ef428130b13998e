"""A package as primary.xml describes it, and the check against what its own header says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from .errors import MetadataError
from .names import check_package_location, check_sha256, check_unique

DESCRIPTION_LENGTH = 16


class Package(NamedTuple):
    """One `<package>` of primary. `location` is below the repository, `size` in bytes.

    A NamedTuple because a repository has tens of thousands of them.
    """

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    location: str
    sha256: str
    size: int
    build_time: int
    sourcerpm: str

    @property
    def description(self) -> str:
        """A short name for all that `check_header` compares."""
        fields = repr([getattr(self, field) for field in Header._fields])
        return hashlib.sha256(fields.encode()).hexdigest()[:DESCRIPTION_LENGTH]

    @property
    def nevra(self) -> str:
        """`name-[epoch:]version-release.arch`, the epoch only where it is not 0, as dnf prints."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{self.name}-{epoch}{self.version}-{self.release}.{self.arch}"


class Header(NamedTuple):
    """What the RPM header itself says, as far as primary repeats it."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    build_time: int
    sourcerpm: str


def check_packages(packages: Iterable[Package]) -> None:
    """What must hold for the packages of one repository together.

    Raises:
        MetadataError: an unsafe location, one used twice, a weak checksum, a NEVRA with two
            different contents.
    """
    contents: dict[str, Package] = {}
    locations = []
    for package in packages:
        check_sha256(package.sha256, package.nevra)
        locations.append(check_package_location(package.location))
        if package.size <= 0:
            raise MetadataError(
                f"{package.nevra} has no size",
                expected="a number of bytes",
                found=str(package.size),
                path=package.location,
            )
        twin = contents.setdefault(package.nevra, package)
        if twin.sha256 != package.sha256:
            raise MetadataError(
                f"{package.nevra} is listed with two contents",
                found=f"{twin.location} and {package.location}",
                path=package.location,
            )
    check_unique(locations)


def check_header(package: Package, header: Header) -> None:
    """The header must describe the package that the metadata promises.

    Raises:
        MetadataError: names the first field that differs.
    """
    for field in Header._fields:
        promised, actual = getattr(package, field), getattr(header, field)
        if promised != actual:
            raise MetadataError(
                f"the package's header is not what the metadata says: {field}",
                expected=str(promised),
                found=str(actual),
                path=package.location,
            )
