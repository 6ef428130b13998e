"""Which minor releases are supported, and for how long, after public documents. Pure.

The administrator's guide: supported minor releases; Extended Security Updates for 9.2, planned for
9.6 and 9.10; "up to 16 years of support coverage" for a major release. Its edition of 2023: ESU
adds 4.5 years to the 6 months of a minor release (later editions name no figure, so the date is
told as announced, and the contract decides). AlmaLinux: https://wiki.almalinux.org/release-notes/
"""

from typing import Any, Dict, Optional, Sequence, Tuple

_SUPPORTED = ("8.8", "8.10", "9.2", "9.4", "9.6")
_SUPPORTED_MAJORS = ("10",)
_ESU = ("9.2", "9.6")
_ESU_PLANNED = ("9.6", "9.10")
# Announced in 2023 for minor releases of May 2023 and May 2025: release plus five years.
_ESU_UNTIL = {"9.2": "2028-05", "9.6": "2030-05"}
# Major release: end of AlmaLinux's security support, and its year of release plus sixteen.
_MAJORS = {"8": ("2029-05-31", "2037"), "9": ("2032-05-31", "2038"), "10": ("2035-05-31", "2041")}

ESU_AVAILABLE = "available"
ESU_PLANNED = "planned"
ESU_NONE = "none"


def is_supported(release: str) -> bool:
    """Whether a host of this minor release may register."""
    major, _dot, minor = release.partition(".")
    return release in _SUPPORTED or (major in _SUPPORTED_MAJORS and minor.isdigit())


def has_esu(release: str) -> bool:
    """Whether Extended Security Updates exist for it."""
    return release in _ESU


def esu_state(release: str) -> str:
    """ESU_AVAILABLE, ESU_PLANNED or ESU_NONE, as the guide says it."""
    if release in _ESU_PLANNED:
        return ESU_PLANNED
    return ESU_AVAILABLE if release in _ESU else ESU_NONE


def describe(release: str) -> Dict[str, Any]:
    """What `status` tells: `esu`, `esu_until` (a month, as announced), and of the major release
    `community_until` (a day) and `support_until` (a year)."""
    community, support = _MAJORS.get(release.partition(".")[0], (None, None))
    until: Optional[str] = _ESU_UNTIL.get(release)
    return {
        "esu": esu_state(release),
        "esu_until": until,
        "community_until": community,
        "support_until": support,
    }


def covers(releases: Sequence[str], release: str) -> bool:
    """Whether a licence for `releases` is good for `release`.

    None named means all; `9` means every 9.x.
    """
    return not releases or release in releases or release.partition(".")[0] in releases


def supported_text() -> str:
    names = list(_SUPPORTED) + [major + ".x" for major in _SUPPORTED_MAJORS]
    return "{} or {}".format(", ".join(names[:-1]), names[-1])


def sort_key(release: str) -> Tuple[int, ...]:
    """9.2 before 9.10."""
    return tuple(int(part) for part in release.split("."))
