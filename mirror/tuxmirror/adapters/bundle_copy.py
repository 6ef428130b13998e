"""What both forms of a bundle do with bytes: copy them once, hashing, in constant memory."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Protocol

from ..core.bundle import Item
from ..core.errors import DigestError, VerificationError
from .files import digest, storage_errors

CHUNK = 1 << 20
AGAIN = "copy the bundle again, or export it again; what is published stays"


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


def copy_checked(source: Source, target: Path, item: Item, name: str) -> None:
    """`item.size` bytes into a file that has its name only when all of them are right.

    Raises:
        DigestError: they are not the item's; `name` says where they came from.
    """
    half = target.with_name(f".{target.name}")
    try:
        with storage_errors(half), half.open("wb") as file:
            sha, left = hashlib.sha256(), item.size
            while left:
                chunk = source.read(min(CHUNK, left))
                if not chunk:
                    break
                sha.update(chunk)
                file.write(chunk)
                left -= len(chunk)
        check(item, sha.hexdigest(), item.size - left, name)
        with storage_errors(target):
            half.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            half.unlink()
        raise


def is_whole(path: Path, item: Item) -> bool:
    """Whether an earlier run has copied it; its bytes are looked at, a crash may have lost some."""
    with contextlib.suppress(OSError):
        return path.stat().st_size == item.size and digest(path) == item.sha256
    return False


def check(item: Item, sha256: str, size: int, name: str) -> None:
    """Raises DigestError."""
    if (sha256, size) != item:
        raise DigestError(
            "not the content that its name says",
            expected=f"sha256 {item.sha256}, {item.size} bytes",
            found=f"sha256 {sha256}, {size} bytes",
            path=name,
            way_out=AGAIN,
        )


def missing_part(path: Path | str) -> VerificationError:
    return VerificationError(
        "a part of the bundle is missing",
        expected="all that was exported",
        found="no such file",
        path=str(path),
        way_out=AGAIN,
    )


def read_limited(path: Path, limit: int) -> bytes | None:
    """A small file; None where there is none. Raises VerificationError where it is too large."""
    with storage_errors(path):
        try:
            with path.open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
    if len(data) > limit:
        raise VerificationError(
            "too large", expected=f"at most {limit} bytes", path=str(path), way_out=AGAIN
        )
    return data
