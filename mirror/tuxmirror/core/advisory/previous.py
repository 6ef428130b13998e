"""Real builds before a fix, by package: what hosts had that did not have it yet.

Those of a repository, which keeps older builds, and those that earlier advisories name. Builds of
module streams compare within their stream alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .. import evr
from ..audit.host import Installed
from .model import FixedPackage


class Build(NamedTuple):
    """`stream` is `nodejs:18`, empty where the package is of no module."""

    name: str
    arch: str
    stream: str
    epoch: int
    version: str
    release: str


class Previous:
    """Asked for the newest build that is older than a fix."""

    def __init__(self, builds: Iterable[Build] = ()) -> None:
        self._known: dict[tuple[str, str, str], set[tuple[int, str, str]]] = {}
        for build in builds:
            self._known.setdefault(build[:3], set()).add(build[3:])

    def of(self, package: FixedPackage) -> Installed | None:
        """None where nobody knows one."""
        stream = package.module.name_stream if package.module else ""
        fix = evr.key((package.epoch, package.version, package.release))
        known = self._known.get((package.name, package.arch, stream), ())
        older = [build for build in known if evr.key(build) < fix]
        newest = max(older, key=evr.key, default=None)
        return Installed(package.name, *newest, package.arch) if newest else None
