"""A snapshot of what a policy let through, from the one that it was chosen from.

Repositories of which everything passed stay what they are, byte for byte. The others get metadata
cut to what is left, signed by the operator; their packages are the pool's own.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core import repomd
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import ConfigError, MetadataError, MirrorError
from ..core.names import REPODATA
from ..core.package import Package
from ..core.policy.outcome import Selection
from ..core.repomd import Repomd
from ..core.snapshot import File, Origin, Repository, Snapshot, Vetting
from ..ports import Filtered, Metadata, Signer
from . import contents, manifest, metadata
from .context import Mirror
from .upstream import REPOMD, SIGNATURE

# Changes with what a cut looks like: then it is made again.
_FORMAT = 1


def snapshot_of(
    mirror: Mirror,
    tree: Tree,
    source: Snapshot,
    shown: Snapshot | None,
    selection: Selection,
    vetting: Vetting,
) -> Snapshot:
    """The snapshot; `source` itself where nothing is filtered.

    The caller holds a lock without which nothing is pruned.

    Raises:
        ConfigError, SignatureError: it cannot be signed; nothing was saved.
        MetadataError, StorageError, DigestError.
    """
    touched = [name for name in source.repositories if selection.touches(name)]
    if not touched:
        return source
    if mirror.signer is None:
        raise ConfigError(
            "filtered metadata has to be signed", way_out="name your key: signing_key = in [main]"
        )
    signer = mirror.signer()
    repositories = dict(source.repositories)
    fresh: dict[str, _Cut] = {}
    known = _known(mirror, tree)
    with tempfile.TemporaryDirectory(dir=mirror.state.incoming(tree.name), prefix="cut-") as folder:
        for name in touched:
            key = _key(source, name, selection, signer)
            if key in known:
                repositories[name] = known[key]
                continue
            place = Path(folder, name.replace("/", "%"))
            place.mkdir()
            try:
                cut = _Cut(mirror, tree, name, source, shown, selection)
                cut.make(place, Origin(*_source(source, name), key))
                fresh[name] = cut
            except MirrorError as error:
                raise error.located(tree=tree.name, repository=name) from None
        signatures = signer.sign([cut.filtered.repomd for cut in fresh.values()]) if fresh else []
        for (name, cut), signature in zip(fresh.items(), signatures):
            repositories[name] = cut.adopt(signature, signer.fingerprint)
    made = Snapshot(tree.name, int(mirror.clock()), repositories, mirror.tool, vetting)
    if made.id in mirror.state.snapshots(tree.name):
        # As it was recorded first: that is what channels show of it.
        return mirror.state.snapshot(tree.name, made.id)
    mirror.pool.flush()
    manifest.save(mirror, made)
    return made


def _source(source: Snapshot, name: str) -> tuple[str, str, str]:
    """What the whole repository was, also where it is a cut of a cut."""
    repository = source.repositories[name]
    return (repository.files, repository.repomd, repository.signed_by)


def _key(source: Snapshot, name: str, selection: Selection, signer: Signer) -> str:
    """Names a cut before it is made."""
    parts = {side: sides.get(name, []) for side, sides in selection.as_dict().items()}
    what = [_FORMAT, source.repositories[name].files, signer.fingerprint, parts]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _known(mirror: Mirror, tree: Tree) -> dict[str, Repository]:
    """Cuts of kept snapshots that are still whole, by their key."""
    found: dict[str, Repository] = {}
    for name in mirror.state.snapshots(tree.name):
        try:
            kept = mirror.state.snapshot(tree.name, name)
        except MirrorError:
            continue
        for repository in kept.repositories.values():
            if repository.origin is not None:
                found[repository.origin.cut] = repository
    return {key: repository for key, repository in found.items() if intact(mirror, repository)}


def intact(mirror: Mirror, repository: Repository) -> bool:
    """Whether its metadata is all there; nobody upstream has it, but it can be cut again."""
    if mirror.pool.missing([repository.files]):
        return False
    files = snapshots.decode_files(mirror.pool.read(repository.files))
    wanted = [file.sha256 for file in files if file.path.startswith(REPODATA)]
    return not mirror.pool.missing([*wanted, repository.verified])


class _Cut:
    """One repository's."""

    filtered: Filtered
    origin: Origin

    def __init__(
        self,
        mirror: Mirror,
        tree: Tree,
        name: str,
        source: Snapshot,
        shown: Snapshot | None,
        selection: Selection,
    ) -> None:
        self._mirror = mirror
        self._tree = tree
        self._name = name
        self._repository = source.repositories[name]
        self._selection = selection
        self._source = contents.metadata_of(mirror, tree, name, self._repository)
        self._packages = self._left(contents.read(mirror, tree, name, self._repository).packages)
        self._shown: Metadata | None = None
        before = shown.repositories.get(name) if shown else None
        self._shown_files = ""
        if before is not None and (selection.kept.get(name) or selection.modules_kept.get(name)):
            self._shown_files = before.files
            self._shown = contents.metadata_of(mirror, tree, name, before)
            self._packages += self._kept(contents.read(mirror, tree, name, before).packages)

    def _left(self, packages: list[Package]) -> list[Package]:
        out = self._selection.left_out.get(self._name, frozenset())
        return [package for package in packages if package.sha256 not in out]

    def _kept(self, packages: list[Package]) -> list[Package]:
        kept = self._selection.kept.get(self._name, frozenset())
        taken = {package.location for package in self._packages}
        clash = [p.location for p in packages if p.sha256 in kept and p.location in taken]
        if clash:
            raise MetadataError(
                "upstream gave the name of a package that is still shown to another one",
                path=clash[0],
                way_out="let the other one pass: tuxmirror approve --packages NAME",
            )
        return [package for package in packages if package.sha256 in kept]

    def make(self, folder: Path, origin: Origin) -> None:
        """Cut, and read back."""
        self.origin = replace(origin, shown=self._shown_files)
        cutter = self._mirror.metadata_filter(folder)
        self.filtered = cutter.cut(
            self._source, self._shown, self._packages, self._selection, folder
        )
        self._index = checked(self._mirror, folder, self.filtered, self._packages)

    def adopt(self, signature: bytes, fingerprint: str) -> Repository:
        """Into the pool."""
        pool = self._mirror.pool
        files = adopted(self._mirror, self.filtered, self._index, self._packages)
        files.append(File(SIGNATURE, pool.add(signature), len(signature)))
        described = {package.sha256: package.description for package in self._packages}
        return replace(
            self._repository,
            files=pool.add(snapshots.encode_files(files)),
            repomd=self._index.sha256,
            revision=self._index.revision,
            packages=len(self._packages),
            bytes=sum(package.size for package in self._packages),
            signed_by=fingerprint,
            verified=pool.add(snapshots.encode_verified(described)),
            origin=self.origin,
        )


def checked(
    mirror: Mirror, folder: Path, filtered: Filtered, packages: Sequence[Package]
) -> Repomd:
    """The index of what was cut, read back and compared: text is not trusted to be what it looks
    like.

    Raises:
        MetadataError: it describes others than `packages`.
    """
    index = repomd.parse(filtered.repomd)
    places = {
        file.sha256: filtered.made.get(file.location) or mirror.pool.path(file.sha256)
        for file in index.files
    }
    content = metadata.read(mirror, folder, index, places)
    if sorted(content.packages) != sorted(packages):
        raise MetadataError(
            "the metadata that was cut describes other packages",
            expected=f"{len(packages)} packages as they were verified",
            found=f"{len(content.packages)} packages",
            way_out="please report this; nothing was published",
        )
    return index


def adopted(
    mirror: Mirror, filtered: Filtered, index: Repomd, packages: Iterable[Package]
) -> list[File]:
    """The files of the repository, into the pool what is new of them; but for its signature."""
    for file in index.files:
        made = filtered.made.get(file.location)
        if made is not None:
            mirror.pool.adopt(made, file.sha256)
    files = [File(p.location, p.sha256, p.size) for p in packages]
    files += [File(file.location, file.sha256, file.size) for file in index.files]
    data = filtered.repomd
    return [*files, File(REPOMD, mirror.pool.add(data), len(data))]


def counts(selection: Selection, pulled: int) -> Mapping[str, int]:
    """For `Vetting.packages`."""
    return {
        "left_out": sum(map(len, selection.left_out.values())),
        "kept": sum(map(len, selection.kept.values())),
        "pulled_in": pulled,
    }
