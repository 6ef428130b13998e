"""Which minor releases are supported, after the administrator's guide. Pure."""

from typing import Sequence, Tuple

_SUPPORTED = ("8.8", "8.10", "9.2", "9.4", "9.6")
_SUPPORTED_MAJORS = ("10",)
_ESU = ("9.2", "9.6")


def is_supported(release: str) -> bool:
    """Whether a host of this minor release may register."""
    major, _dot, minor = release.partition(".")
    return release in _SUPPORTED or (major in _SUPPORTED_MAJORS and minor.isdigit())


def has_esu(release: str) -> bool:
    """Whether Extended Security Updates exist for it."""
    return release in _ESU


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
