"""Where a store or what is served lies, when it is not a folder: `s3://bucket/prefix`."""

from __future__ import annotations

import re
from typing import NamedTuple

SCHEME = "s3://"

# What every service takes as a bucket's name (S3 User Guide, "Bucket naming rules").
_BUCKET = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")


class Location(NamedTuple):
    """A part of a bucket; `prefix` is empty or has no slash at either end."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """The object key of a name below the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def below(self, name: str) -> Location:
        return Location(self.bucket, self.key(name))

    def holds(self, other: Location) -> bool:
        """Whether `other` is this very place or lies in it."""
        own = self.prefix and f"{self.prefix}/"
        return self.bucket == other.bucket and f"{other.prefix}/".startswith(own)


def parse(text: str) -> Location:
    """`s3://bucket/prefix`, the prefix may be missing.

    Raises:
        ValueError: not that.
    """
    bucket, _, prefix = text[len(SCHEME) :].partition("/")
    prefix = prefix.strip("/")
    if not text.startswith(SCHEME) or not _BUCKET.fullmatch(bucket):
        raise ValueError("expected s3://BUCKET/PREFIX")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise ValueError("a prefix has letters, digits and _.- between its slashes")
    return Location(bucket, prefix)
