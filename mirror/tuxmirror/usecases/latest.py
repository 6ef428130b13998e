"""Packages under a name that does not change, and the keys of their trees, for `dnf install URL`.

    /tuxcare/tuxcare-release-latest-9.2.x86_64.rpm   `latest =` in [tuxcare/9.2/base]
    /tuxcare/tuxcare-release-latest-9.2.noarch.rpm   where the package is for every arch
    /tuxcare/RPM-GPG-KEY-TuxCare                     gpgkey of that tree

All trees that have `latest` share one part of the site, so that they may share a key file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ..core import entitlement, evr
from ..core import site as sites
from ..core.config import Tree
from ..core.errors import RefusedError
from ..core.package import Package
from ..core.snapshot import File, Repository, Snapshot
from . import contents
from .context import Mirror
from .publish import read_key
from .site import Showing

NOARCH = "noarch"


class FixedNames:
    """See `site.Contributor`."""

    prefix = "latest"

    def wanted(self, mirror: Mirror, showing: Showing) -> Mapping[str, str]:
        trees = _trees(mirror, showing)
        if not trees:
            return {}
        inputs = [
            [tree.name, tree.latest, sorted(_lists(snapshot).items()), mirror.trust(tree)]
            for tree, snapshot in trees
        ]
        return {self.prefix: sites.digest(*inputs)}

    def make(self, mirror: Mirror, showing: Showing, owner: str) -> Collection[File]:
        found: dict[str, File] = {}
        for tree, snapshot in _trees(mirror, showing):
            for file in (*_packages(mirror, tree, snapshot), *_keys(mirror, tree)):
                first = found.setdefault(file.path, file)
                if first.sha256 != file.sha256:
                    raise RefusedError(
                        "two trees would publish different files under one name",
                        tree=tree.name,
                        path=file.path,
                        expected=f"sha256 {first.sha256}",
                        found=f"sha256 {file.sha256}",
                        way_out="rename one of the key files",
                    )
        return list(found.values())


def _trees(mirror: Mirror, showing: Showing) -> list[tuple[Tree, Snapshot]]:
    chosen = sorted(name for name, tree in mirror.config.trees.items() if tree.latest)
    return [
        (mirror.config.trees[name], showing.snapshots[name])
        for name in chosen
        if name in showing.snapshots
    ]


def _lists(snapshot: Snapshot) -> dict[str, str]:
    return {name: repository.files for name, repository in snapshot.repositories.items()}


def _packages(mirror: Mirror, tree: Tree, snapshot: Snapshot) -> Iterator[File]:
    root, release, *_ = tree.name.split("/")
    for arch, repository in snapshot.repositories.items():
        newest = _newest(mirror, tree, arch, repository)
        arches = {arch, NOARCH} if newest.arch == NOARCH else {arch}
        for each in sorted(arches):
            path = f"{root}/{tree.latest}-latest-{release}.{each}.rpm"
            yield File(path, newest.sha256, newest.size)


def _newest(mirror: Mirror, tree: Tree, arch: str, repository: Repository) -> Package:
    packages = contents.read(mirror, tree, arch, repository).packages
    # A 32-bit twin is not what `uname -i` asks for.
    builds = [p for p in packages if p.name == tree.latest and p.arch in (arch, NOARCH)]
    if not builds:
        raise RefusedError(
            f"there is no package {tree.latest} to publish under its fixed name",
            tree=tree.name,
            repository=arch,
            expected=f"latest = a package of this tree for {arch}",
            found=", ".join(sorted({p.name for p in packages})[:10]) or "no package at all",
            way_out=f"put it into {tree.source}, or correct `latest`; nothing was published",
        )
    return max(builds, key=lambda p: evr.key((p.epoch, p.version, p.release)))


def _keys(mirror: Mirror, tree: Tree) -> Iterator[File]:
    root = tree.name.partition("/")[0]
    # One of another name would be closed to everybody.
    for key in (key for key in tree.gpgkey if entitlement.is_open((root, key.name))):
        data = read_key(tree, key)
        yield File(f"{root}/{key.name}", mirror.pool.add(data), len(data))
