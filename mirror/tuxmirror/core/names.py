"""What may be a name: of trees, repositories, arches and of files inside a repository.

Names from outside become paths on our disk and URLs of our customers, so they are allowlisted
rather than cleaned.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import ConfigError, MetadataError

# Trees of our own packages lie below it.
OWN = "tuxcare"

# A tree or repository segment that looks like a token would be taken for one by the server.
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,}")
# Plain segments; neither `.` nor `..` is one.
_PLAIN = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._+~^-]{1,200}"
_LOCATION = re.compile(rf"{_PLAIN}(?:/{_PLAIN})*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

REPODATA = "repodata/"


def check_name(kind: str, name: str) -> str:
    """One segment of a tree's name, a repository or an arch, as the operator writes it.

    Raises:
        ConfigError: not a plain name, or one that the server would take for a token.
    """
    if not _NAME.fullmatch(name) or TOKEN.fullmatch(name):
        raise ConfigError(
            f"'{name}' cannot be the name of {kind}",
            expected="letters, digits, '.', '_', '-', at most 31 characters without a dot",
        )
    return name


def check_location(href: str) -> str:
    """A file's place inside a repository, as metadata names it; returned unchanged.

    Raises:
        MetadataError: anything but plain relative segments: `..`, absolute paths, URLs,
            control characters, names longer than 200 bytes.
    """
    if not _LOCATION.fullmatch(href):
        raise MetadataError(
            "unsafe location",
            expected="a relative path of plain segments ([A-Za-z0-9._+~^-], at most 200 bytes)",
            found=repr(href[:300]),
        )
    return href


def check_package_location(href: str) -> str:
    """Like `check_location`, for packages: they end in `.rpm` and stay out of `repodata/`."""
    check_location(href)
    if not href.endswith(".rpm") or href.casefold().startswith(REPODATA):
        raise MetadataError(
            f"a package cannot be at {href!r}",
            expected="a path ending in .rpm outside repodata/",
            found=repr(href),
        )
    return href


def check_metadata_location(href: str) -> str:
    """Like `check_location`, for what repomd.xml lists: directly below `repodata/`."""
    check_location(href)
    reserved = {"repodata/repomd.xml", "repodata/repomd.xml.asc", "repodata/repomd.xml.key"}
    if not href.startswith(REPODATA) or href.count("/") != 1 or href.casefold() in reserved:
        raise MetadataError(
            f"repomd.xml cannot list {href!r}", expected="a file directly below repodata/"
        )
    return href


def check_sha256(value: str, what: str) -> str:
    """A SHA-256 in hexadecimal, lower case.

    Raises:
        MetadataError: anything else.
    """
    if not _SHA256.fullmatch(value):
        raise MetadataError(
            f"{what} has no SHA-256", expected="64 hex digits", found=repr(value[:80])
        )
    return value


def check_unique(locations: Iterable[str]) -> None:
    """No path twice, also not in another case: published trees reach file systems that fold it.

    Raises:
        MetadataError: names both paths.
    """
    seen: dict[str, str] = {}
    for location in locations:
        folded = location.casefold()
        if folded in seen:
            found = f"{seen[folded]!r} and {location!r}"
            raise MetadataError(f"{location!r} is listed twice", expected="once", found=found)
        seen[folded] = location
