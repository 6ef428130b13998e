"""`./dev bench tracker`: 5,000 advisories and 15,000 CVEs, from nothing and with one more.

One more is measured twice: the first makes the list of advisories a part longer; the second does
not, as most do not. Each is a process of its own, as a run is: it loads what it needs, compiles the
templates, and finds nothing computed. The model itself is there before, as the other formats of the
same publish have asked for it.

The target: 30 s and 2 s, and a first page of 100 kB with its style and script.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.support.catalogues import END, catalogue, with_one_more
from tuxmirror.adapters.pages import JinjaPages
from tuxmirror.adapters.pool import FilePool
from tuxmirror.adapters.publisher import FilePublisher
from tuxmirror.adapters.state import FileState
from tuxmirror.core import fips
from tuxmirror.core import site as sites
from tuxmirror.core.advisory.catalogue import Catalogue
from tuxmirror.core.ledger import Ledger
from tuxmirror.core.snapshot import File
from tuxmirror.core.tracker import paths
from tuxmirror.usecases.publications import Planned
from tuxmirror.usecases.tracker import Maker

ADVISORIES, CVES = 5000, 15_000
_MANIFEST = Path(__file__).parents[1] / "packaging" / "fips" / "almalinux-9.2.conf"
_NOTHING = Planned(Ledger({}, frozenset(), frozenset()), b"", None)
_Result = TypeVar("_Result")
# What, wall clock, processor time, what came of it.
Row = tuple[str, float, float, str]


def run(folder: Path) -> list[Row]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows: list[Row] = []
    for more, what in enumerate(("from nothing", "one more advisory", "and one more")):
        with multiprocessing.get_context("spawn").Pool(1) as process:
            rows += process.apply(_publish, (folder, more, what))
    shown = folder / "public" / "vetted"
    first = [(shown / path).stat().st_size for path in (paths.INDEX, paths.STYLE, paths.SCRIPT)]
    rows.append(("first page, style and script", 0.0, 0.0, f"{sum(first):,} bytes"))
    shutil.rmtree(folder)
    return rows


def _publish(folder: Path, more: int, what: str) -> list[Row]:
    rows: list[Row] = []
    known = catalogue(ADVISORIES, CVES)
    for number in range(more):
        known = with_one_more(known, number)
    mirror = _mirror(folder)
    files = _timed(rows, f"{what}: pages", lambda: _make(mirror, known))
    _timed(rows, f"{what}: switch", lambda: _switch(mirror, what, files))
    return rows


def _mirror(folder: Path) -> types.SimpleNamespace:
    state, pool = FileState(folder / "store"), FilePool(folder / "store" / "pool")
    publisher = FilePublisher(folder / "public", folder / "store", pool, state)
    return types.SimpleNamespace(
        state=state, pool=pool, publisher=publisher, pages=JinjaPages, tool="bench"
    )


def _make(mirror: types.SimpleNamespace, known: Catalogue) -> list[File]:
    release, pins = fips.parse(_MANIFEST.read_text(), str(_MANIFEST))
    _, made = Maker(mirror, "vetted").make(known, _NOTHING, {release: pins}, (), END)
    mirror.pool.flush()
    return [File(path, sha256, size) for path, (_, sha256, size) in made.items()]


def _switch(mirror: types.SimpleNamespace, what: str, files: list[File]) -> list[File]:
    part = sites.part("tracker", sites.digest(what), files)
    mirror.publisher.publish_site("vetted", [part])
    return list(part.files)


def _timed(rows: list[Row], what: str, work: Callable[[], list[File]]) -> list[File]:
    start, spent = time.perf_counter(), time.process_time()
    files = work()
    wall, cpu = time.perf_counter() - start, time.process_time() - spent
    size = sum(file.size for file in files) / 1e6
    rows.append((what, wall, cpu, f"{len(files):,} files, {size:.0f} MB"))
    return files


def markdown(rows: list[Row]) -> str:
    lines = [
        f"# The tracker: {ADVISORIES:,} advisories, {CVES:,} CVEs",
        "",
        f"`./dev bench tracker`, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}: what is"
        " more than 1 is others at work, and the processor time is what counts then.",
        "",
        "| | seconds | processor | |",
        "|---|---:|---:|---|",
        *(f"| {what} | {wall:.2f} | {cpu:.2f} | {said} |" for what, wall, cpu, said in rows),
    ]
    return "\n".join(lines) + "\n"
