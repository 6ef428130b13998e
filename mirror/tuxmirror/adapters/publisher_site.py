"""The parts of channels' sites, as folders of hard links; `adapters.publisher` draws where."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..core import site as sites
from ..core.errors import StorageError
from ..core.site import SitePart
from ..ports import Flaw, Pool
from .files import readable_by_all, storage_errors, write_atomically
from .publisher_files import entries, flaws, link_files, mend, new_directory

_SITE = ".site"


class SiteParts:
    """Of all channels. The caller holds the publish lock for what changes anything."""

    def __init__(self, public: Path, store: Path, pool: Pool) -> None:
        self._folder = public / ".publications" / _SITE
        self._records = store / "sites"
        self._pool = pool

    def shown(self, generation: Path) -> dict[str, str]:
        """The names of parts by owner."""
        links = entries(generation / _SITE)
        return {_owner(link.name): link.readlink().name for link in sorted(links)}

    def read(self, names: Mapping[str, str]) -> dict[str, SitePart]:
        """Raises VerificationError, StorageError where a record is damaged or missing."""
        return {owner: self._read(owner, name) for owner, name in names.items()}

    def recorded(self) -> list[SitePart]:
        """All that are there, also where no channel shows them any more."""
        return [
            self._read(_owner(folder.name), record.name)
            for folder in entries(self._records)
            for record in entries(folder)
            if not record.name.startswith(".")
        ]

    def is_link(self, link: Path) -> bool:
        """Whether a symlink of a generation shows a part, not a tree."""
        return f".publications/{_SITE}/" in str(link.readlink())

    def build(self, parts: Mapping[str, SitePart], trees: Iterable[str]) -> dict[str, Path]:
        """Make what is not there yet; the links that show them, by path below the channel."""
        links: dict[str, Path] = {}
        wanted = sites.links(parts.values(), list(trees))
        for owner, one in parts.items():
            name = one.name
            folder = self._place(owner, name)
            if not folder.exists():
                self._write_record(one, name)
                with new_directory(folder) as fresh:
                    link_files(fresh, one.files, self._pool)
            links[f"{_SITE}/{_key(owner)}"] = folder
        for link in wanted:
            links[link.path] = links[f"{_SITE}/{_key(link.owner)}"] / link.path
        return links

    def inspect(self, generation: Path) -> Iterator[Flaw]:
        for owner, one in self.read(self.shown(generation)).items():
            contents = {file.path: file.sha256 for file in one.files}
            yield from flaws(self._place(owner, one.name), contents, self._pool)

    def mend(self, generation: Path, flaw: Flaw) -> None:
        for owner, one in self.read(self.shown(generation)).items():
            folder = self._place(owner, one.name)
            named = any(file.path == flaw.path for file in one.files)
            if named or (flaw.expected is None and os.path.lexists(folder / flaw.path)):
                mend(folder, flaw, self._pool)

    def tidy(self, shown: Iterable[Path]) -> None:
        """Remove the parts that none of these links shows."""
        kept = {(link.name, link.readlink().name) for link in shown}
        for folder in entries(self._folder):
            for path in entries(folder):
                if (folder.name, path.name) not in kept:
                    self._remove(folder.name, path)
        for folder in entries(self._records):
            for record in entries(folder):
                if not self._place(_owner(folder.name), record.name).exists():
                    with storage_errors(record):
                        record.unlink()

    def _remove(self, key: str, path: Path) -> None:
        with storage_errors(path):
            if not path.name.startswith(".new-"):
                # Out of sight first: half a part must never be taken for a whole one.
                path = path.rename(path.with_name(f".new-{path.name}"))
            (self._records / key / path.name[len(".new-") :]).unlink(missing_ok=True)
            shutil.rmtree(path)

    def _read(self, owner: str, name: str) -> SitePart:
        record = self._records / _key(owner) / name
        try:
            return sites.decode(record.read_bytes(), str(record))
        except FileNotFoundError:
            raise StorageError(
                f"the record of what {owner} shows is missing",
                path=str(record),
                way_out="restore it from a backup",
            ) from None

    def _write_record(self, one: SitePart, name: str) -> None:
        record = self._records / _key(one.owner) / name
        with storage_errors(record), readable_by_all():
            record.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(record, sites.encode(one))

    def _place(self, owner: str, name: str) -> Path:
        return self._folder / _key(owner) / name


def _key(owner: str) -> str:
    return owner.replace("/", "%")


def _owner(key: str) -> str:
    return key.replace("%", "/")
