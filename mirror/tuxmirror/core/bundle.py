"""What a bundle says of itself: its manifest, bytes in and values out.

A bundle carries one snapshot of one or more trees to a site without a network: whole, or what an
earlier snapshot has not. The manifest names every content by SHA-256 and size, in the order in
which they come, and the operator's key signs it; so one signature covers every byte.

    {"format": "tuxmirror-bundle-1", "created": …, "tool": …,
     "trees": [{"tree": "almalinux/9.2", "snapshot": <id>, "since": <id> or null,
                "record": <the text of SNAPSHOT.json>}],
     "contents": [[<sha256>, <size>], …]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import snapshot as snapshots
from .errors import VerificationError
from .snapshot import Snapshot

FORMAT = "tuxmirror-bundle-1"
MANIFEST = "BUNDLE.json"
SIGNATURE = "BUNDLE.json.asc"
# A million contents fit in.
MAX_MANIFEST = 256 << 20
MAX_SIGNATURE = 64 << 10
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WAY_OUT = "export it again"


class Item(NamedTuple):
    """A content that the bundle carries; size in bytes."""

    sha256: str
    size: int

    @property
    def name(self) -> str:
        """Its place in the bundle."""
        return f"contents/{self.sha256[:2]}/{self.sha256}"


class Carried(NamedTuple):
    """A tree's snapshot. Whoever takes it needs `since`, the id of an earlier one, if not None."""

    snapshot: Snapshot
    since: str | None


@dataclass(frozen=True)
class Bundle:
    """`created` in seconds since the epoch."""

    created: int
    tool: str
    trees: tuple[Carried, ...]
    contents: tuple[Item, ...]

    @property
    def bytes(self) -> int:
        return sum(item.size for item in self.contents)

    def same_as(self, other: Bundle) -> bool:
        """Whether both carry the same, whenever they were made."""
        return (self.trees, self.contents) == (other.trees, other.contents)


def encode(bundle: Bundle) -> bytes:
    """The manifest."""
    document = {
        "format": FORMAT,
        "created": bundle.created,
        "tool": bundle.tool,
        "trees": [
            {
                "tree": carried.snapshot.tree,
                "snapshot": carried.snapshot.id,
                "since": carried.since,
                "record": snapshots.encode(carried.snapshot).decode(),
            }
            for carried in bundle.trees
        ],
        "contents": [list(item) for item in bundle.contents],
    }
    return (json.dumps(document, separators=(",", ":")) + "\n").encode()


def decode(data: bytes) -> Bundle:
    """The reverse of `encode`, of bytes that the signature covers.

    Raises:
        VerificationError: of another format, damaged, or a record that is not the snapshot named.
    """
    try:
        document = json.loads(data)
        found = document["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(repr(error)) from None
    if found != FORMAT:
        raise VerificationError(
            "a bundle of another format",
            expected=FORMAT,
            found=str(found)[:80],
            path=MANIFEST,
            way_out="take it with the version of tuxmirror that made it, or a newer one",
        )
    try:
        return Bundle(
            created=int(document["created"]),
            tool=str(document["tool"]),
            trees=_trees(document["trees"]),
            contents=_contents(document["contents"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(repr(error)) from None


def _trees(documents: Collection[Any]) -> tuple[Carried, ...]:
    trees = []
    for document in documents:
        record = snapshots.decode(document["record"].encode(), MANIFEST)
        if (record.tree, record.id) != (document["tree"], document["snapshot"]):
            raise ValueError(f"another snapshot than {document['snapshot']}")
        trees.append(Carried(record, document["since"]))
    names = [carried.snapshot.tree for carried in trees]
    if not names or len(names) != len(set(names)):
        raise ValueError(f"trees: {names}")
    return tuple(trees)


def _contents(pairs: Collection[Any]) -> tuple[Item, ...]:
    items = tuple(Item(*pair) for pair in pairs)
    for sha256, size in items:
        if not _SHA256.fullmatch(sha256) or not isinstance(size, int) or size < 0:
            raise ValueError(f"content {sha256!r} of {size!r} bytes")
    if len({item.sha256 for item in items}) != len(items):
        raise ValueError("a content is there twice")
    return items


def _damaged(reason: str) -> VerificationError:
    return VerificationError(f"damaged: {reason[:300]}", path=MANIFEST, way_out=_WAY_OUT)
