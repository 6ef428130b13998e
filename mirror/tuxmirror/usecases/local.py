"""A directory of our own built and signed packages as the source of a tree."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core import repomd
from ..core.config import Tree
from ..core.snapshot import Snapshot
from ..ports import Keyring, RepositoryMemory, Validators
from . import metadata
from .context import Mirror
from .metadata import Content
from .source import Change
from .upstream import Fresh

_STAGING = "staging"


class LocalDirectory:
    """See `source.Source`. What is verified and published is a copy made by `look`."""

    def __init__(self, mirror: Mirror, tree: Tree, staging: Path) -> None:
        assert tree.source is not None  # noqa: S101  # the configuration reader refuses that
        self._mirror = mirror
        self._tree = tree
        self._staging = staging
        self._source = mirror.local_source(tree.source)
        self._fingerprint = self._source.fingerprint()

    def look(self, current: Snapshot | None, keyring: Callable[[], Keyring]) -> Change | None:
        if current is not None and self._remembered():
            return None
        fresh: dict[str, Fresh] = {}
        contents: dict[str, Content] = {}
        packages: dict[str, Path] = {}
        for arch in self._tree.arches:
            made = self._source.stage(arch, self._staging)
            index = repomd.parse(made.repomd)
            seen = Validators(etag=self._fingerprint)
            fresh[arch] = Fresh([], index, made.repomd, None, "local", seen)
            places = {file.sha256: made.root / file.location for file in index.files}
            contents[arch] = metadata.read(self._mirror, self._staging, index, places)
            packages.update({p.sha256: made.root / p.location for p in contents[arch].packages})
        return Change(fresh, contents, packages)

    def _remembered(self) -> bool:
        memory = self._mirror.state.memory(self._tree.name)
        trust = self._mirror.trust(self._tree)
        return set(memory) == set(self._tree.arches) and all(
            fields.validators.etag == self._fingerprint and fields.trust == trust
            for fields in memory.values()
        )

    def still_current(self) -> bool:
        return self._source.fingerprint() == self._fingerprint

    def accepted(self, change: Change) -> dict[str, RepositoryMemory]:
        trust = self._mirror.trust(self._tree)
        return {
            arch: RepositoryMemory(
                str(self._tree.source),
                state.validators,
                state.repomd.sha256,
                state.repomd.revision,
                trust,
            )
            for arch, state in change.fresh.items()
        }


@contextlib.contextmanager
def staging(mirror: Mirror, tree: Tree) -> Iterator[Path]:
    """A folder for the copies; what a killed run left there goes first."""
    folder = mirror.state.incoming(tree.name) / _STAGING
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
