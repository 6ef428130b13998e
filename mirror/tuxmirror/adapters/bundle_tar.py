"""A bundle as one tar file, or as several of a size that fits the medium.

    x.tar                   x.tar.000  x.tar.001  …      BUNDLE.json, BUNDLE.json.asc, contents/…
    .x.tar.unfinished       .x.tar.unfinished.000  …     while it is written; goes on where it was

Written and read in one pass, in the order of the manifest, which comes first. Only plain headers
are known: whatever else a tar may hold (links, long names, sparse files) is refused.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ..core.bundle import MANIFEST, MAX_MANIFEST, MAX_SIGNATURE, SIGNATURE, Item
from ..core.errors import ConfigError, DigestError, MirrorError, VerificationError
from ..ports import BundleHead
from .bundle_copy import AGAIN, CHUNK, check, copy_checked, is_whole, missing_part
from .bundle_parts import PartsReader, PartsWriter, existing_parts
from .files import storage_errors, sync_filesystem

_BLOCK = 512


class TarBundle:
    """See `ports.BundlePlace`. `split`: bytes of a part at most; 0 makes one file."""

    def __init__(self, path: Path, split: int = 0) -> None:
        self._path = path
        self._split = split
        self._half = path.with_name(f".{path.name}.unfinished")

    def head(self) -> BundleHead:
        with PartsReader.open(self._path) as reader:
            return _read_head(reader)

    def free_bytes(self) -> int:
        with storage_errors(self._path.parent):
            return shutil.disk_usage(self._path.parent).free

    def unfinished(self) -> BundleHead | None:
        try:
            with PartsReader.open(self._half) as reader:
                return _read_head(reader)
        except MirrorError:
            return None

    def write(
        self,
        head: BundleHead,
        items: Sequence[Item],
        source: Callable[[str], Path],
        progress: Callable[[int], None],
    ) -> None:
        for taken in (self._path, self._path.with_name(f"{self._path.name}.000")):
            if taken.exists():
                raise ConfigError(f"{taken} is there already", way_out="name another file")
        done, offset = self._whole(head, items)
        for item in items[:done]:
            progress(item.size)
        with storage_errors(self._path), PartsWriter(self._half, self._split, offset) as writer:
            if not offset:
                _write_small(writer, MANIFEST, head.manifest)
                _write_small(writer, SIGNATURE, head.signature or b"")
            for item in items[done:]:
                _write_item(writer, item, source(item.sha256))
                progress(item.size)
            writer.write(bytes(2 * _BLOCK))
            writer.flush()
            sync_filesystem(self._path.parent)
            writer.rename(self._path)

    def _whole(self, head: BundleHead, items: Sequence[Item]) -> tuple[int, int]:
        """How many items an earlier run wrote as they should be, and how many bytes that is."""
        if not self._goes_on() or self.unfinished() != head:
            self._discard()
            return 0, 0
        done = 0
        with PartsReader.open(self._half) as reader:
            _read_head(reader)
            offset = reader.tell()
            try:
                for item in items:
                    _expect(reader, item)
                    _hash(reader, item)
                    done, offset = done + 1, reader.tell()
            except MirrorError:
                pass
        return done, offset

    def _goes_on(self) -> bool:
        """Whether what is there has parts of the size asked for."""
        parts = existing_parts(self._half)
        if not self._split:
            return self._half.is_file() and not parts
        whole = all(part.stat().st_size == self._split for part in parts[:-1])
        return whole and not self._half.exists()

    def _discard(self) -> None:
        with storage_errors(self._half):
            for path in (self._half, *existing_parts(self._half)):
                path.unlink(missing_ok=True)

    def read(
        self, items: Sequence[Item], wanted: Collection[str], folder: Path
    ) -> Iterator[tuple[Item, Path]]:
        with PartsReader.open(self._path) as reader:
            _read_head(reader)
            for item in items:
                _expect(reader, item)
                target = folder / item.sha256
                if item.sha256 not in wanted or is_whole(target, item):
                    reader.skip(item.size + _padding(item.size))
                else:
                    _copy(reader, target, item)
                    _nothing(reader, _padding(item.size))
                if item.sha256 in wanted:
                    yield item, target
            _nothing(reader, 2 * _BLOCK)
            if reader.read(1):
                raise _altered(reader)


def _copy(reader: PartsReader, target: Path, item: Item) -> None:
    first = reader.name
    try:
        copy_checked(reader, target, item, first)
    except DigestError as error:
        # It may lie in two parts, and either of them be the bad one.
        parts = " or ".join(dict.fromkeys([first, reader.name]))
        error.path = f"{parts}: {item.name}"
        raise


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> int:
    return -size % _BLOCK


def _write_small(writer: PartsWriter, name: str, data: bytes) -> None:
    writer.write(_header(name, len(data)) + data + bytes(_padding(len(data))))


def _write_item(writer: PartsWriter, item: Item, path: Path) -> None:
    writer.write(_header(item.name, item.size))
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
            size += len(chunk)
            if size <= item.size:
                writer.write(chunk)
    check(item, sha.hexdigest(), size, str(path))
    writer.write(bytes(_padding(item.size)))


def _read_head(reader: PartsReader) -> BundleHead:
    manifest = _read_small(reader, MANIFEST, MAX_MANIFEST)
    signature = _read_small(reader, SIGNATURE, MAX_SIGNATURE)
    return BundleHead(manifest, signature)


def _read_small(reader: PartsReader, name: str, limit: int) -> bytes:
    found = _next(reader)
    if found.name != name or found.size > limit:
        raise _unexpected(reader, f"{name}, at most {limit} bytes", found)
    data = reader.exactly(found.size)
    _nothing(reader, _padding(found.size))
    return data


def _expect(reader: PartsReader, item: Item) -> None:
    found = _next(reader)
    if (found.name, found.size) != (item.name, item.size):
        raise _unexpected(reader, f"{item.name} of {item.size} bytes", found)


def _next(reader: PartsReader) -> tarfile.TarInfo:
    block = reader.exactly(_BLOCK)
    try:
        found = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise VerificationError(
            f"not a bundle: {error}", path=reader.name, way_out="name what `export` wrote"
        ) from None
    if found.type != tarfile.REGTYPE or found.size < 0:
        raise _unexpected(reader, "a plain file", found)
    return found


def _hash(reader: PartsReader, item: Item) -> None:
    sha, left = hashlib.sha256(), item.size
    while left:
        chunk = reader.read(min(CHUNK, left))
        if not chunk:
            raise missing_part(reader.name)
        sha.update(chunk)
        left -= len(chunk)
    check(item, sha.hexdigest(), item.size, reader.name)
    reader.skip(_padding(item.size))


def _nothing(reader: PartsReader, size: int) -> None:
    """Where nothing belongs, is nothing: every byte of a bundle counts."""
    if reader.exactly(size) != bytes(size):
        raise _altered(reader)


def _altered(reader: PartsReader) -> VerificationError:
    return VerificationError(
        "bytes where none belong", expected="zeros and the end", path=reader.name, way_out=AGAIN
    )


def _unexpected(reader: PartsReader, expected: str, found: tarfile.TarInfo) -> VerificationError:
    return VerificationError(
        "not what the manifest says",
        expected=expected,
        found=f"{found.name!r}, {found.size} bytes",
        path=reader.name,
        way_out=AGAIN,
    )
