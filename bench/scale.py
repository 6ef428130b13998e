"""`./dev bench scale`: what each engine costs, in requests, bytes and seconds, against packages.

The same sync, with store and published tree in folders, in a one-node Ceph, and there with two
Dask workers. Requests are counted by a proxy in a run of their own, on a double of S3. Writes a
table and a plot to bench/results/.

<folder>/scale-<packages>[-later]/            upstreams, built once
<folder>/scale/<packages>-<engine>.json       what was measured of one engine, with its commit: a
                                              bench that was stopped goes on with --resume
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.dask import Dask
from tests.support.httpd import Httpd
from tests.support.keys import SigningKey
from tests.support.mirror import MirrorSite, run
from tests.support.s3 import Ceph, Moto, S3Service, surroundings
from tests.support.s3_faults import FaultyS3
from tests.support.tree import UpstreamTree

from . import kept, plot
from .keys import bench_key
from .upstream import REPO, advance, build_tree, part

RESULTS = Path(__file__).parent / "results"
FOLDER = Path(__file__).parents[1] / "build" / "bench"
TREE = "almalinux/9.2"
ENGINES = ("folders", "Ceph", "Ceph, 2 workers")
SIZES = [300, 1000, 3000]
WORKS = ("first sync", "nothing changed", "1 % changed", "rollback")


class Point(NamedTuple):
    """Seconds on the wall; CPU seconds of tuxmirror and its children, without services, and of the
    workers; the most memory that one process had, tuxmirror's or a worker's, in bytes."""

    engine: str
    packages: int
    work: str
    seconds: float
    cpu: float
    workers_cpu: float
    memory: int


Cost = tuple[float, float, float, int]


def measure(site: MirrorSite, dask: Dask | None, *arguments: str) -> Cost:
    site.write_conf()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = dask.cpu_seconds() if dask else 0.0
    started = time.monotonic()
    done = run(site.command(*arguments), site.environment, 600)
    seconds = time.monotonic() - started
    if done.status:
        raise RuntimeError(repr(done))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peaks = dask.peak_rss() if dask else []
    workers = dask.cpu_seconds() - spent if dask else 0.0
    return seconds, cpu, workers, max([done.max_rss, *peaks])


@contextlib.contextmanager
def made_site(key: SigningKey, url: str, service: S3Service | None) -> Iterator[MirrorSite]:
    folder = Path(tempfile.mkdtemp(prefix="bench-scale-", dir=FOLDER))
    site = MirrorSite(folder)
    site.add_tree(TREE, key, repos=REPO, upstream=f"{url}/9.2")
    if service is not None:
        bucket = service.bucket()
        site.main["local"] = site.store
        site.main["store"] = f"s3://{bucket}/store"
        site.main["public"] = f"s3://{bucket}/public"
    try:
        with surroundings(service.environment if service else {}):
            yield site
    finally:
        shutil.rmtree(folder)


def works(
    site: MirrorSite, server: Httpd, later: Path, dask: Dask | None = None
) -> Iterator[tuple[str, Cost]]:
    yield "first sync", measure(site, dask, "sync")
    yield "nothing changed", measure(site, dask, "sync")
    earlier, server.root = server.root, later
    yield "1 % changed", measure(site, dask, "sync")
    server.root = earlier
    yield "rollback", measure(site, dask, "rollback", TREE)


class Piece(NamedTuple):
    """What was measured of one engine with so many packages; `load` is the machine's before."""

    commit: str
    load: float
    points: list[Point]


def upstreams(key: SigningKey, sizes: list[int]) -> dict[int, tuple[UpstreamTree, UpstreamTree]]:
    """By size: a tree, and the same a day later."""
    whole = build_tree(FOLDER / f"scale-{max(sizes)}", key, max(sizes))
    found = {}
    for number in sizes:
        tree = whole if number == max(sizes) else part(whole, FOLDER / f"scale-{number}", number)
        found[number] = tree, advance(tree, FOLDER / f"scale-{number}-later", 1)
    return found


def piece(
    key: SigningKey, trees: tuple[UpstreamTree, UpstreamTree], number: int, engine: str
) -> Piece:
    """All works once, on a new store."""
    load = kept.machine_load()
    tree, later = trees
    with contextlib.ExitStack() as stack:
        service = None if engine == "folders" else stack.enter_context(Ceph())
        server = stack.enter_context(Httpd(tree.root))
        site = stack.enter_context(made_site(key, server.url, service))
        dask = None
        if service and engine.endswith("workers"):
            dask = stack.enter_context(Dask(service.environment))
            site.main["workers"] = dask.address
        found = works(site, server, later.root, dask)
        points = [Point(engine, number, work, *cost) for work, cost in found]
    return Piece(kept.commit(), load, points)


def pieces(key: SigningKey, sizes: list[int], resume: bool) -> Iterator[Piece]:
    """Each is kept as soon as it is measured."""
    folder = FOLDER / "scale"
    folder.mkdir(parents=True, exist_ok=True)
    trees = upstreams(key, sizes)
    for number in sizes:
        for engine in ENGINES:
            file = folder / f"{number}-{re.sub('[^a-z0-9]+', '-', engine.lower())}.json"
            known = _load(file) if resume and file.exists() else None
            if known is None or known.commit != kept.commit():
                print(f"-- {number:,} packages, {engine}", file=sys.stderr, flush=True)
                known = piece(key, trees[number], number, engine)
                file.write_text(json.dumps(known, indent=1))
            yield known


def _load(file: Path) -> Piece:
    commit, load, points = json.loads(file.read_text())
    return Piece(commit, load, [Point(*point) for point in points])


def requests(key: SigningKey, number: int) -> dict[str, collections.Counter[str]]:
    """By work: how often each method was asked for."""
    whole = build_tree(FOLDER / f"scale-{number}", key, number)
    later = advance(whole, FOLDER / f"scale-{number}-later", 1)
    found = {}
    with (
        Moto() as moto,
        FaultyS3(moto) as proxy,
        Httpd(whole.root) as server,
        made_site(key, server.url, proxy) as site,
    ):
        for work, _ in works(site, server, later.root):
            found[work] = collections.Counter(method for method, _, _ in proxy.requests)
            proxy.requests.clear()
    return found


def markdown(found: list[Piece], counted: dict[str, collections.Counter[str]], number: int) -> str:
    measured = [point for piece in found for point in piece.points]
    loads = [piece.load for piece in found]
    lines = [
        "# Engines: folders, S3, workers",
        "",
        f"{os.cpu_count()} cores, the machine's load before each of them {min(loads):.1f} to"
        f" {max(loads):.1f}, commit {', '.join(sorted({piece.commit for piece in found}))}. Ceph"
        " and the upstream run on the same cores, and are in the wall alone.",
        "",
        f"| packages | work | {' | '.join(f'{e}: wall s | CPU s' for e in ENGINES)} | of workers |",
        f"|---|---|{'---|' * (2 * len(ENGINES) + 1)}",
    ]
    by = {(p.packages, p.work, p.engine): p for p in measured}
    for size in sorted({p.packages for p in measured}):
        for work in WORKS:
            cells = [
                f"{by[size, work, e].seconds:.2f} | {by[size, work, e].cpu:.2f}" for e in ENGINES
            ]
            cells.append(f"{by[size, work, ENGINES[-1]].workers_cpu:.2f}")
            lines.append(f"| {size:,} | {work} | {' | '.join(cells)} |")
    lines += [
        "",
        "The most memory that one process had in a first sync, in MiB; with workers, the largest of"
        " them and of the one that gives out the work:",
        "",
        f"| packages | {' | '.join(ENGINES)} |",
        f"|---|{'---|' * len(ENGINES)}",
    ]
    for size in sorted({p.packages for p in measured}):
        cells = [f"{by[size, WORKS[0], e].memory >> 20}" for e in ENGINES]
        lines.append(f"| {size:,} | {' | '.join(cells)} |")
    methods = sorted({method for counts in counted.values() for method in counts})
    lines += [
        "",
        f"Requests to the store, {number:,} packages (a GET may be a LIST; POST removes in bulk):",
        "",
        f"| work | {' | '.join(methods)} |",
        f"|---|{'---|' * len(methods)}",
    ]
    for work, counts in counted.items():
        lines.append(f"| {work} | {' | '.join(str(counts[m]) for m in methods)} |")
    return "\n".join([*lines, ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=int, nargs="+", default=SIZES)
    parser.add_argument("--resume", action="store_true",
                        help="only what was not measured of this commit")  # fmt: skip
    parser.add_argument("--prepare", action="store_true", help="build the upstreams, no more")
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    key = bench_key(FOLDER / "keys")
    if args.prepare:
        upstreams(key, sorted(args.packages))
        return 0
    bench(key, args.packages, args.resume)
    return 0


def bench(key: SigningKey, sizes: list[int], resume: bool = False) -> None:
    """Measures with so many packages, writes table and plot."""
    found = list(pieces(key, sorted(sizes), resume))
    counted = requests(key, min(sizes))
    text = markdown(found, counted, min(sizes))
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.md").write_text(text)
    measured = [point for piece in found for point in piece.points]
    lines = {
        f"{engine}: {work}": [
            (float(p.packages), max(p.cpu + p.workers_cpu, 0.01))
            for p in measured
            if (p.engine, p.work) == (engine, work)
        ]
        for work in ("first sync", "nothing changed")
        for engine in ENGINES
    }
    (RESULTS / "scale.svg").write_text(plot.svg(lines, "packages", "CPU seconds, workers included"))


if __name__ == "__main__":
    raise SystemExit(main())
