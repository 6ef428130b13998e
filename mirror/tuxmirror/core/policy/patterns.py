"""What a person names when he holds or approves something.

kernel*  openssl-libs.x86_64  curl-7.76.1-23.el9_2.4    packages by name or NEVRA, with globs
source:openssl                                          all that is built from it
ALSA-2023:5763  CVE-2023-38545                          what an advisory brings, or fixes it
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Callable

from ..advisory.model import Advisory, is_cve
from ..errors import ConfigError
from ..package import Package
from .builds import source_name

SOURCE = "source:"
_ADVISORY = re.compile(r"[A-Z]{2,16}-[0-9]{4}:[A-Za-z0-9._:-]{1,40}")
_GLOB = re.compile(r"[A-Za-z0-9._+~^:*?\[\]!-]{1,200}")

Matcher = Callable[[Package], bool]


def check(pattern: str) -> str:
    """Returned unchanged.

    Raises:
        ConfigError: nothing that a package, advisory or CVE could be called.
    """
    bare = pattern[len(SOURCE) :] if pattern.startswith(SOURCE) else pattern
    if not _GLOB.fullmatch(bare) or set(bare) <= set("*?"):
        raise ConfigError(
            f"'{pattern}' names no packages",
            expected="a package such as 'kernel*' or curl-7.76.1-23.el9.x86_64, source:NAME,"
            " an advisory or a CVE",
        )
    return pattern


def matcher(pattern: str, advisories: Iterable[Advisory]) -> Matcher:
    """Whether a package is meant."""
    if is_cve(pattern):
        return _listed(a for a in advisories if pattern in a.cves)
    if _ADVISORY.fullmatch(pattern):
        return _listed(a for a in advisories if a.id == pattern)
    if pattern.startswith(SOURCE):
        wanted = _compiled(pattern[len(SOURCE) :])
        return lambda package: wanted(source_name(package)) is not None
    glob = _compiled(pattern)
    return lambda package: any(glob(form) for form in forms(package))


def forms(package: Package) -> tuple[str, ...]:
    """What people call a package, as dnf takes it."""
    name, arch = package.name, package.arch
    evr = f"{package.version}-{package.release}"
    epoch = f"{package.epoch}:{evr}"
    return (
        name,
        f"{name}.{arch}",
        f"{name}-{package.version}",
        f"{name}-{evr}",
        f"{name}-{evr}.{arch}",
        f"{name}-{epoch}",
        f"{name}-{epoch}.{arch}",
    )


def listed(advisories: Iterable[Advisory]) -> frozenset[str]:
    """NEVRAs as dnf prints them."""
    return frozenset(package.nevra for advisory in advisories for package in advisory.packages)


def _listed(advisories: Iterable[Advisory]) -> Matcher:
    names = listed(advisories)
    return lambda package: package.nevra in names


def _compiled(glob: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(fnmatch.translate(glob)).match
