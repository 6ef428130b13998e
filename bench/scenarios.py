"""What is measured. Each scenario gives rows for the report; peers run in turn, round by round."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import NamedTuple

from tests.support.fileserver import FileServer
from tests.support.keys import SigningKey
from tests.support.slowline import SlowLine
from tests.support.tree import UpstreamTree

from . import figures, measure, plot, plugin, upstream
from .figures import Figure
from .measure import Cost, Series
from .peers import ONCE, PEERS, Site, tuxmirror_command
from .work import fresh_filesystem

RESULTS = Path(__file__).parent / "results"


class Row(NamedTuple):
    """One line of the report. `ratio` is to what `to` names, `target` the most it may be."""

    work: str
    series: Series
    ratio: float | None = None
    to: str = ""
    target: float | None = None


class Bench:
    """What the scenarios share: upstreams that are built once, rounds, the key."""

    def __init__(self, folder: Path, key: SigningKey, rounds: int, resume: bool = False) -> None:
        self.folder, self.key, self.rounds, self.resume = folder, key, rounds, resume
        folder.mkdir(parents=True, exist_ok=True)

    def tree(self, packages: int, sizes: upstream.Sizes = upstream.appstream_like) -> UpstreamTree:
        root = self.folder / f"upstream-{packages}"
        return upstream.build_tree(root, self.key, packages, sizes)

    @contextlib.contextmanager
    def site(self, root: Path, url: str = "") -> Iterator[Site]:
        """An empty file system, and `root` served; behind another line where `url` is given."""
        with contextlib.ExitStack() as stack:
            address = url or stack.enter_context(FileServer(root)).url
            folder = stack.enter_context(fresh_filesystem(self.folder))
            yield Site(address, root, self.key.public, folder)


def _sync(site: Site, *arguments: str) -> Cost:
    return measure.run(tuxmirror_command(site, "sync", "-q", *arguments))


def first_sync(bench: Bench) -> list[Row]:
    """6,000 packages of about 800 MB, from nothing, against the peers."""
    tree = bench.tree(6000)
    costs: dict[str, list[Cost]] = {name: [] for name in PEERS}
    for number in range(bench.rounds):
        for name, peer in PEERS.items():
            if number and name in ONCE:
                continue
            with bench.site(tree.root) as site:
                costs[name].append(peer(site))
    series = {name: Series(found) for name, found in costs.items()}
    ours, *others = series.items()
    targets = {"dnf reposync": 0.32, "curl -Z (no check at all)": 1.6}
    rows = [Row(f"first sync, 6,000 packages: {ours[0]}", ours[1])]
    for name, found in others:
        ratio = ours[1].seconds / found.seconds
        rows.append(Row(f"the same: {name}", found, ratio, "ours to this", targets.get(name)))
    return rows


def unchanged(bench: Bench) -> list[Row]:
    """Nothing changed upstream: a process from start to end, and whether the size matters."""
    small, large = bench.tree(6000), bench.tree(30000, upstream.tiny)
    costs: dict[int, list[Cost]] = {6000: [], 30000: []}
    with bench.site(small.root) as site, FileServer(large.root) as server:
        beside = site.folder / "large"
        beside.mkdir()
        sites = {6000: site, 30000: Site(server.url, large.root, bench.key.public, beside)}
        for number in range(bench.rounds * 5 + 1):
            for packages in list(sites)[:: -1 if number % 2 else 1]:
                cost = _sync(sites[packages])
                # The first one fetches.
                if number:
                    costs[packages].append(cost)
    series = {packages: Series(found) for packages, found in costs.items()}
    ratio = median(b.processor / a.processor for a, b in zip(*costs.values()))
    return [
        Row("unchanged, 6,000 packages", series[6000], series[6000].seconds, "seconds", 0.35),
        Row("unchanged, 30,000 packages", series[30000], ratio, "to 6,000, in pairs", 1.1),
    ]


def one_percent(bench: Bench) -> list[Row]:
    """60 of 6,000 packages are new."""
    tree = bench.tree(6000)
    later = upstream.advance(tree, bench.folder / "upstream-6000-later", percent=1)
    current = bench.folder / "current"
    first, second = [], []
    for _ in range(bench.rounds):
        _point(current, tree.root)
        with bench.site(current) as site:
            first.append(_sync(site))
            _point(current, later.root)
            second.append(_sync(site))
    whole, part = Series(first), Series(second)
    ratio = (part.seconds - 0.3) / whole.seconds
    return [Row("1 % changed", part, ratio, "(minus 0.3 s) to a first sync", 0.15)]


def _point(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def sixty_repositories(bench: Bench) -> list[Row]:
    """A release with all its arches, nothing changed."""
    tree = upstream.build_many(bench.folder / "upstream-60", bench.key, repos=15, arches=4)
    with bench.site(tree.root) as site:
        config = site.folder / "mirror.conf"
        tuxmirror_command(site)
        text = config.read_text()
        repos = " ".join(f"Repo{number}" for number in range(15))
        arches = " ".join(f"arch{number}" for number in range(4))
        text = text.replace("repos = AppStream", f"repos = {repos}")
        config.write_text(text.replace("arches = x86_64", f"arches = {arches}"))
        _sync(site)
        series = Series([_sync(site) for _ in range(bench.rounds * 2)])
    return [Row("60 repositories, unchanged", series, series.seconds, "seconds", 1.5)]


def slow_line(bench: Bench) -> list[Row]:
    """50 ms round trip, 100 Mbit/s: what matters is how well the line is filled."""
    rows = []
    for packages, kind, what in (
        (2000, upstream.small, "2,000 small packages"),
        (600, upstream.appstream_like, "600 packages as in AppStream"),
    ):
        tree = bench.tree(packages, kind)
        total = sum(path.stat().st_size for path in tree.root.rglob("*") if path.is_file())
        costs = []
        for _ in range(bench.rounds):
            with FileServer(tree.root) as server:
                target = ("127.0.0.1", server.port)
                with (
                    SlowLine(target, rtt=0.05, bits_per_second=100e6) as line,
                    bench.site(tree.root, line.url) as site,
                ):
                    costs.append(_sync(site))
        series = Series(costs)
        ratio = series.seconds / (total * 8 / 100e6)
        name = f"50 ms, 100 Mbit/s: {what}, {total / 1e6:.0f} MB"
        rows.append(Row(name, series, ratio, "to bytes / bandwidth", 1.15))
    return rows


def memory(bench: Bench) -> list[Row]:
    """The most that is resident during a first sync; process and children together."""
    rows = []
    for packages, kind in ((6000, upstream.appstream_like), (30000, upstream.tiny)):
        tree = bench.tree(packages, kind)
        with bench.site(tree.root) as site:
            series = Series([_sync(site)])
        work = f"memory of a first sync, {packages:,} packages"
        rows.append(Row(work, series, series.resident / 1e6, "MB", 150))
    return rows


def snapshot(bench: Bench) -> list[Row]:
    """Publishing 30,000 packages that are verified already."""
    tree = bench.tree(30000, upstream.tiny)
    costs = []
    for _ in range(bench.rounds):
        with bench.site(tree.root) as site:
            _sync(site, "--no-publish")
            subprocess.run(["sync", "-f", str(site.folder)], check=True)
            nothing = _sync(site, "--no-publish")
            published = _sync(site)
            processor = published.processor - nothing.processor
            seconds = published.seconds - nothing.seconds
            costs.append(Cost(seconds, published.resident, processor))
    series = Series(costs)
    return [Row("a snapshot of 30,000 packages, published", series, series.seconds, "seconds", 1)]


def growth(bench: Bench) -> list[Row]:
    """Cost against size, with a plot beside the report."""
    whole = bench.tree(30000, upstream.tiny)
    sizes = (1000, 3000, 10000, 30000)
    lines: dict[str, list[tuple[float, float]]] = {"first sync": [], "unchanged": []}
    rows = []
    for size in sizes:
        tree = upstream.part(whole, bench.folder / f"growth-{size}", size)
        with bench.site(tree.root) as site:
            first = Series([_sync(site)])
            unchanged = Series([_sync(site) for _ in range(bench.rounds)])
        lines["first sync"].append((size, first.seconds))
        lines["unchanged"].append((size, unchanged.seconds))
        rows.append(Row(f"growth: first sync of {size:,} tiny packages", first))
        rows.append(Row(f"growth: the same, unchanged ({size:,})", unchanged))
    RESULTS.mkdir(exist_ok=True)
    text = plot.svg(lines, "packages", "seconds")
    (RESULTS / "cost-against-size.svg").write_text(text)
    return rows


def dnf_plugin(bench: Bench) -> list[Row]:
    """What the DNF plugin adds to a command, in a report of its own."""
    tree = bench.tree(30000, upstream.tiny)
    return _figures("plugin", plugin, plugin.run(tree, bench.rounds))


def registrations(bench: Bench) -> list[Row]:
    """Registration under load: other figures, in a report of their own."""
    from . import registration

    return _figures("registration", registration, registration.run(bench.folder / "registration"))


def serving(bench: Bench) -> list[Row]:
    """nginx with the gate and without, in a report of its own."""
    from . import serving

    return _figures("serving", serving, serving.run(bench.folder / "serving", bench.rounds * 10))


def _figures(name: str, part: ModuleType, found: list[Figure]) -> list[Row]:
    """Writes bench/results/<name>.md; `part` has the report's TITLE and ABOUT."""
    from . import report

    text = figures.markdown(part.TITLE, part.ABOUT, found, report.machine())
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    print(text)
    return []


def advisory_formats(_bench: Bench) -> list[Row]:
    """Writes a table of its own, bench/results/advisories.md."""
    from . import advisories

    advisories.main()
    return []


def engines(bench: Bench) -> list[Row]:
    """Folders, S3, workers: writes its own table."""
    from . import scale

    scale.bench(bench.key, scale.SIZES, bench.resume)
    return []


def tracker_pages(bench: Bench) -> list[Row]:
    """The tracker's pages; in a report of their own."""
    from . import tracker

    text = tracker.markdown(tracker.run(bench.folder / "tracker"))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tracker.md").write_text(text)
    print(text)
    return []


SCENARIOS: dict[str, Callable[[Bench], list[Row]]] = {
    "first": first_sync,
    "unchanged": unchanged,
    "one-percent": one_percent,
    "sixty": sixty_repositories,
    "slow-line": slow_line,
    "memory": memory,
    "snapshot": snapshot,
    "plugin": dnf_plugin,
    "growth": growth,
    "registration": registrations,
    "serving": serving,
    "advisories": advisory_formats,
    "scale": engines,
    "tracker": tracker_pages,
}
