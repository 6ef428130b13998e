"""One stream of bytes in one file, or in parts `<path>.000`, `<path>.001`, … of equal size."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import IO

from ..core.errors import ConfigError
from .bundle_copy import missing_part
from .files import storage_errors

MAX_PARTS = 1000


def part_name(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number:03}")


def existing_parts(path: Path) -> list[Path]:
    """From the first to the one before the first that is missing."""
    parts: list[Path] = []
    while part_name(path, len(parts)).is_file():
        parts.append(part_name(path, len(parts)))
    return parts


class PartsReader:
    """Reads the parts in their order. Raises VerificationError where one ends too early."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._next = 0
        self._file: IO[bytes] | None = None
        self._position = 0

    @classmethod
    def open(cls, path: Path) -> PartsReader:
        """`path` itself, or its parts. Raises VerificationError where there is neither."""
        if path.is_file():
            return cls([path])
        parts = existing_parts(path)
        if not parts:
            raise missing_part(path)
        return cls(parts)

    @property
    def name(self) -> str:
        """The part that is being read."""
        return str(self._paths[max(0, self._next - 1)])

    def tell(self) -> int:
        return self._position

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end of the last part."""
        while True:
            if self._file is None:
                if self._next == len(self._paths):
                    return b""
                with storage_errors(self._paths[self._next]):
                    self._file = self._paths[self._next].open("rb")
                self._next += 1
            with storage_errors(self._paths[self._next - 1]):
                data = self._file.read(size)
            if data:
                self._position += len(data)
                return data
            self._file.close()
            self._file = None

    def exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            data = self.read(size)
            if not data:
                raise self._too_short()
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        """Without reading it, as far as it is in this part."""
        while size:
            if self._file is not None:
                left = os.fstat(self._file.fileno()).st_size - self._file.tell()
                step = min(left, size)
                self._file.seek(step, os.SEEK_CUR)
                self._position += step
                size -= step
            if size:
                data = self.read(1)
                if not data:
                    raise self._too_short()
                size -= 1

    def _too_short(self) -> Exception:
        last = self._paths[-1]
        number = len(self._paths)
        is_part = last.name.endswith(f".{number - 1:03}")
        following = last.with_name(f"{last.name[:-4]}.{number:03}") if is_part else last
        error = missing_part(following)
        error.found = "it ends too early" if following == last else error.found
        return error

    def __enter__(self) -> PartsReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


class PartsWriter:
    """Goes on at `offset`; what was behind it is lost.

    Args:
        size: of a part at most; 0 writes one file.
    """

    def __init__(self, path: Path, size: int, offset: int) -> None:
        self._path = path
        self._size = size
        number, within = divmod(offset, size) if size else (0, offset)
        self._number = number
        self._left = size - within if size else 0
        self._file = self._open(number, within)
        self._drop_behind(number)

    def _open(self, number: int, within: int) -> IO[bytes]:
        if number >= MAX_PARTS:
            raise ConfigError(
                f"--split: more than {MAX_PARTS} parts", way_out="make the parts larger"
            )
        descriptor = os.open(self._name(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.ftruncate(descriptor, within)
        os.lseek(descriptor, within, os.SEEK_SET)
        return os.fdopen(descriptor, "wb")

    def _name(self, number: int) -> Path:
        return part_name(self._path, number) if self._size else self._path

    def _drop_behind(self, number: int) -> None:
        if self._size:
            while part_name(self._path, number + 1).exists():
                number += 1
                part_name(self._path, number).unlink()

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while self._size and len(view) > self._left:
            self._file.write(view[: self._left])
            view = view[self._left :]
            self._file.close()
            self._number += 1
            self._file = self._open(self._number, 0)
            self._left = self._size
        self._file.write(view)
        self._left -= len(view)

    def flush(self) -> None:
        self._file.flush()

    def rename(self, target: Path) -> None:
        """All parts to their names; the first comes last: without it there is no bundle."""
        if not self._size:
            self._path.rename(target)
            return
        for number in range(self._number, -1, -1):
            part_name(self._path, number).rename(part_name(target, number))

    def __enter__(self) -> PartsWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
