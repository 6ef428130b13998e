"""A directory of our own built and signed packages as the source of a tree.

Their metadata is made here, so the operator's key signs it, where there is one: clients may say
`repo_gpgcheck=1`, and mirrors of this mirror verify it as they do AlmaLinux's.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..core import repomd
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import RefusedError
from ..core.snapshot import LOCAL, Snapshot
from ..ports import Keyring, LocalRepository, RepositoryMemory, Validators
from . import metadata, own_advisories
from .context import Mirror
from .metadata import Content
from .source import BUNDLE, Change
from .upstream import SIGNATURE, Fresh

_STAGING = "staging"


class LocalDirectory:
    """See `source.Source`. What is verified and published is a copy made by `look`.

    `replace`: also what came by import, from the directory of another site.
    """

    ages = False

    def __init__(self, mirror: Mirror, tree: Tree, staging: Path, replace: bool = True) -> None:
        assert tree.source is not None  # noqa: S101  # the configuration reader refuses that
        self._mirror = mirror
        self._tree = tree
        self._staging = staging
        self._replace = replace
        self._source = mirror.local_source(tree.source)
        self._fingerprint = self._look()

    def look(self, current: Snapshot | None, keyring: Callable[[], Keyring]) -> Change | None:
        if current is not None and self._remembered():
            return None
        self._check_imported()
        fresh: dict[str, Fresh] = {}
        contents: dict[str, Content] = {}
        packages: dict[str, Path] = {}
        made = {arch: self._source.stage(arch, self._staging) for arch in self._tree.arches}
        if self._tree.advisories is not None:
            made = self._advised(made)
        for arch, repository in made.items():
            contents[arch] = self._read(repository)
            index = repomd.parse(repository.repomd)
            seen = Validators(etag=self._fingerprint)
            fresh[arch] = Fresh([], index, repository.repomd, None, LOCAL, seen)
            root = repository.root
            packages.update({p.sha256: root / p.location for p in contents[arch].packages})
        return Change(fresh, contents, packages)

    def _read(self, made: LocalRepository) -> Content:
        index = repomd.parse(made.repomd)
        places = {file.sha256: made.root / file.location for file in index.files}
        return metadata.read(self._mirror, self._staging, index, places)

    def _advised(self, made: Mapping[str, LocalRepository]) -> dict[str, LocalRepository]:
        """With our own advisories: what they bring is looked up in the packages themselves."""
        packages = {arch: self._read(repository).packages for arch, repository in made.items()}
        found = own_advisories.of(self._mirror, self._tree, packages)
        return {
            arch: self._source.advise(repository, found[arch], f"{self._tree.name}/{arch}")
            for arch, repository in made.items()
        }

    def _check_imported(self) -> None:
        memory = self._mirror.state.memory(self._tree.name)
        if not self._replace and any(fields.root == BUNDLE for fields in memory.values()):
            raise RefusedError(
                "what is published came by import, not from the source directory",
                found=f"source = {self._tree.source}",
                way_out="tuxmirror import the next bundle; or, to go on from the directory:"
                " sync --allow-rollback",
            )

    def _remembered(self) -> bool:
        memory = self._mirror.state.memory(self._tree.name)
        trust = self._trust()
        return set(memory) == set(self._tree.arches) and all(
            fields.validators.etag == self._fingerprint and fields.trust == trust
            for fields in memory.values()
        )

    def _trust(self) -> str:
        """Another signing key, and the metadata is made and signed afresh."""
        trust = self._mirror.trust(self._tree)
        return ":".join(filter(None, (trust, self._mirror.config.signing_key)))

    def sealed(self, change: Change, current: Snapshot | None) -> Change:
        if self._mirror.signer is None:
            return change
        signer = self._mirror.signer()
        fresh = dict(change.fresh)
        unsigned = []
        for arch, state in change.fresh.items():
            signature = self._known_signature(arch, state, current, signer.fingerprint)
            fresh[arch] = state._replace(signature=signature, signed_by=signer.fingerprint)
            if signature is None:
                unsigned.append(arch)
        if unsigned:
            signatures = signer.sign([fresh[arch].data for arch in unsigned])
            for arch, signature in zip(unsigned, signatures):
                fresh[arch] = fresh[arch]._replace(signature=signature)
        return change._replace(fresh=fresh)

    def _known_signature(
        self, arch: str, state: Fresh, current: Snapshot | None, fingerprint: str
    ) -> bytes | None:
        """The one that covers these bytes already: what did not change, is not published anew."""
        known = current.repositories.get(arch) if current else None
        if known is None or (known.repomd, known.signed_by) != (state.repomd.sha256, fingerprint):
            return None
        for file in snapshots.decode_files(self._mirror.pool.read(known.files)):
            if file.path == SIGNATURE:
                return self._mirror.pool.read(file.sha256)
        return None

    def still_current(self) -> bool:
        return self._look() == self._fingerprint

    def _look(self) -> str:
        """Of the packages and of what is said of them."""
        advisories = own_advisories.fingerprint(self._mirror, self._tree)
        return self._source.fingerprint() + (f":{advisories}" if advisories else "")

    def accepted(self, change: Change) -> dict[str, RepositoryMemory]:
        trust = self._trust()
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
