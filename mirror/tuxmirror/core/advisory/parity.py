"""Whether all formats say the same as the model, and name only packages that are there.

What is compared was read back from the bytes that are to be published. A difference between
formats is our own fault, or damage: refused as a verification error. A package that is not in its
repository is the advisory's: refused by rule, or counted where the advisory is upstream's and
untouched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ..errors import MirrorError, RefusedError, VerificationError
from .formats.claims import Claim, Claims
from .model import Advisory

_SHOWN = 10


class Gap(NamedTuple):
    """`kind` is advisory, cve or package; `extra` says that the format has it and the model not."""

    format: str
    advisory: str
    kind: str
    name: str
    extra: bool

    def __str__(self) -> str:
        what = f"{self.advisory} {self.kind} {self.name}".replace(f"{self.name} {self.name}", "")
        if self.kind == "advisory":
            what = f"advisory {self.name}"
        return f"{self.format}: {what} {'is not in the model' if self.extra else 'is missing'}"


def differences(name: str, expected: Claims, found: Claims) -> list[Gap]:
    """Between the model and what a format, called `name`, says."""
    gaps = _gaps(name, "", "advisory", expected.keys(), found.keys())
    for advisory in sorted(expected.keys() & found.keys()):
        model, claim = expected[advisory], found[advisory]
        gaps += _gaps(name, advisory, "cve", model.cves, claim.cves)
        gaps += _gaps(name, advisory, "package", model.packages, claim.packages)
    return gaps


def _gaps(
    name: str, advisory: str, kind: str, model: Collection[str], claim: Collection[str]
) -> list[Gap]:
    found = [Gap(name, advisory or n, kind, n, False) for n in sorted(set(model) - set(claim))]
    return found + [
        Gap(name, advisory or n, kind, n, True) for n in sorted(set(claim) - set(model))
    ]


def check(tree: str, expected: Claims, formats: Mapping[str, tuple[Claims, Claims]]) -> None:
    """All formats at once.

    Args:
        expected: the model, to tell what a format may leave out.
        formats: by name, what the format has to say, and what it says.

    Raises:
        VerificationError: they disagree; names the differences.
    """
    gaps: list[Gap] = []
    for name, (wanted, found) in formats.items():
        unknown = {a: claim for a, claim in wanted.items() if expected.get(a) != claim}
        gaps += [Gap(name, a, "advisory", a, True) for a in sorted(unknown)]
        gaps += differences(name, wanted, found)
    if gaps:
        raise VerificationError(
            f"{len(gaps)} differences between the advisories and what would be published of them",
            expected="the same advisories, CVEs and packages in every format",
            found=_some(str(gap) for gap in gaps),
            tree=tree,
            way_out="nothing was published; this is a bug or a damaged disk, please report it",
        )


def missing(
    advisories: Iterable[Advisory], available: Mapping[str, Collection[str]]
) -> dict[str, list[str]]:
    """Packages that are not in the repository their advisory lists them in, by advisory.

    `available` are identities by repository.
    """
    found: dict[str, list[str]] = {}
    for advisory in advisories:
        lost = sorted(
            package.identity
            for package in advisory.packages
            if package.identity not in available.get(package.repository, ())
        )
        if lost or not advisory.packages:
            found[advisory.id] = lost
    return found


def not_closed(tree: str, lost: Mapping[str, list[str]]) -> MirrorError:
    """What a tree of our own, or a filtered one, is refused with."""
    lines = [f"{a}: {', '.join(names[:3]) or 'no package'}" for a, names in sorted(lost.items())]
    return RefusedError(
        f"{len(lost)} advisories name packages that are not in the repository",
        expected="every package of an advisory beside it: dnf would show it as available for ever",
        found=_some(lines),
        tree=tree,
        way_out="add the packages, or take them out of the advisory",
    )


def without(advisories: Iterable[Advisory], lost: Mapping[str, list[str]]) -> list[Advisory]:
    """What is left to say of the rest: without what is not there, or wholly without."""
    kept = []
    for advisory in advisories:
        names = set(lost.get(advisory.id, ()))
        packages = [p for p in advisory.packages if p.identity not in names]
        if packages:
            kept.append(advisory.only(packages) if names else advisory)
    return kept


def subset(claims: Claims, advisories: Iterable[Advisory]) -> dict[str, Claim]:
    """What a format that has some advisories only has to say."""
    return {advisory.id: claims[advisory.id] for advisory in advisories}


def _some(lines: Iterable[str]) -> str:
    known = list(lines)
    more = [f"and {len(known) - _SHOWN} more"] if len(known) > _SHOWN else []
    return "; ".join([*known[:_SHOWN], *more])
