"""Reads what is published in a bucket: the publisher's view, and the file server's.

`s3_publisher` draws the layout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from ..core import site as sites
from ..core.errors import StorageError, VerificationError
from ..core.site import SitePart
from ..core.snapshot import File, decode_files
from .s3 import Bucket

FILES = ".files"


class Generation(NamedTuple):
    """What a channel shows: the names of publications by tree, of parts of its site by owner.

    `since` is when it was switched to, in seconds since the epoch by the publisher's clock.
    """

    number: int
    trees: Mapping[str, str]
    site: Mapping[str, str]
    since: int


class Channel(NamedTuple):
    """Its newest generations, the current one first; `etag` recognises the object."""

    shown: tuple[Generation, ...]
    etag: str | None

    @property
    def current(self) -> Generation:
        return self.shown[0] if self.shown else Generation(0, {}, {}, 0)


class PublicationIndex:
    """Reads what is published; the server of files needs no more than this."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def channels(self) -> list[str]:
        return sorted(entry.name[len("channels/") :] for entry in self._bucket.list("channels/"))

    def channel(self, name: str) -> Channel:
        """Empty where nothing was published there. Raises VerificationError, StorageError."""
        place = f"channels/{name}"
        stored = self._bucket.get(place)
        if stored is None:
            return Channel((), None)
        try:
            shown = json.loads(stored.data)["shown"]
            generations = tuple(
                Generation(int(g["generation"]), dict(g["trees"]), dict(g["site"]), int(g["since"]))
                for g in shown
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise VerificationError(
                "damaged: not what tuxmirror wrote there",
                expected="the generations that the channel shows",
                found=repr(error),
                path=self._bucket.url(place),
                way_out="somebody else writes to this bucket; restore an earlier version of it, or"
                " remove it and publish again",
            ) from None
        return Channel(generations, stored.etag)

    def files(self, tree: str, name: str) -> dict[str, File] | None:
        """Every file of a publication by its path below the tree; None where it is not there."""
        place = publication_place(tree, name) + FILES
        stored = self._bucket.get(place)
        if stored is None:
            return None
        try:
            return {file.path: file for file in decode_files(stored.data)}
        except ValueError as error:
            raise VerificationError(
                f"damaged: {error}",
                path=self._bucket.url(place),
                way_out="tuxmirror verify --repair writes it again",
            ) from None

    def part(self, owner: str, name: str) -> SitePart:
        """A part of a site. Raises VerificationError, StorageError."""
        place = part_place(owner, name)
        stored = self._bucket.get(place)
        if stored is None:
            raise StorageError(
                f"the record of what {owner} shows is missing",
                path=self._bucket.url(place),
                way_out="restore it from a backup",
            )
        return sites.decode(stored.data, self._bucket.url(place))


def publication_place(tree: str, name: str) -> str:
    return f"publications/{tree}/{name}"


def part_place(owner: str, name: str) -> str:
    return f"sites/{owner.replace('/', '%')}/{name}"
