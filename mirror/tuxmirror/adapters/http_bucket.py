"""What is published in a bucket, as the file server sees it; `s3_publisher` draws the layout.

A channel is looked up again after a second; the file lists of publications never change and are
kept. So one request in a while asks the store what is shown, and each asks it for bytes alone.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import IO
from urllib.parse import urlsplit

from werkzeug.exceptions import NotFound

from ..core.snapshot import File
from .http_content import Link, Opened
from .s3 import Bucket
from .s3_index import Channel, PublicationIndex
from .s3_index import Generation as Shown

_FRESH = 1.0
# File lists: of 10,000 files each, 3 MB.
_KEPT = 64
# Of an image each part is asked for when its turn comes: whoever reads slowly needs longer.
_PRESIGNED = 3600
_SLOWEST = 128 * 1024
# No signature may be good for longer (SigV4).
_LONGEST = 7 * 86400


class BucketContent:
    """See `http_content.Content`.

    Args:
        bucket: where it is published.
        contents: where the contents lie.
    """

    def __init__(self, bucket: Bucket, contents: Bucket) -> None:
        self._index = PublicationIndex(bucket)
        self._contents = contents
        self._lock = threading.Lock()
        self._channels: dict[str, tuple[float, Channel]] = {}
        self._lists: OrderedDict[tuple[str, str], Mapping[str, File]] = OrderedDict()

    def check(self) -> None:
        self._contents.check()

    def generation(self, channel: str, number: str | None) -> BucketGeneration:
        shown = self._channel(channel).shown
        for one in shown[:1] if number is None else shown:
            if number is None or str(one.number) == number:
                return BucketGeneration(self, one)
        raise NotFound

    def _channel(self, name: str) -> Channel:
        looked, channel = self._channels.get(name, (0.0, None))
        if channel is None or time.monotonic() - looked > _FRESH:
            channel = self._index.channel(name)
            self._channels[name] = (time.monotonic(), channel)
        return channel

    def tree_files(self, tree: str, name: str) -> Mapping[str, File]:
        return self._kept((tree, name), lambda: self._index.files(tree, name) or {})

    def part_files(self, owner: str, name: str) -> Mapping[str, File]:
        return self._kept(
            (f"site:{owner}", name),
            lambda: {file.path: file for file in self._index.part(owner, name).files},
        )

    def _kept(self, key, read):  # type: ignore[no-untyped-def]
        with self._lock:
            if key in self._lists:
                self._lists.move_to_end(key)
                return self._lists[key]
        found = read()
        with self._lock:
            self._lists[key] = found
            while len(self._lists) > _KEPT:
                self._lists.popitem(last=False)
        return found

    def source(self, file: File) -> BucketSource:
        return BucketSource(self._contents, file.sha256)

    def presigned(self, file: File) -> str:
        """What follows the endpoint in a URL that gives a content to its holder: for an hour, and
        as long as a slow client reads."""
        seconds = min(_PRESIGNED + file.size // _SLOWEST, _LONGEST)
        url = urlsplit(self._contents.presigned(_key(file.sha256), seconds))
        return f"{url.path}?{url.query}"


class BucketGeneration:
    """See `http_content.Generation`."""

    def __init__(self, content: BucketContent, shown: Shown) -> None:
        self._content, self._shown = content, shown
        self.number = str(shown.number)

    def find(self, segments: tuple[str, ...]) -> File | None:
        """What lies under a path below the channel."""
        for length in range(len(segments) - 1, 0, -1):
            tree = "/".join(segments[:length])
            if tree in self._shown.trees:
                files = self._content.tree_files(tree, self._shown.trees[tree])
                return files.get("/".join(segments[length:]))
        path = "/".join(segments)
        for owner, name in self._shown.site.items():
            files = self._content.part_files(owner, name)
            if path in files:
                return files[path]
        return None

    def open(self, segments: tuple[str, ...]) -> Opened:
        file = self.find(segments)
        if file is None:
            raise NotFound
        return Opened(self._content.source(file), file.size, file.sha256, None)

    def link(self, segments: tuple[str, ...]) -> Link | None:
        file = self.find(segments)
        # Of what is empty no store gives a part; we can say that it is.
        if file is None or not file.size:
            return None
        return Link(self._content.presigned(file), file.sha256)

    def has(self, segments: tuple[str, ...]) -> bool:
        return self.find(segments) is not None

    def names(self, folder: str) -> list[str]:
        found = {
            path.rpartition("/")[2]
            for owner, name in self._shown.site.items()
            for path in self._content.part_files(owner, name)
            if path.rpartition("/")[0] == folder
        }
        if not found:
            raise NotFound
        return sorted(found)


class BucketSource:
    """See `http_content.Source`: nothing is asked for before it is sent."""

    def __init__(self, contents: Bucket, sha256: str) -> None:
        self._contents, self._sha256 = contents, sha256

    def start(self, first: int, last: int | None) -> IO[bytes]:
        body = self._contents.open(_key(self._sha256), first, last)
        if body is None:
            raise NotFound
        return body

    def close(self) -> None:
        return


def _key(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"
