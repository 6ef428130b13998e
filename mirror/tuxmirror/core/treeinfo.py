"""`.treeinfo` of an installation tree: what anaconda, virt-install and PXE servers start from.

    [general]                   or [tree], as productmd writes both
    arch = x86_64
    [images-x86_64]
    kernel = images/pxeboot/vmlinuz
    [stage2]
    mainimage = images/install.img
    [checksums]
    images/install.img = sha256:18b1…
    repodata/repomd.xml = sha256:2749…

Source of the format: productmd's documentation of treeinfo 1.x, and trees of AlmaLinux and Fedora.
Nobody signs it: the caller compared its SHA-256 with the one in the configuration.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from typing import NamedTuple

from .checksums import Image
from .errors import MetadataError
from .kinds import REPOMD, TREEINFO
from .names import REPODATA, check_location, check_sha256, check_unique

MAX_BYTES = 256 * 1024
MAX_FILES = 1000
_IMAGES = re.compile(r"images-[A-Za-z0-9_.-]+")
_SHA256 = "sha256:"


class Treeinfo(NamedTuple):
    """`images` are all files that it has a digest of; `repomd` is that of repodata/repomd.xml, None
    where it has none."""

    images: tuple[Image, ...]
    repomd: str | None


def parse(data: bytes, arch: str) -> Treeinfo:
    """What it lists.

    Raises:
        MetadataError: not INI in UTF-8, too large, of another arch, a digest that is no SHA-256, an
            unsafe or repeated path, an image that it names and has no digest of.
    """
    parser = _read(data)
    said = _value(parser, "tree", "arch") or _value(parser, "general", "arch")
    if said != arch:
        raise _bad("of another arch", arch, repr(said))
    digests = (
        {path: _digest(path, value) for path, value in parser["checksums"].items()}
        if parser.has_section("checksums")
        else {}
    )
    if len(digests) > MAX_FILES:
        raise _bad("too many files", f"at most {MAX_FILES}", str(len(digests)))
    for path in _named(parser):
        if path not in digests:
            raise _bad("an image without a digest", "a line in [checksums]", repr(path[:200]))
    repomd = digests.pop(REPOMD, None)
    images = tuple(Image(_location(path), sha256, None) for path, sha256 in digests.items())
    check_unique([TREEINFO, *(image.path for image in images)])
    return Treeinfo(images, repomd)


def _read(data: bytes) -> configparser.ConfigParser:
    if len(data) > MAX_BYTES:
        raise _bad("too large", f"at most {MAX_BYTES} bytes", f"{len(data)} bytes")
    # Paths are names of options: as they are, and ':' belongs to digests.
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#", ";"), default_section="\0"
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(data.decode())
    except (configparser.Error, UnicodeDecodeError) as error:
        raise _bad("cannot be read", "INI in UTF-8", str(error).splitlines()[0][:200]) from None
    return parser


def _value(parser: configparser.ConfigParser, section: str, key: str) -> str:
    return parser.get(section, key, fallback="").strip()


def _named(parser: configparser.ConfigParser) -> Iterator[str]:
    """What an installer is told to fetch."""
    for section in parser.sections():
        if section == "stage2" or _IMAGES.fullmatch(section):
            yield from (value.strip() for value in parser[section].values() if value.strip())


def _digest(path: str, value: str) -> str:
    if not value.startswith(_SHA256):
        raise _bad(f"{path[:200]} has no SHA-256", f"{_SHA256}DIGEST", repr(value[:80]))
    return check_sha256(value[len(_SHA256) :].strip(), f"{TREEINFO}: {path[:200]}")


def _location(path: str) -> str:
    """Packages and metadata are repomd.xml's to say."""
    check_location(path)
    if path.casefold().startswith(REPODATA) or path.casefold().endswith(".rpm"):
        raise _bad("not an image", "a file outside repodata/ that is no package", repr(path))
    return path


def _bad(message: str, expected: str, found: str) -> MetadataError:
    return MetadataError(f"{TREEINFO}: {message}", expected=expected, found=found, path=TREEINFO)
