"""updateinfo.xml cut to the packages that are there, as text.

An advisory that lists none of them goes: dnf would offer it for ever. One that lists some loses the
others; everything else of it stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree  # no DTD gets this far, see rpmmd.inflated

from ..core.errors import MetadataError
from ..core.package import Package

_UPDATE = re.compile(rb"<update[ >].*?</update>[^\S\n]*\n?", re.DOTALL)
# A comment or CDATA: text in which tags would not be tags.
_UNSAFE = b"<!"
_EMPTY = b'<?xml version="1.0" encoding="UTF-8"?>\n<updates>\n'

Identity = tuple[str, str, str, str, str]


def cut_updateinfo(texts: Sequence[bytes], packages: Iterable[Package]) -> bytes | None:
    """The advisories of the first text, then those that only later ones have; None without any.

    Raises:
        MetadataError: it cannot be cut safely.
    """
    present = {(p.name, str(p.epoch), p.version, p.release, p.arch) for p in packages}
    stays: dict[str, bytes] = {}
    for text in texts:
        for chunk in _updates(text):
            name, cut = _cut(chunk, present)
            if cut is not None:
                stays.setdefault(name, cut)
    if not stays:
        return None
    return _EMPTY + b"".join(stays.values()) + b"</updates>\n"


def _updates(text: bytes) -> Iterator[bytes]:
    if _UNSAFE in text:
        raise _unsafe("a comment or CDATA")
    end = 0
    for match in _UPDATE.finditer(text):
        if end and text[end : match.start()].strip():
            raise _unsafe(repr(text[end : end + 80]))
        end = match.end()
        yield b"  " + match[0] if match[0].endswith(b"\n") else b"  " + match[0] + b"\n"
    rest = text[end:]
    if not re.search(rb"</updates>\s*$|<updates\s*/>\s*$", rest) or b"<update " in rest:
        raise _unsafe(repr(rest[:80]))


def _cut(chunk: bytes, present: set[Identity]) -> tuple[str, bytes | None]:
    """Its id, and what stays of it."""
    try:
        update = ElementTree.fromstring(chunk)  # noqa: S314
    except ElementTree.ParseError as error:
        raise _unsafe(str(error)) from None
    name = (update.findtext("id") or "").strip()
    listed = gone = 0
    for collection in update.iter("collection"):
        for package in collection.findall("package"):
            listed += 1
            if _identity(package) not in present:
                gone += 1
                collection.remove(package)
    if gone == listed:
        return name, None
    if not gone:
        return name, chunk
    pkglist = update.find("pkglist")
    for collection in list(pkglist if pkglist is not None else ()):
        if collection.tag == "collection" and collection.find("package") is None:
            pkglist.remove(collection)  # type: ignore[union-attr]
    return name, b"  " + ElementTree.tostring(update).strip() + b"\n"


def _identity(package: ElementTree.Element) -> Identity:
    epoch = package.get("epoch") or "0"
    return (
        package.get("name") or "",
        epoch if epoch.isdecimal() else "0",
        package.get("version") or "",
        package.get("release") or "",
        package.get("arch") or "",
    )


def _unsafe(found: str) -> MetadataError:
    return MetadataError(
        "updateinfo cannot be cut safely", expected="advisories alone", found=found
    )
