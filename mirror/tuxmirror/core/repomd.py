"""repomd.xml: bytes in, `Repomd` or `MetadataError` out.

Source of the format: createrepo_c's repomd.xml as dnf reads it. The bytes were written by
somebody else, so nothing is repaired and nothing unknown is followed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from xml.etree import ElementTree  # no DTD gets this far, see _parse_xml

from .errors import MetadataError
from .names import check_metadata_location, check_sha256, check_unique

MAX_BYTES = 1 << 20
MAX_FILES = 100
# Compressed metadata of the largest repositories known is below 100 MB, inflated below 2 GB.
MAX_METADATA_BYTES = 1 << 30
MAX_OPEN_BYTES = 4 << 30

# Python refuses to read, and nobody means, numbers of thousands of digits.
_NUMBER = re.compile(r"[0-9]{1,15}")
_NAMESPACE = "{http://linux.duke.edu/metadata/repo}"


@dataclass(frozen=True)
class MetadataFile:
    """One `<data>`: `location` below the repository, sizes in bytes.

    `open_sha256` and `open_size` speak of the inflated file; None where it is not compressed.
    """

    type: str
    location: str
    sha256: str
    size: int
    open_sha256: str | None
    open_size: int | None


@dataclass(frozen=True)
class Repomd:
    """`revision` is in seconds since the epoch: upstream's own, or its newest file's time."""

    sha256: str
    revision: int
    files: tuple[MetadataFile, ...]

    def file(self, type_: str) -> MetadataFile | None:
        """The one of that type, the plain form where there are several."""
        return next((file for file in self.files if file.type == type_), None)


def parse(data: bytes) -> Repomd:
    """What a repomd.xml says.

    Raises:
        MetadataError: not well-formed, too large, a DOCTYPE, a weak or missing checksum, an
            unsafe or repeated location, no primary.
    """
    root = _parse_xml(data)
    elements = root.findall(f"{_NAMESPACE}data")
    if len(elements) > MAX_FILES:
        raise _bad("too many files", f"at most {MAX_FILES}", str(len(elements)))
    files = tuple(_file(element) for element in elements)
    check_unique(file.location for file in files)
    types = [file.type for file in files]
    if "primary" not in types or len(types) != len(set(types)):
        raise _bad("each type once, primary among them", "primary", ", ".join(types) or "nothing")
    revision = (root.findtext(f"{_NAMESPACE}revision") or "").strip()
    if not _NUMBER.fullmatch(revision):
        revision = str(max(_timestamp(element) for element in elements))
    return Repomd(hashlib.sha256(data).hexdigest(), int(revision), files)


def _bad(message: str, expected: str, found: str) -> MetadataError:
    return MetadataError(
        f"repomd.xml: {message}", expected=expected, found=found, path="repodata/repomd.xml"
    )


def _parse_xml(data: bytes) -> ElementTree.Element:
    if len(data) > MAX_BYTES:
        raise _bad("too large", f"at most {MAX_BYTES} bytes", f"{len(data)} bytes")
    # Expat would expand entities; without a DOCTYPE there are none to declare. Another
    # encoding could hide it from this search.
    if re.search(rb"<!\s*(DOCTYPE|ENTITY)", data, re.IGNORECASE) or b"\x00" in data:
        raise _bad("has a DOCTYPE", "plain XML in UTF-8", "a DOCTYPE or another encoding")
    declared = re.match(rb"\s*<\?xml[^>]*encoding=[\"']([A-Za-z0-9._-]+)", data)
    if declared and declared[1].upper() not in (b"UTF-8", b"US-ASCII"):
        raise _bad("not UTF-8", "UTF-8", declared[1].decode())
    try:
        root = ElementTree.fromstring(data)  # noqa: S314
    except ElementTree.ParseError as error:
        raise _bad("not well-formed XML", "the index of a repository", str(error)) from None
    if root.tag != f"{_NAMESPACE}repomd":
        raise _bad("not the index of a repository", "<repomd>", f"<{root.tag}>")
    return root


def _file(element: ElementTree.Element) -> MetadataFile:
    type_ = element.get("type") or ""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", type_):
        raise _bad("an unnamed file", "a type attribute", repr(type_))
    location = element.find(f"{_NAMESPACE}location")
    if location is None:
        raise _bad(f"{type_} has no location", "<location href=…>", "nothing")
    if any(key != "href" for key in location.keys()):  # noqa: SIM118
        raise _bad(f"{type_} points elsewhere", "href alone", ", ".join(location.keys()))
    open_checksum = element.find(f"{_NAMESPACE}open-checksum")
    return MetadataFile(
        type=type_,
        location=check_metadata_location(location.get("href") or ""),
        sha256=_checksum(element.find(f"{_NAMESPACE}checksum"), type_),
        size=_size(element, "size", type_, MAX_METADATA_BYTES),
        open_sha256=None if open_checksum is None else _checksum(open_checksum, type_),
        open_size=None
        if element.find(f"{_NAMESPACE}open-size") is None
        else _size(element, "open-size", type_, MAX_OPEN_BYTES),
    )


def _checksum(element: ElementTree.Element | None, type_: str) -> str:
    kind = None if element is None else element.get("type")
    if element is None or kind != "sha256":
        raise _bad(f"{type_} has no SHA-256", "a checksum of type sha256", str(kind))
    return check_sha256((element.text or "").strip(), f"repomd.xml: {type_}")


def _size(element: ElementTree.Element, tag: str, type_: str, most: int) -> int:
    text = (element.findtext(_NAMESPACE + tag) or "").strip()
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise _bad(f"{type_}: {tag}", f"a number of bytes up to {most}", repr(text[:40]))
    return int(text)


def _timestamp(element: ElementTree.Element) -> int:
    text = (element.findtext(f"{_NAMESPACE}timestamp") or "").strip().partition(".")[0]
    return int(text) if _NUMBER.fullmatch(text) else 0
