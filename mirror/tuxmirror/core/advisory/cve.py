"""A CVE: what each source says of it, nothing thrown away.

`Verdict` and the flags are in `severity`; here is which disclosure date starts the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from .model import Reference
from .severity import PREFER_HIGHER, Score, Verdict, decide

PLACEHOLDER = "placeholder-date"
_DAY = 86400


class Disclosure(NamedTuple):
    """When a source says that it became public; `placeholder` is a date nobody means.

    Databases write the first of January, midnight, where they know the year alone.
    """

    source: str
    date: int
    placeholder: bool = False


@dataclass(frozen=True)
class Cve:
    """`scores` and `disclosures` are sorted; `rejected` says that it was withdrawn."""

    id: str
    description: str = ""
    scores: tuple[Score, ...] = ()
    disclosures: tuple[Disclosure, ...] = ()
    cwes: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    rejected: bool = False
    prefer: str = field(default=PREFER_HIGHER, repr=False)

    @cached_property
    def verdict(self) -> Verdict:
        return decide(self.scores, self.prefer)

    @cached_property
    def disclosed(self) -> int | None:
        """The earliest date that somebody means; None where there is none."""
        return min([d.date for d in self.disclosures if not d.placeholder], default=None)

    @property
    def flags(self) -> tuple[str, ...]:
        """What is doubtful: of the verdict, and of the dates."""
        for disclosure in self.disclosures:
            if disclosure.placeholder:
                return (*self.verdict.flags, PLACEHOLDER)
        return self.verdict.flags


def combine(records: Iterable[Cve], prefer: str = PREFER_HIGHER) -> Cve:
    """What several sources say of the same CVE; texts are the first one's that has any."""
    known = list(records)
    return Cve(
        id=known[0].id,
        description=next((r.description for r in known if r.description), ""),
        scores=tuple(sorted({s for r in known for s in r.scores}, key=_score_key)),
        disclosures=tuple(sorted({d for r in known for d in r.disclosures})),
        cwes=tuple(sorted({cwe for r in known for cwe in r.cwes})),
        references=tuple(sorted({ref for r in known for ref in r.references})),
        rejected=any(r.rejected for r in known),
        prefer=prefer,
    )


def _score_key(score: Score) -> tuple[object, ...]:
    return (*score[:4], score.date or 0)
