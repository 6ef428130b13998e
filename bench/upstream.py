"""The upstream that is measured: real signed packages, metadata of a large repository.

Built once into `build/bench/` and reused. Sizes follow AlmaLinux's AppStream: mostly small
packages, a few large ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
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


def package_specs(number: int, seed: int = 1, version: str = "1.0") -> Iterator[RpmSpec]:
    random = Random(seed)
    for index in range(number):
        size = min(int(random.lognormvariate(0, _SPREAD) * _MEDIAN_BYTES), _LARGEST_BYTES)
        yield RpmSpec(
            name=f"bench-{index:05d}",
            version=version,
            size=size,
            requires=("/bin/sh", f"bench-{max(index - 1, 0):05d} >= 1.0"),
            provides=(f"libbench{index}.so.1()(64bit)",),
        )


def _build(job: tuple[list[RpmSpec], Path, SigningKey]) -> None:
    build_rpms(*job)


def build_tree(root: Path, key: SigningKey, packages: int) -> UpstreamTree:
    """A tree with one repository of that many packages; kept for the next run."""
    tree = UpstreamTree(root, "9.2", key)
    done = root / ".done"
    folder = tree.os_dir("AppStream", "x86_64") / "Packages"
    if not done.exists():
        shutil.rmtree(root, ignore_errors=True)
        folder.mkdir(parents=True)
        specs = list(package_specs(packages))
        with Pool(2) as pool:
            jobs = [(specs[i : i + 50], folder, key) for i in range(0, len(specs), 50)]
            pool.map(_build, jobs, chunksize=1)
    tree.add("AppStream", "x86_64", [])
    if not done.exists():
        tree.publish()
        done.touch()
    return tree
