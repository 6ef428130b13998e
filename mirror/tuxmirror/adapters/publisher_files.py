"""What the publisher of hard links does with folders."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..core.errors import StorageError
from ..core.snapshot import File
from ..ports import Flaw, Pool
from .files import REPAIR, digest, readable_by_all, storage_errors


def link_files(folder: Path, files: Iterable[File], pool: Pool) -> None:
    """Give each of the pool's files its path below `folder`."""
    made: set[str] = set()
    for file in files:
        parent = file.path.rpartition("/")[0]
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        try:
            pool.link(file.sha256, f"{folder}/{file.path}")
        except FileNotFoundError:
            raise StorageError("missing in the pool", path=file.path, way_out=REPAIR) from None


def found_below(root: Path) -> list[File]:
    """All files of a folder, read. Raises StorageError."""
    with storage_errors(root):
        root.stat()
        found = [Path(folder, name) for folder, _, names in os.walk(root) for name in names]
        return [
            File(os.path.relpath(path, root), digest(path) or "", path.stat().st_size)
            for path in found
        ]


def flaws(root: Path, contents: Mapping[str, str], pool: Pool) -> Iterator[Flaw]:
    """Where what lies below `root` differs from `contents`, SHA-256 by path.

    A file that is the pool's own is not read again.
    """
    present = {
        os.path.relpath(Path(folder, name), root)
        for folder, _, names in os.walk(root)
        for name in names
    }
    for path in sorted(present - contents.keys()):
        yield Flaw(path, None, digest(root / path) or "")
    for path, expected in contents.items():
        if not pool.same(root / path, expected):
            found = digest(root / path)
            if found != expected:
                yield Flaw(path, expected, found)


def mend(root: Path, flaw: Flaw, pool: Pool) -> None:
    """Put the pool's file in its place, or take away what nothing names."""
    path = root / flaw.path
    with storage_errors(path):
        if flaw.expected is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".new-{path.name}")
        fresh.unlink(missing_ok=True)
        pool.link(flaw.expected, str(fresh))
        fresh.replace(path)


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


@contextlib.contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Build in a folder beside the target, rename it there when it is whole."""
    with storage_errors(target), readable_by_all():
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=".new-"))
        try:
            folder.chmod(0o755)
            yield folder
            folder.rename(target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
