"""`./dev bench tracker`: 5,000 advisories and 15,000 CVEs, from nothing and with one more.

One more is measured twice: the first makes the list of advisories a part longer, so that all of
its parts change; the second does not, as most do not. Each is a catalogue of its own, for a run
is a process of its own and finds nothing computed.

The target: 30 s and 2 s, and a first page of 100 kB with its style and script.
"""

from __future__ import annotations

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
    rows: list[Row] = []
    mirror = _mirror(folder)
    for more, what in enumerate(("from nothing", "one more advisory", "and one more")):
        known = catalogue(ADVISORIES, CVES)
        for number in range(more):
            known = with_one_more(known, number)
        files = _timed(rows, f"{what}: pages", lambda known=known: _make(mirror, known))
        part = sites.part("tracker", sites.digest(what), files)
        _timed(rows, f"{what}: switch", lambda part=part: _publish(mirror, part))
    shown = folder / "public" / "vetted"
    first = [(shown / path).stat().st_size for path in (paths.INDEX, paths.STYLE, paths.SCRIPT)]
    rows.append(("first page, style and script", 0.0, 0.0, f"{sum(first):,} bytes"))
    shutil.rmtree(folder)
    return rows


def _mirror(folder: Path) -> types.SimpleNamespace:
    folder.mkdir(parents=True)
    state, pool = FileState(folder / "store"), FilePool(folder / "store" / "pool")
    publisher = FilePublisher(folder / "public", folder / "store", pool, state)
    return types.SimpleNamespace(
        state=state, pool=pool, publisher=publisher, pages=JinjaPages, tool="bench"
    )


def _make(mirror: types.SimpleNamespace, known: Catalogue) -> list[File]:
    release, pins = fips.parse(_MANIFEST.read_text(), str(_MANIFEST))
    _, made = Maker(mirror, "vetted").make(known, _NOTHING, {release: pins}, (), END)
    return [File(path, sha256, size) for path, (_, sha256, size) in made.items()]


def _publish(mirror: types.SimpleNamespace, part: sites.SitePart) -> list[File]:
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
        *(f"| {what} | {wall:.1f} | {cpu:.1f} | {said} |" for what, wall, cpu, said in rows),
    ]
    return "\n".join(lines) + "\n"
