"""Where pages lie below the channel."""

from __future__ import annotations

import re
from functools import lru_cache

from ..advisory.model import Scope

ROOT = "cve"
INDEX = f"{ROOT}/index.html"
SEARCH = f"{ROOT}/search.html"
SLA = f"{ROOT}/sla.html"
ADVISORIES = f"{ROOT}/els/releases.html"
BROWSE = f"{ROOT}/cves.html"
RELEASES = f"{ROOT}/releases.html"
PACKAGES = f"{ROOT}/packages.html"
STYLE = f"{ROOT}/assets/style.css"
SCRIPT = f"{ROOT}/assets/tracker.js"
SEARCH_INDEX = f"{ROOT}/data/search.json"
LEDGER = f"{ROOT}/data/first-publications.jsonl"
# Where CSAF 2.0, section 7.1.9, has everybody look, and what is meant.
WELL_KNOWN = ".well-known/csaf/provider-metadata.json"
PROVIDER = "csaf/provider-metadata.json"
CVES_CSV = f"{ROOT}/data/cves.csv"
CVES_JSON = f"{ROOT}/data/cves.json"
SLA_JSON = f"{ROOT}/data/sla.json"

_SUFFIXES = (".html", ".css", ".js", ".json", ".csv", ".jsonl", ".asc")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+~^-]")


@lru_cache(maxsize=1 << 16)
def slug(text: str) -> str:
    """A name for a file: what file names of ours cannot have becomes `-`."""
    return _UNSAFE.sub("-", text).lstrip(".")[:150] or "-"


def scope_slug(scope: Scope) -> str:
    return slug(f"{scope.release}-{scope.product}")


def cve(name: str) -> str:
    return f"{ROOT}/els/cve/{slug(name)}.html"


def advisory(name: str) -> str:
    return f"{ROOT}/els/releases/{slug(name)}.html"


def package(name: str) -> str:
    return f"{ROOT}/packages/{slug(name)}.html"


def listing(kind: str, name: str, part: int | None = None) -> str:
    """A list of CVEs (its newest part), or an older part of it: `years/2026.html`,
    `years/2026-1.html`."""
    number = "" if part is None else f"-{part}"
    return f"{ROOT}/{kind}/{slug(name.lower())}{number}.html"


def advisories(part: int | None = None) -> str:
    """As `listing`."""
    return ADVISORIES if part is None else f"{ROOT}/els/releases-{part}.html"


def scope_data(scope: Scope, kind: str) -> str:
    """The release's rows as `csv` or `json`."""
    return f"{ROOT}/data/{scope.slug}.{kind}"


def feed(scope: Scope) -> str:
    """As the guide has it: `rss_feed/releases/almalinux9.2esu`."""
    return f"rss_feed/releases/almalinux{scope.release}{scope.product}"


def oval(scope: Scope) -> str:
    return f"tuxcare/{scope.release}/{scope.slug}-oval.xml"


def served(path: str) -> str:
    """The file that a browser means: `cve/` is its index, pages are found without `.html`."""
    if path == f"{ROOT}/":
        return INDEX
    below = path.startswith(f"{ROOT}/") and not path.endswith("/")
    return f"{path}.html" if below and not path.endswith(_SUFFIXES) else path
