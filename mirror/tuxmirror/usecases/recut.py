"""Filtered metadata that was lost, cut again: the same cut of the same metadata is the same bytes.

What was left out is told by the file lists, which say what was there before and after. A signature
cannot be made again; nor can the rest, where a newer library compresses it otherwise: then
`successor` takes what came out, under another signature.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.package import Package
from ..core.policy.builds import ModuleBuild, artifact
from ..core.policy.outcome import Selection
from ..core.snapshot import File, Repository, Snapshot
from ..ports import Filtered
from . import contents, cutting
from .context import Mirror
from .inventory import Wanted
from .upstream import SIGNATURE


class Draft(NamedTuple):
    """A repository that is to be signed: `files` but for the signature, and what it is apart from
    its file list, which is that of the one that it takes the place of."""

    name: str
    repository: Repository
    files: Sequence[File]


def mend(
    mirror: Mirror, tree: Tree, lost: Collection[str], kept: Sequence[Snapshot]
) -> list[Draft]:
    """Put what can be made again of `lost` (SHA-256) into the pool; what cannot, stays lost.

    Gives the cuts that came out otherwise than they were.
    """
    drafts: list[Draft] = []
    for name, repository, whole in _cuts(kept):
        # Where its source is lost as well: what is missing is told by whoever looks again.
        with contextlib.suppress(MirrorError):
            gone = _files(mirror, repository) & set(lost)
            if gone:
                drafts += _recut(mirror, tree, name, repository, whole, gone, kept)
    return drafts


def made(mirror: Mirror, kept: Sequence[Snapshot]) -> set[str]:
    """SHA-256 of all metadata that was made here: nobody else has it."""
    found: set[str] = set()
    for _, repository, whole in _cuts(kept):
        with contextlib.suppress(MirrorError):
            found |= _files(mirror, repository) - _files(mirror, whole)
    return found


def sources(mirror: Mirror, lost: Collection[str], kept: Sequence[Snapshot]) -> list[Wanted]:
    """Metadata of which something that is lost was cut, and that is not whole in the pool."""
    found: dict[str, Wanted] = {}
    for name, repository, whole in _cuts(kept):
        with contextlib.suppress(MirrorError):
            if _files(mirror, repository) & set(lost):
                for file in snapshots.decode_files(mirror.pool.read(whole.files)):
                    if not file.path.endswith(".rpm"):
                        wanted = Wanted(file.sha256, file.size, name, file.path)
                        found.setdefault(file.sha256, wanted)
    return [file for sha, file in found.items() if mirror.pool.digest(sha) != sha]


def _cuts(kept: Sequence[Snapshot]) -> Iterator[tuple[str, Repository, Repository]]:
    """Each once: name, the cut, and the whole one."""
    seen: set[str] = set()
    for snapshot in kept:
        for name, repository in snapshot.repositories.items():
            if repository.origin is not None and repository.files not in seen:
                seen.add(repository.files)
                yield name, repository, whole_of(repository)


def whole_of(repository: Repository) -> Repository:
    """What a cut was cut from."""
    assert repository.origin is not None  # noqa: S101  # the caller looked
    origin = repository.origin
    return replace(repository, files=origin.files, repomd=origin.repomd, origin=None)


def _files(mirror: Mirror, repository: Repository, packages: bool = False) -> set[str]:
    """SHA-256 of its packages, or of all else."""
    files = snapshots.decode_files(mirror.pool.read(repository.files))
    return {file.sha256 for file in files if file.path.endswith(".rpm") == packages}


def _recut(
    mirror: Mirror,
    tree: Tree,
    name: str,
    repository: Repository,
    whole: Repository,
    gone: Set[str],
    kept: Sequence[Snapshot],
) -> list[Draft]:
    before, after = _files(mirror, whole, True), _files(mirror, repository, True)
    source = contents.metadata_of(mirror, tree, name, whole)
    everything = contents.read(mirror, tree, name, whole).packages
    packages = [package for package in everything if package.sha256 in after]
    shown = None
    extra = after - before
    if extra:
        described = _describing(mirror, name, repository, extra, kept)
        if described is None:
            return []
        shown = contents.metadata_of(mirror, tree, name, described)
        there = contents.read(mirror, tree, name, described).packages
        packages += [package for package in there if package.sha256 in extra]
    scratch = mirror.state.incoming(tree.name)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="cut-") as folder:
        cutter = mirror.metadata_filter(Path(folder))
        current = cutter.modules(source)
        earlier = cutter.modules(shown) if shown else []
        out, own = _modules(current, earlier, everything, packages)
        selection = Selection(
            {name: frozenset(before - after)}, {name: frozenset(extra)}, {name: out}, {name: own}
        )
        made = cutter.cut(source, shown, packages, selection, Path(folder))
        return _adopt(mirror, Path(folder), name, repository, made, packages, gone)


def _modules(
    current: Sequence[ModuleBuild],
    earlier: Sequence[ModuleBuild],
    everything: Sequence[Package],
    packages: Sequence[Package],
) -> tuple[frozenset[str], frozenset[str]]:
    """Versions of streams that were left out, and that were kept: each is there whole or not."""
    present = {artifact(package) for package in packages}
    absent = {artifact(package) for package in everything} - present
    out = frozenset(module.nsvc for module in current if module.artifacts & absent)
    own = frozenset(module.nsvc for module in earlier if module.artifacts & present)
    return out, own - {module.nsvc for module in current}


def _adopt(
    mirror: Mirror,
    folder: Path,
    name: str,
    repository: Repository,
    made: Filtered,
    packages: Sequence[Package],
    gone: Set[str],
) -> list[Draft]:
    listed = snapshots.decode_files(mirror.pool.read(repository.files))
    signature = {file.sha256 for file in listed if file.path == SIGNATURE}
    paths = {path.name.partition("-")[0]: path for path in made.made.values()}
    index = cutting.checked(mirror, folder, made, packages)
    if index.sha256 == repository.repomd:
        for sha in gone & paths.keys():
            mirror.pool.adopt(paths[sha], sha)
        if repository.repomd in gone:
            mirror.pool.add(made.repomd)
        return []
    if gone <= signature:
        # All else is there, as it was shown.
        return []
    files = cutting.adopted(mirror, made, index, packages)
    fresh = replace(repository, repomd=index.sha256, revision=index.revision)
    return [Draft(name, fresh, files)]


def _describing(
    mirror: Mirror,
    name: str,
    repository: Repository,
    packages: Collection[str],
    kept: Sequence[Snapshot],
) -> Repository | None:
    """A repository of another snapshot that has all of these packages."""
    assert repository.origin is not None  # noqa: S101  # the caller looked
    noted = replace(repository, files=repository.origin.shown, origin=None)
    for snapshot in (Snapshot("", 0, {name: noted if noted.files else repository}), *kept):
        other = snapshot.repositories.get(name)
        if other is None or other.files == repository.files:
            continue
        if mirror.pool.missing([other.files]) or mirror.pool.missing(_files(mirror, other)):
            continue
        if set(packages) <= _files(mirror, other, True):
            return other
    return None
