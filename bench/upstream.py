"""The upstream that is measured: real signed packages, metadata of a large repository.

Built once into `build/bench/` and reused. Sizes follow AlmaLinux's AppStream: mostly small
packages, a few large ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from multiprocessing import Pool
from pathlib import Path
from random import Random

from tests.support.keys import SigningKey
from tests.support.rpms import RpmSpec, build_rpms
from tests.support.tree import UpstreamTree

# Median 40 kB, mean about 130 kB: 6,000 packages are about 800 MB.
_MEDIAN_BYTES = 40_000
_SPREAD = 1.53
_LARGEST_BYTES = 12_000_000

REPO, ARCH = "AppStream", "x86_64"
_DONE = ".done"


def appstream_like(random: Random) -> int:
    return min(int(random.lognormvariate(0, _SPREAD) * _MEDIAN_BYTES), _LARGEST_BYTES)


def tiny(random: Random) -> int:
    return 0


def small(random: Random) -> int:
    return random.randint(10_000, 30_000)


Sizes = Callable[[Random], int]


def package_specs(number: int, sizes: Sizes, version: str = "1.0") -> Iterator[RpmSpec]:
    random = Random(1)
    for index in range(number):
        size = sizes(random)
        yield RpmSpec(
            name=f"bench-{index:05d}",
            version=version,
            size=size,
            requires=("/bin/sh", f"bench-{max(index - 1, 0):05d} >= 1.0"),
            provides=(f"libbench{index}.so.1()(64bit)",),
        )


def _build(job: tuple[list[RpmSpec], Path, SigningKey]) -> None:
    build_rpms(*job)


def build_tree(
    root: Path, key: SigningKey, packages: int, sizes: Sizes = appstream_like
) -> UpstreamTree:
    """A tree with one repository of that many packages; kept for the next run."""
    tree = UpstreamTree(root, "9.2", key)
    tree.add(REPO, ARCH, [])
    if (root / _DONE).exists():
        return tree
    shutil.rmtree(root, ignore_errors=True)
    folder = tree.os_dir(REPO, ARCH) / "Packages"
    specs = list(package_specs(packages, sizes))
    with Pool(2) as pool:
        jobs = [(specs[i : i + 50], folder, key) for i in range(0, len(specs), 50)]
        pool.map(_build, jobs, chunksize=1)
    tree.publish()
    (root / _DONE).touch()
    return tree


def part(tree: UpstreamTree, root: Path, packages: int) -> UpstreamTree:
    """A tree with the first so many packages of another."""
    smaller = UpstreamTree(root, "9.2", tree.key)
    smaller.add(REPO, ARCH, [])
    if not (root / _DONE).exists():
        shutil.rmtree(root, ignore_errors=True)
        smaller.add_files(REPO, ARCH, tree.packages(REPO, ARCH)[:packages])
        smaller.publish()
        (root / _DONE).touch()
    return smaller


def advance(tree: UpstreamTree, root: Path, percent: int) -> UpstreamTree:
    """A copy at `root` in which so many percent of the packages have a new version."""
    if (root / _DONE).exists():
        later = UpstreamTree(root, "9.2", tree.key)
        later.add(REPO, ARCH, [])
        return later
    shutil.rmtree(root, ignore_errors=True)
    later = tree.copy(root)
    (root / _DONE).unlink()
    number = len(tree.packages(REPO, ARCH))
    specs = list(package_specs(number, appstream_like, version="2.0"))
    later.add(REPO, ARCH, specs[:: 100 // percent])
    later.publish()
    (root / _DONE).touch()
    return later


def build_many(root: Path, key: SigningKey, repos: int, arches: int) -> UpstreamTree:
    """A release with all its repositories and arches, small ones."""
    tree = UpstreamTree(root, "9.2", key)
    if (root / _DONE).exists():
        return tree
    shutil.rmtree(root, ignore_errors=True)
    for repo in range(repos):
        for arch in range(arches):
            tree.add(f"Repo{repo}", f"arch{arch}", [RpmSpec(f"only-{repo}-{arch}", arch="noarch")])
    tree.publish()
    (root / _DONE).touch()
    return tree
