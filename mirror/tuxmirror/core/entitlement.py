"""Which path a licence opens. Pure: a path and what was bought in, yes or no out.

    /almalinux/9.2/<token>/BaseOS/x86_64/os/…   any product, for that release
    /tuxcare/9.2/<token>/esu/x86_64/…           esu or fips
    /tuxcare/9.2/<token>/fips/x86_64/…          fips

Two more forms name the same content:

    /almalinux/9.2/<token>/BaseOS/x86_64/mirrorlist         where it is to be had, see below
    /almalinux/9.2/<token>/.generation-7/BaseOS/x86_64/os/… as the channel showed it then

A client asks for repomd.xml and for its signature one after the other, and a publish may come
between. The mirror list names one generation, in which both are of a kind for ever.

FIPS customers follow security patches of their modules through the ESU repository (and the newer
layout has the modules there too), so `fips` opens `esu/`; `esu` alone does not open `fips/`. An
Extended Security Updates subscription as the public guide describes it is both products.

Whatever is not named here or in `is_open` is closed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from .credentials import is_token
from .errors import MetadataError
from .licence import PRODUCTS, covers
from .names import OWN as OWN
from .names import check_location

MIRRORLIST = "mirrorlist"
_TOKEN_PLACE = 2
_GENERATION = re.compile(r"\.generation-([1-9][0-9]{0,8})")
_OPENS = {"esu": frozenset(("esu", "fips")), "fips": frozenset(("fips",))}
# Files that belong to no tree: what is published of advisories, and the tracker's pages.
OPEN_ROOTS = ("advisories", "csaf", "cve", "osv", "rss_feed")
_KEY_FILE = re.compile(r"RPM-GPG-KEY-[A-Za-z0-9._-]+")
_LATEST = re.compile(r"[a-z0-9-]+-latest-\d+(\.\d+)?\.[a-z0-9_]+\.rpm")
_OVAL = re.compile(r"[A-Za-z0-9._-]+-oval\.xml(\.(gz|bz2|xz))?(\.asc)?")


class ContentPath(NamedTuple):
    """A URL path taken apart: its segments without the token and without the generation."""

    segments: tuple[str, ...]
    token: str | None
    generation: str | None = None

    def within(self, generation: str | None) -> str:
        """The URL path again, token and all, through that generation."""
        extra = [self.token] if self.token else []
        extra += [f".generation-{generation}"] if generation else []
        return "/".join([*self.segments[:_TOKEN_PLACE], *extra, *self.segments[_TOKEN_PLACE:]])


def parse(path: str) -> ContentPath | None:
    """A decoded URL path without its leading slash; None for what can name no file.

    The rules are those for names in published trees, so `..`, empty segments, control
    characters and anything that is not ASCII name nothing.
    """
    try:
        segments = tuple(check_location(path).split("/"))
    except MetadataError:
        return None
    root, below = segments[:_TOKEN_PLACE], segments[_TOKEN_PLACE:]
    token = generation = None
    if below and is_token(below[0]):
        token, below = below[0], below[1:]
    match = _GENERATION.fullmatch(below[0]) if below else None
    if match:
        generation, below = match[1], below[1:]
    return ContentPath(root + below, token, generation)


def is_open(segments: tuple[str, ...], open_trees: Collection[str] = ()) -> bool:
    """Whether everybody may have this file. `open_trees` are trees with `open = yes`."""
    name = segments[-1]
    if segments[0] in OPEN_ROOTS:
        return len(segments) > 1
    if 2 <= len(segments) <= 4 and _KEY_FILE.fullmatch(name):
        return True
    if segments[0] == OWN and _is_open_own(segments):
        return True
    return any(_is_below(tree, segments) for tree in open_trees)


def _is_open_own(segments: tuple[str, ...]) -> bool:
    if len(segments) == 2:
        return bool(_LATEST.fullmatch(segments[1]))
    if len(segments) == 3:
        return bool(_OVAL.fullmatch(segments[2]))
    return len(segments) > 3 and segments[2] == "base"


def whole(segments: tuple[str, ...]) -> tuple[str, ...]:
    """The folder that `allows` opens or closes as one: a tree's, or a product's of ours."""
    return segments[:3] if segments[0] == OWN else segments[:2]


def _is_below(tree: str, segments: tuple[str, ...]) -> bool:
    parts = tuple(tree.split("/"))
    return len(segments) > len(parts) and segments[: len(parts)] == parts


def allows(products: Collection[str], releases: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    """Whether a licence for these products and releases opens this path."""
    if len(segments) < 3 or not covers(releases, segments[1]):
        return False
    if segments[0] == OWN:
        return bool(_OPENS.get(segments[2], frozenset()) & set(products))
    return bool(set(products) & set(PRODUCTS))
