"""A bundle as a directory.

<path>/contents/ab/abcdef…     one file a content
<path>/BUNDLE.json.asc
<path>/BUNDLE.json             comes last: without it there is no bundle
<path>/.unfinished             what an export that did not come to its end said of itself
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ..core.bundle import MANIFEST, MAX_MANIFEST, MAX_SIGNATURE, SIGNATURE, Item
from ..core.errors import ConfigError
from ..ports import BundleHead
from .bundle_copy import check, copy_checked, is_whole, missing_part, read_limited
from .files import storage_errors, sync_filesystem, write_atomically


class DirectoryBundle:
    """See `ports.BundlePlace`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def head(self) -> BundleHead:
        manifest = read_limited(self._path / MANIFEST, MAX_MANIFEST)
        if manifest is None:
            raise missing_part(self._path / MANIFEST)
        return BundleHead(manifest, read_limited(self._path / SIGNATURE, MAX_SIGNATURE))

    def free_bytes(self) -> int:
        return _free(self._path)

    def unfinished(self) -> BundleHead | None:
        # What is in a directory is found by its name: nothing of the earlier head is needed.
        return None

    def write(
        self,
        head: BundleHead,
        items: Sequence[Item],
        source: Callable[[str], Path],
        progress: Callable[[int], None],
    ) -> None:
        with storage_errors(self._path):
            self._claim()
            for item in items:
                target = self._path / item.name
                if not is_whole(target, item):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with source(item.sha256).open("rb") as file:
                        copy_checked(file, target, item, str(source(item.sha256)))
                progress(item.size)
            self._drop_others({item.sha256 for item in items})
            sync_filesystem(self._path)
        write_atomically(self._path / SIGNATURE, head.signature or b"")
        write_atomically(self._path / MANIFEST, head.manifest)
        with storage_errors(self._path):
            (self._path / ".unfinished").unlink(missing_ok=True)

    def _claim(self) -> None:
        """The directory is ours from here on; anything else's is left alone."""
        if self._path.is_dir() and any(self._path.iterdir()):
            known = {MANIFEST, SIGNATURE, "contents", ".unfinished"}
            others = sorted({path.name for path in self._path.iterdir()} - known)
            if others or not (self._path / ".unfinished").exists():
                raise ConfigError(
                    f"{self._path} is not empty",
                    expected="an empty directory, or one that an export left unfinished",
                    found=others[0] if others else "a bundle",
                    way_out="name another directory",
                )
        self._path.mkdir(parents=True, exist_ok=True)
        (self._path / ".unfinished").touch()
        (self._path / MANIFEST).unlink(missing_ok=True)

    def _drop_others(self, wanted: Collection[str]) -> None:
        """Of an earlier attempt, when the channel showed something else."""
        for path in (self._path / "contents").glob("*/*"):
            if path.name not in wanted:
                path.unlink()

    def read(
        self, items: Sequence[Item], wanted: Collection[str], folder: Path
    ) -> Iterator[tuple[Item, Path]]:
        for item in items:
            if item.sha256 not in wanted:
                continue
            source = self._path / item.name
            target = folder / item.sha256
            if is_whole(target, item):
                yield item, target
                continue
            try:
                with source.open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > item.size:
                        check(item, item.sha256, size, str(source))
                    copy_checked(file, target, item, str(source))
            except FileNotFoundError:
                raise missing_part(source) from None
            yield item, target


def _free(path: Path) -> int:
    """Of the file system that it is on, or will be."""
    while not path.exists():
        path = path.parent
    with storage_errors(path):
        return shutil.disk_usage(os.fspath(path)).free
