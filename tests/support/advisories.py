"""Advisories as values, for tests that need any."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tuxmirror.core.advisory.catalogue import Catalogue
from tuxmirror.core.advisory.model import Advisory, FixedPackage, Scope, sort_key

ESU = Scope("9.2", "esu")
FIPS = Scope("9.2", "fips")


def package(name: str = "openssl", **fields: Any) -> FixedPackage:
    """openssl-1:3.0.7-1.x86_64, with changes."""
    known = {"epoch": 1, "version": "3.0.7", "release": "1", "arch": "x86_64", **fields}
    return FixedPackage(name, **known)


def advisory(
    name: str = "CLSA-2026:001", packages: Iterable[FixedPackage] | None = None, **fields: Any
) -> Advisory:
    """A security advisory of ESU about one package, with changes."""
    known = {
        "scope": ESU,
        "kind": "security",
        "title": "openssl security update",
        "severity": "Important",
        "issued": 1_000_000,
        "updated": 1_000_000,
        "cves": ("CVE-2026-0001",),
        **fields,
    }
    own = sorted(packages or [package()], key=sort_key)
    return Advisory(id=name, packages=tuple(own), **known)


def catalogue(found: Iterable[Advisory], **fields: Any) -> Catalogue:
    return Catalogue(tuple(found), **fields)
