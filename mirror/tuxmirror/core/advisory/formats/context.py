"""What documents say besides advisories: who issues them, and where they are found."""

from __future__ import annotations

import html
import unicodedata
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import quote

from ..model import ESSENTIAL, OWN, UPSTREAM, FixedPackage, Scope

_NOT_XML = frozenset(range(0x20)) - {0x09, 0x0A, 0x0D} | {0xFFFE, 0xFFFF}


class Issuer(NamedTuple):
    """`url` is where the channel is served, without a slash at the end; `contact` is free text."""

    name: str = "TuxCare"
    url: str = "https://repo.tuxcare.com"
    contact: str = ""


def stem(advisory: str) -> str:
    """An id as part of a file name or URL: `CLSA-2026:001` -> `CLSA-2026-001`."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in advisory)


def stamp(seconds: int) -> str:
    """RFC 3339, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")


def plain(text: str) -> str:
    """What every format can carry: no control characters, no lone surrogates.

    Our own files are refused for them; upstream's text is shown with a mark in their place.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if _unfit(character) else character for character in text)


def escape(text: str) -> str:
    """As XML's or HTML's text. (The standard library's for XML brings an HTTP client along.)"""
    return html.escape(text, quote=False)


def quoteattr(text: str) -> str:
    """As an attribute's value, with its quotes; white space survives."""
    quoted = html.escape(text)
    for character in "\n\r\t":
        quoted = quoted.replace(character, f"&#{ord(character)};")
    return f'"{quoted}"'


def _unfit(character: str) -> bool:
    return ord(character) in _NOT_XML or unicodedata.category(character) == "Cs"


def purl(package: FixedPackage, scope: Scope) -> str:
    """A package URL (purl specification, type rpm)."""
    namespace = UPSTREAM if scope.product == ESSENTIAL else OWN
    version = quote(f"{package.version}-{package.release}", safe=".-_~")
    qualifiers = [f"arch={package.arch}", f"distro={UPSTREAM}-{scope.release}"]
    if package.epoch:
        qualifiers.append(f"epoch={package.epoch}")
    name = quote(package.name, safe=".-_~")
    return f"pkg:rpm/{namespace}/{name}@{version}?{'&'.join(qualifiers)}"


def source_purl(package: str, scope: Scope) -> str:
    """Of a source package in any version."""
    namespace = UPSTREAM if scope.product == ESSENTIAL else OWN
    name = quote(package, safe=".-_~")
    return f"pkg:rpm/{namespace}/{name}?arch=src&distro={UPSTREAM}-{scope.release}"


def cve_url(cve: str) -> str:
    return f"https://www.cve.org/CVERecord?id={cve}"


def advisory_url(issuer: Issuer, advisory: str) -> str:
    """The tracker's page of an advisory."""
    return f"{issuer.url}/cve/els/releases/{stem(advisory)}.html"
