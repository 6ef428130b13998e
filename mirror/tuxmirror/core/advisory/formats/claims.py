"""What a document says is fixed by what, whatever its format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..model import Advisory


class Claim(NamedTuple):
    """Of one advisory: CVE ids, and packages as `FixedPackage.identity`."""

    cves: frozenset[str]
    packages: frozenset[str]


Claims = Mapping[str, Claim]


def of(advisories: Iterable[Advisory]) -> dict[str, Claim]:
    """What the model says."""
    return {a.id: Claim(frozenset(a.cves), a.identities) for a in advisories}
