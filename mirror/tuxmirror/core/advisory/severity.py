"""Which score of a CVE counts, by which rule, and what is doubtful about it.

The rule is that of the Enterprise Support guide (Vulnerability coverage): CVSS v3; NVD's and the
vendor's score; a vendor's that is lower than NVD's gives way to NVD's; 7.0 and more is covered.
It is silent where the vendor's is higher: `higher` takes it (the default), `nvd` does not.

Scores of CVSS 2 and 4 are never compared with 7.0: such a CVE needs triage, and its clock runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

NVD = "nvd"
VENDOR = "vendor"
PREFER_HIGHER = "higher"
PREFER_NVD = "nvd"
COVERED_FROM = 7.0

# Lower bounds of the qualitative scale, CVSS v3.1 specification section 5.
_BANDS = ((9.0, "Critical"), (7.0, "High"), (4.0, "Medium"), (0.1, "Low"))
UNKNOWN = "Unknown"
# dnf shows any other word as Unknown.
_UPDATEINFO = {"Critical": "Critical", "High": "Important", "Medium": "Moderate", "Low": "Low"}

# Flags of a verdict.
SINGLE_SOURCE = "single-source"
V2_ONLY = "v2-only"
V4_ONLY = "v4-only"
MISSING = "missing"


class Score(NamedTuple):
    """A score as one source gives it.

    `source` is `nvd`, `vendor`, or the name of another (a CNA, an OSV database); `version` is
    `2.0`, `3.0`, `3.1` or `4.0`; `date` is when the source last said so, None where it does not.
    """

    source: str
    version: str
    value: float
    vector: str = ""
    date: int | None = None


class Verdict(NamedTuple):
    """The score that counts.

    Attributes:
        score: None where no score can be compared with 7.0.
        band: Critical, High, Medium, Low, None or Unknown.
        rule: which rule chose it, a short name.
        flags: what is doubtful about it.
    """

    score: float | None
    band: str
    source: str | None
    rule: str
    flags: tuple[str, ...] = ()
    version: str | None = None
    vector: str = ""

    @property
    def covered(self) -> bool:
        """Whether the guide promises a fix. False where nobody can tell: see `needs_triage`."""
        return self.score is not None and self.score >= COVERED_FROM

    @property
    def needs_triage(self) -> bool:
        return self.score is None

    @property
    def severity(self) -> str:
        """In updateinfo's words."""
        return _UPDATEINFO.get(self.band, "None")


def band(score: float) -> str:
    """The word for a CVSS v3 score."""
    for bound, word in _BANDS:
        if score >= bound:
            return word
    return "None"


def decide(scores: Iterable[Score], prefer: str = PREFER_HIGHER) -> Verdict:
    """The verdict over all scores of a CVE.

    Of several v3 scores of one source the newer version counts, then the later date, then the
    higher value.
    """
    known = list(scores)
    v3 = [score for score in known if score.version.startswith("3.")]
    nvd = _newest([score for score in v3 if score.source == NVD])
    vendor = _newest([score for score in v3 if score.source == VENDOR])
    if nvd and vendor:
        return _of_two(nvd, vendor, prefer)
    if nvd or vendor:
        chosen = nvd or vendor
        assert chosen is not None  # noqa: S101  # one of them is
        return _verdict(chosen, f"{chosen.source} alone", _single(v3))
    others = sorted({score.source for score in v3})
    candidates = [_newest([s for s in v3 if s.source == source]) for source in others]
    highest = max((s for s in candidates if s), key=lambda s: s.value, default=None)
    if highest:
        return _verdict(highest, "highest of other sources", _single(v3))
    return Verdict(None, UNKNOWN, None, "no CVSS v3 score", _flags_without_v3(known))


def _of_two(nvd: Score, vendor: Score, prefer: str) -> Verdict:
    if vendor.value < nvd.value:
        return _verdict(nvd, "vendor lower than NVD: NVD wins")
    if vendor.value == nvd.value:
        return _verdict(nvd, "NVD and vendor agree")
    if prefer == PREFER_NVD:
        return _verdict(nvd, "vendor higher than NVD: NVD kept, as configured")
    return _verdict(vendor, "vendor higher than NVD: the higher wins")


def _newest(scores: list[Score]) -> Score | None:
    if len(scores) < 2:
        return scores[0] if scores else None
    return max(scores, key=lambda s: (s.version, s.date or 0, s.value, s.vector))


def _single(v3: list[Score]) -> tuple[str, ...]:
    return (SINGLE_SOURCE,) if len({score.source for score in v3}) == 1 else ()


def _flags_without_v3(scores: list[Score]) -> tuple[str, ...]:
    versions = {score.version for score in scores}
    if not versions:
        return (MISSING,)
    flags = [V2_ONLY] if versions == {"2.0"} else []
    flags += [V4_ONLY] if "4.0" in versions else []
    return tuple(flags)


def _verdict(score: Score, rule: str, flags: tuple[str, ...] = ()) -> Verdict:
    return Verdict(
        score.value, band(score.value), score.source, rule, flags, score.version, score.vector
    )
