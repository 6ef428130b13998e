"""CHECKSUM beside images: lines of BSD's `sha256(1)`, with sizes in comments as Fedora's pungi
writes them.

    # AlmaLinux-9.3-x86_64-boot.iso: 939524096 bytes
    SHA256 (AlmaLinux-9.3-x86_64-boot.iso) = 17c2…

Its signature was verified before; names become paths all the same, so they are allowlisted.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import MetadataError
from .kinds import CHECKSUM
from .names import check_location, check_sha256, check_unique

MAX_BYTES = 256 * 1024
MAX_IMAGES = 500
_LINE = re.compile(r"SHA256 \(([^()\s]+)\) = ([0-9A-Fa-f]{64})")
_SIZE = re.compile(r"# (\S+): ([0-9]{1,15}) bytes")


class Image(NamedTuple):
    """A file by its path below the repository; `size` is in bytes, None where nobody says it."""

    path: str
    sha256: str
    size: int | None


def parse(text: str) -> tuple[Image, ...]:
    """Every file of the list.

    Raises:
        MetadataError: a line that is neither a comment nor a SHA-256 of a plain file name, a name
            twice, two sizes of one file, no file at all, or too many.
    """
    sizes: dict[str, int] = {}
    digests: list[tuple[str, str]] = []
    for line in text.splitlines():
        stripped = line.strip()
        size, digest = _SIZE.fullmatch(stripped), _LINE.fullmatch(stripped)
        if size:
            if sizes.setdefault(size[1], int(size[2])) != int(size[2]):
                raise _bad("two sizes of one file", "one", size[1])
        elif digest:
            digests.append((_name(digest[1]), check_sha256(digest[2].lower(), digest[1])))
        elif stripped and not stripped.startswith("#"):
            raise _bad("a line of another kind", "SHA256 (NAME) = DIGEST", repr(stripped[:120]))
    if not 0 < len(digests) <= MAX_IMAGES:
        raise _bad("the number of files", f"1 to {MAX_IMAGES}", str(len(digests)))
    check_unique(name for name, _ in digests)
    return tuple(Image(name, sha256, sizes.get(name)) for name, sha256 in digests)


def _name(text: str) -> str:
    if "/" in text or text.upper() == CHECKSUM:
        raise _bad("not the name of an image", "a plain file name", repr(text[:120]))
    return check_location(text)


def _bad(message: str, expected: str, found: str) -> MetadataError:
    return MetadataError(f"{CHECKSUM}: {message}", expected=expected, found=found, path=CHECKSUM)
