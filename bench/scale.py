"""`./dev bench scale`: what each engine costs, in requests, bytes and seconds, against packages.

The same sync, with store and published tree in folders, in a one-node Ceph, and there with two
Dask workers. Requests are counted by a proxy in a run of their own, on a double of S3. Writes a
table and a plot to bench/results/.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import resource
import shutil
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

from . import plot
from .keys import bench_key
from .upstream import REPO, advance, build_tree, part

RESULTS = Path(__file__).parent / "results"
FOLDER = Path(__file__).parents[1] / "build" / "bench"
TREE = "almalinux/9.2"
ENGINES = ("folders", "Ceph", "Ceph, 2 workers")
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


def points(key: SigningKey, sizes: list[int]) -> Iterator[Point]:
    whole = build_tree(FOLDER / f"scale-{max(sizes)}", key, max(sizes))
    with Ceph() as ceph:
        for number in sizes:
            tree = (
                whole if number == max(sizes) else part(whole, FOLDER / f"scale-{number}", number)
            )
            later = advance(tree, FOLDER / f"scale-{number}-later", 1)
            for engine in ENGINES:
                service = None if engine == "folders" else ceph
                with contextlib.ExitStack() as stack:
                    server = stack.enter_context(Httpd(tree.root))
                    site = stack.enter_context(made_site(key, server.url, service))
                    dask = None
                    if engine.endswith("workers"):
                        dask = stack.enter_context(Dask(ceph.environment))
                        site.main["workers"] = dask.address
                    for work, cost in works(site, server, later.root, dask):
                        yield Point(engine, number, work, *cost)


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


def markdown(
    measured: list[Point], counted: dict[str, collections.Counter[str]], number: int
) -> str:
    cores, load = os.cpu_count(), os.getloadavg()[0]
    lines = [
        "# Engines: folders, S3, workers",
        "",
        f"{cores} cores, load {load:.0f} at the end: compare CPU seconds, and the wall only within"
        " a row.",
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
    parser.add_argument("--packages", type=int, nargs="+", default=[300, 1000, 3000])
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    bench(bench_key(FOLDER / "keys"), args.packages)
    return 0


def bench(key: SigningKey, sizes: list[int]) -> None:
    """Measures with so many packages, writes table and plot."""
    measured = list(points(key, sorted(sizes)))
    counted = requests(key, min(sizes))
    text = markdown(measured, counted, min(sizes))
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.md").write_text(text)
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
