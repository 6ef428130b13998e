"""What customers see, switched by one rename.

    <public>/
        vetted -> .generations/vetted/7       the only thing that ever changes under a channel
        .generations/vetted/7/                immutable: one relative symlink a tree
            almalinux/9.2 -> ../../../../.publications/almalinux/9.2/<name>
        .publications/almalinux/9.2/<name>/   immutable: hard links into the pool
            BaseOS/x86_64/os/…                the snapshot's files and what expired lately
            SNAPSHOT.json TIME RPM-GPG-KEY-…
    <store>/publications/almalinux/9.2/<name> what the publication contains, see core.publication

A reader that resolves the channel's symlink once sees one state of all trees. Nothing is written
under a path that a channel shows; what is half-made has a name that starts with `.new-`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..core.errors import ConfigError, StorageError
from ..core.publication import Publication, decode, encode
from ..core.snapshot import File
from ..ports import Flaw, Pool, State
from .files import (
    digest,
    fsync_directory,
    readable_by_all,
    storage_errors,
    sync_filesystem,
    write_atomically,
)

# Those who resolved a symlink just before a switch are still reading.
KEEP_GENERATIONS = 3
# Syncs of other trees hold the lock for a switch, which is short.
_PATIENCE = 60.0


class FilePublisher:
    """See `ports.Publisher`."""

    def __init__(self, public: Path, store: Path, pool: Pool, state: State) -> None:
        self._public = public
        self._records = store / "publications"
        self._pool = pool
        self._state = state
        with storage_errors(public), readable_by_all():
            public.mkdir(parents=True, exist_ok=True)
        if public.stat().st_dev != store.stat().st_dev:
            raise ConfigError(
                "store and public are on different file systems",
                expected=f"{public} on the file system of {store}: published files are hard links",
                way_out="move one of them",
            )

    def channels(self) -> list[str]:
        entries = [entry for entry in _entries(self._public) if entry.is_symlink()]
        return sorted(entry.name for entry in entries if not entry.name.startswith("."))

    def published(self, channel: str, tree: str) -> Publication | None:
        try:
            target = (self._public / channel / tree).readlink()
        except FileNotFoundError:
            return None
        record = self._records / tree / target.name
        try:
            return decode(record.read_bytes(), str(record))
        except FileNotFoundError:
            raise StorageError(
                f"the record of what {channel} shows is missing", tree=tree, path=str(record)
            ) from None

    def publish(
        self,
        channel: str,
        tree: str,
        publication: Publication,
        files: Collection[File],
        extras: dict[str, bytes],
    ) -> None:
        target = self._public / ".publications" / tree / publication.name
        if not target.exists():
            self._write_record(tree, publication)
            self._build(target, files, extras)
        with self._state.lock("publish", _PATIENCE):
            self._switch(channel, tree, target)

    def _write_record(self, tree: str, publication: Publication) -> None:
        record = self._records / tree / publication.name
        with storage_errors(record):
            record.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(record, encode(publication))

    def _build(self, target: Path, files: Collection[File], extras: dict[str, bytes]) -> None:
        with _new_directory(target) as folder:
            made: set[str] = set()
            for file in files:
                parent = file.path.rpartition("/")[0]
                if parent not in made:
                    (folder / parent).mkdir(parents=True, exist_ok=True)
                    made.add(parent)
                self._pool.link(file.sha256, f"{folder}/{file.path}")
            for name, data in extras.items():
                (folder / name).write_bytes(data)
                (folder / name).chmod(0o644)

    def _switch(self, channel: str, tree: str, publication: Path) -> None:
        link = self._public / channel
        generations = self._public / ".generations" / channel
        numbers = [int(e.name) for e in _entries(generations) if e.name.isdecimal()]
        generation = generations / str(max(numbers, default=0) + 1)
        with _new_directory(generation) as folder:
            shown = dict(self._trees(channel))
            shown[tree] = publication
            for name, path in shown.items():
                place = generation / name
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(os.path.relpath(path, place.parent))
        with storage_errors(link):
            sync_filesystem(self._public)
            fresh = self._public / f".new-{channel}"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(generation.relative_to(self._public))
            fresh.replace(link)
            fsync_directory(self._public)

    def _trees(self, channel: str) -> Iterator[tuple[str, Path]]:
        """What the channel shows: tree and the publication's folder."""
        generation = self._public / channel
        for folder, names, _ in os.walk(generation):
            for name in names:
                entry = Path(folder, name)
                if entry.is_symlink():
                    tree = str(entry.relative_to(generation))
                    yield tree, self._public / ".publications" / tree / entry.readlink().name

    def tidy(self, tree: str) -> None:
        """See `ports.Publisher`: nobody else is building a publication of the tree."""
        with self._state.lock("publish", _PATIENCE):
            shown = set()
            for channel in _entries(self._public / ".generations"):
                self._tidy_generations(channel)
                shown |= {link.resolve() for link in channel.glob(f"*/{tree}")}
            for path in _entries(self._public / ".publications" / tree):
                if path.resolve() not in shown:
                    self._remove(tree, path)

    def publications(self, tree: str) -> list[Publication]:
        # Records come before what they describe, and go before it: those without a folder are
        # of a publication that is being made, or was given up.
        found = []
        for record in _entries(self._records / tree):
            if record.is_file() and not record.name.startswith("."):
                with storage_errors(record):
                    found.append(decode(record.read_bytes(), str(record)))
        return found

    def trees(self) -> list[str]:
        folders = {path.parent for path in self._records.rglob("*") if path.is_file()}
        return sorted(str(folder.relative_to(self._records)) for folder in folders)

    def inspect(self, channel: str, tree: str, contents: Mapping[str, str]) -> Iterator[Flaw]:
        root = (self._public / channel / tree).resolve()
        present = {
            os.path.relpath(Path(folder, name), root)
            for folder, _, names in os.walk(root)
            for name in names
        }
        for path in sorted(present - contents.keys()):
            yield Flaw(path, None, digest(root / path) or "")
        for path, expected in contents.items():
            if not _same_file(root / path, self._pool.path(expected)):
                found = digest(root / path)
                if found != expected:
                    yield Flaw(path, expected, found)

    def mend(self, channel: str, tree: str, flaw: Flaw) -> None:
        path = (self._public / channel / tree).resolve() / flaw.path
        with storage_errors(path):
            if flaw.expected is None:
                path.unlink()
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".new-{path.name}")
            fresh.unlink(missing_ok=True)
            self._pool.link(flaw.expected, str(fresh))
            fresh.replace(path)

    def _tidy_generations(self, channel: Path) -> None:
        """What a killed run left, and what is older than the newest few."""
        numbers = sorted(int(e.name) for e in _entries(channel) if e.name.isdecimal())
        current = self._current(channel.name)
        keep = {str(number) for number in (*numbers[-KEEP_GENERATIONS:], current)}
        for entry in _entries(channel):
            if entry.name not in keep:
                shutil.rmtree(entry)

    def _current(self, channel: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            return int((self._public / channel).readlink().name)
        return 0

    def _remove(self, tree: str, path: Path) -> None:
        with storage_errors(path):
            if not path.name.startswith(".new-"):
                # Out of sight first: half a publication must never be taken for a whole one.
                path = path.rename(path.with_name(f".new-{path.name}"))
            (self._records / tree / path.name[len(".new-") :]).unlink(missing_ok=True)
            shutil.rmtree(path)


def _same_file(one: Path, other: Path) -> bool:
    try:
        return not one.is_symlink() and one.samefile(other)
    except OSError:
        return False


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


@contextlib.contextmanager
def _new_directory(target: Path) -> Iterator[Path]:
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
