"""What customers see, switched by one rename.

    <public>/
        vetted -> .generations/vetted/7       the only thing that ever changes under a channel
        .generations/vetted/7/                immutable: one relative symlink a tree
            almalinux/9.2 -> ../../../../.publications/almalinux/9.2/<name>
            .site/<owner> -> …                and one a part of the site, see core.site
            rss_feed -> ../../../.publications/.site/<owner>/<name>/rss_feed
        .publications/almalinux/9.2/<name>/   immutable: hard links into the pool
            BaseOS/x86_64/os/…                the snapshot's files and what expired lately
            SNAPSHOT.json TIME RPM-GPG-KEY-…
        .publications/.site/<owner>/<name>/   immutable: hard links into the pool
    <store>/publications/almalinux/9.2/<name> what the publication contains, see core.publication
    <store>/sites/<owner>/<name>              what the part contains; an owner's `/` is a `%` here

A reader that resolves the channel's symlink once sees one state of all trees. Nothing is written
under a path that a channel shows; what is half-made has a name that starts with `.new-`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ..core import site as sites
from ..core.errors import ConfigError, StorageError
from ..core.publication import Publication, decode, encode, snapshot_of
from ..core.site import SitePart
from ..core.snapshot import File
from ..ports import Flaw, Pool, State
from .files import (
    REPAIR,
    Disk,
    fsync_directory,
    readable_by_all,
    storage_errors,
    write_atomically,
)
from .publisher_files import entries, flaws, found_below, link_files, mend, new_directory
from .publisher_site import SiteParts

# Those who resolved a symlink, or fetched a mirror list, just before a switch are still reading.
KEEP_GENERATIONS = 3
# A sync of many trees makes many generations; a client reads metadata for minutes at most.
KEEP_SECONDS = 600.0
# Syncs of other trees hold the lock for a switch, which is short.
_PATIENCE = 60.0


class FilePublisher:
    """See `ports.Publisher`.

    Args:
        linked: the pool's files are linked, not copied.
    """

    def __init__(
        self, public: Path, store: Path, pool: Pool, state: State, linked: bool = True
    ) -> None:
        self._public = public
        self._records = store / "publications"
        self._parts = SiteParts(public, store, pool)
        self._pool = pool
        self._state = state
        with storage_errors(public), readable_by_all():
            public.mkdir(parents=True, exist_ok=True)
        self._disk = Disk(public)
        if linked and public.stat().st_dev != store.stat().st_dev:
            raise ConfigError(
                "store and public are on different file systems",
                expected=f"{public} on the file system of {store}: published files are hard links",
                way_out="move one of them",
            )

    def channels(self) -> list[str]:
        links = [entry for entry in entries(self._public) if entry.is_symlink()]
        return sorted(link.name for link in links if not link.name.startswith("."))

    def published(self, channel: str, tree: str) -> Publication | None:
        name = self._name(channel, tree)
        if name is None:
            return None
        record = self._records / tree / name
        try:
            return decode(record.read_bytes(), str(record))
        except FileNotFoundError:
            raise StorageError(
                f"the record of what {channel} shows is missing",
                tree=tree,
                path=str(record),
                way_out=REPAIR,
            ) from None

    def _name(self, channel: str, tree: str) -> str | None:
        """Of the publication that it shows."""
        try:
            return (self._public / channel / tree).readlink().name
        except FileNotFoundError:
            return None

    def shown_snapshot(self, channel: str, tree: str) -> str | None:
        name = self._name(channel, tree)
        return snapshot_of(name) if name else None

    def listed(self, channel: str, tree: str) -> list[File]:
        return found_below((self._public / channel / tree).resolve())

    def read(self, channel: str, tree: str, path: str) -> bytes:
        file = self._public / channel / tree / path
        with storage_errors(file):
            return file.read_bytes()

    def restore(self, channel: str, tree: str, publication: Publication) -> None:
        write_atomically(
            self._records / tree / (self._name(channel, tree) or publication.name),
            encode(publication),
        )

    def publish(
        self,
        channel: str,
        tree: str,
        publication: Publication,
        files: Collection[File],
        extras: dict[str, bytes],
        site: Collection[SitePart] = (),
    ) -> None:
        target = self._public / ".publications" / tree / publication.name
        if not target.exists():
            self._write_record(tree, publication)
            self._build(target, files, extras)
        with self._state.lock("publish", _PATIENCE):
            self._switch(channel, {tree: target}, site)

    def publish_site(self, channel: str, site: Collection[SitePart]) -> None:
        with self._state.lock("publish", _PATIENCE):
            self._switch(channel, {}, site)

    def site_names(self, channel: str) -> dict[str, str]:
        return self._parts.shown(self._public / channel)

    def site(self, channel: str) -> dict[str, SitePart]:
        return self._parts.read(self.site_names(channel))

    def site_parts(self) -> list[SitePart]:
        return self._parts.recorded()

    def _write_record(self, tree: str, publication: Publication) -> None:
        record = self._records / tree / publication.name
        with storage_errors(record):
            record.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(record, encode(publication))

    def _build(self, target: Path, files: Collection[File], extras: dict[str, bytes]) -> None:
        with new_directory(target) as folder:
            link_files(folder, files, self._pool)
            for name, data in extras.items():
                (folder / name).write_bytes(data)
                (folder / name).chmod(0o644)

    def _switch(
        self, channel: str, changed: Mapping[str, Path], site: Collection[SitePart]
    ) -> None:
        link = self._public / channel
        generations = self._public / ".generations" / channel
        numbers = [int(e.name) for e in entries(generations) if e.name.isdecimal()]
        generation = generations / str(max(numbers, default=0) + 1)
        shown = {**dict(self._trees(channel)), **changed}
        # What is replaced need not be read: the tracker's record has a line for each page.
        replaced = {part.owner for part in site}
        names = self.site_names(channel).items()
        kept = {owner: name for owner, name in names if owner not in replaced}
        parts = sites.after(self._parts.read(kept), site)
        shown.update(self._parts.build(parts, shown))
        with new_directory(generation) as folder:
            for name, path in shown.items():
                place = generation / name
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(os.path.relpath(path, place.parent))
        self._disk.sync()
        with storage_errors(link):
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
                if entry.is_symlink() and not self._parts.is_link(entry):
                    tree = str(entry.relative_to(generation))
                    yield tree, self._public / ".publications" / tree / entry.readlink().name

    def tidy(self, tree: str) -> None:
        """See `ports.Publisher`: nobody else is building a publication of the tree."""
        with self._state.lock("publish", _PATIENCE):
            shown = set()
            generations = self._public / ".generations"
            for channel in entries(generations):
                self._tidy_generations(channel)
                shown |= {link.resolve() for link in channel.glob(f"*/{tree}")}
            for path in entries(self._public / ".publications" / tree):
                if path.resolve() not in shown:
                    self._remove(tree, path)
            self._parts.tidy(generations.glob("*/*/.site/*"))

    def publications(self, tree: str) -> list[Publication]:
        # Records come before what they describe, and go before it: those without a folder are
        # of a publication that is being made, or was given up.
        found = []
        for record in entries(self._records / tree):
            if record.is_file() and not record.name.startswith("."):
                with storage_errors(record):
                    found.append(decode(record.read_bytes(), str(record)))
        return found

    def trees(self) -> list[str]:
        folders = {path.parent for path in self._records.rglob("*") if path.is_file()}
        return sorted(str(folder.relative_to(self._records)) for folder in folders)

    def inspect(self, channel: str, tree: str, contents: Mapping[str, str]) -> Iterator[Flaw]:
        yield from flaws((self._public / channel / tree).resolve(), contents, self._pool)

    def mend(self, channel: str, tree: str, flaw: Flaw) -> None:
        mend((self._public / channel / tree).resolve(), flaw, self._pool)

    def inspect_site(self, channel: str) -> Iterator[Flaw]:
        yield from self._parts.inspect(self._public / channel)

    def mend_site(self, channel: str, flaw: Flaw) -> None:
        self._parts.mend(self._public / channel, flaw)

    def _tidy_generations(self, channel: Path) -> None:
        """What a killed run left, and what is neither of the newest few nor was shown lately."""
        numbers = sorted(int(e.name) for e in entries(channel) if e.name.isdecimal())
        lately = time.time() - KEEP_SECONDS
        # One was shown until its successor was made.
        shown = [
            number
            for number, successor in zip(numbers, numbers[1:])
            if (channel / str(successor)).stat().st_mtime > lately
        ]
        current = self._current(channel.name)
        keep = {str(number) for number in (*numbers[-KEEP_GENERATIONS:], *shown, current)}
        for entry in entries(channel):
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
