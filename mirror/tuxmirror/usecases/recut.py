"""Filtered metadata that was lost, cut again: the same cut of the same metadata is the same bytes.

What was left out is told by the file lists, which say what was there before and after. A signature
cannot be made again; then the repository is, with another one: `tuxmirror publish`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.package import Package
from ..core.policy.builds import ModuleBuild, artifact
from ..core.policy.outcome import Selection
from ..core.snapshot import Repository, Snapshot
from ..ports import Filtered
from . import contents
from .context import Mirror


def mend(mirror: Mirror, tree: Tree, lost: Collection[str], kept: Sequence[Snapshot]) -> None:
    """Put what can be made again of `lost` (SHA-256) into the pool; what cannot, stays lost."""
    seen: set[str] = set()
    for snapshot in kept:
        for name, repository in snapshot.repositories.items():
            if repository.origin is None or repository.files in seen:
                continue
            seen.add(repository.files)
            try:
                if _files(mirror, repository) & set(lost):
                    _recut(mirror, tree, name, repository, lost, kept)
            except MirrorError:
                # Its source is lost as well: what is missing is told by whoever looks again.
                continue


def _files(mirror: Mirror, repository: Repository, packages: bool = False) -> set[str]:
    """SHA-256 of its packages, or of all else."""
    files = snapshots.decode_files(mirror.pool.read(repository.files))
    return {file.sha256 for file in files if file.path.endswith(".rpm") == packages}


def _recut(
    mirror: Mirror,
    tree: Tree,
    name: str,
    repository: Repository,
    lost: Collection[str],
    kept: Sequence[Snapshot],
) -> None:
    assert repository.origin is not None  # noqa: S101  # the caller looked
    whole = replace(repository, files=repository.origin.files, origin=None)
    before, after = _files(mirror, whole, True), _files(mirror, repository, True)
    source = contents.metadata_of(mirror, tree, name, whole)
    everything = contents.read(mirror, tree, name, whole).packages
    packages = [package for package in everything if package.sha256 in after]
    shown = None
    extra = after - before
    if extra:
        described = _describing(mirror, name, repository, extra, kept)
        if described is None:
            return
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
        _adopt(mirror, made, repository, lost)


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


def _adopt(mirror: Mirror, made: Filtered, repository: Repository, lost: Collection[str]) -> None:
    for path in made.made.values():
        digest = path.name.partition("-")[0]
        if digest in lost:
            mirror.pool.adopt(path, digest)
    if repository.repomd in lost:
        mirror.pool.add(made.repomd)


def _describing(
    mirror: Mirror,
    name: str,
    repository: Repository,
    packages: Collection[str],
    kept: Sequence[Snapshot],
) -> Repository | None:
    """A whole repository of another snapshot that has all of these packages."""
    for snapshot in kept:
        other = snapshot.repositories.get(name)
        if other is None or other.files == repository.files:
            continue
        if mirror.pool.missing([other.files]) or mirror.pool.missing(_files(mirror, other)):
            continue
        if set(packages) <= _files(mirror, other, True):
            return other
    return None
