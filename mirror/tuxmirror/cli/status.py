"""`tuxmirror status`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from ..core import health, statuspage
from ..core.config import Config
from ..core.errors import StorageError

_COLOURS = {health.OK: "32", health.ATTENTION: "33", health.TROUBLE: "31"}
_HEADING = ("channel", "snapshot", "packages", "made")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "status",
        help="what is published, how old, what needs you",
        description="What each channel shows of each tree, and what a person should look at.",
    )
    parser.add_argument("tree", nargs="*", metavar="TREE", help="such as almalinux/9.2")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--write",
        action="store_true",
        help="print nothing; write the page (status_page) and Prometheus' metrics (metrics_file)",
    )
    parser.set_defaults(handler=run)


def run(config: Config, args: argparse.Namespace) -> int:
    if args.write:
        write(config)
        return 0
    found = _status(config, args.tree)
    if args.json:
        print(json.dumps({"trees": found}, indent=2))
    else:
        colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print("\n".join(_lines(found, time.time(), colours)))
    return 0


def refresh(config: Config) -> None:
    """After a command that changed something: the pages that are wanted say so.

    Raises StorageError.
    """
    if config.status_page or config.metrics_file:
        write(config)


def write(config: Config) -> None:
    """Raises StorageError."""
    from ..adapters import metrics_textfile
    from ..adapters.files import storage_errors, write_atomically
    from .wiring import TOOL

    found = _status(config, ())
    now = time.time()
    page = config.status_page or config.store / "status" / "index.html"
    metrics = config.metrics_file or config.store / "status" / "tuxmirror.prom"
    for path in (page, metrics):
        if path.parent == config.store / "status":
            with storage_errors(path):
                path.parent.mkdir(exist_ok=True)
        elif not path.parent.is_dir():
            raise StorageError(
                f"{path} is not written: there is no directory {path.parent}",
                way_out="make it, writable for the user that runs tuxmirror",
            )
    write_atomically(page, statuspage.render(found, now, TOOL))
    metrics_textfile.write(metrics, found, now)


def _status(config: Config, names: Sequence[str]) -> list[dict[str, Any]]:
    from ..adapters.reporters import JsonReporter
    from ..usecases.status import status
    from .wiring import make_mirror

    trees = [config.tree(name) for name in names] or list(config.trees.values())
    return status(make_mirror(config, JsonReporter()), trees)


def _lines(trees: Sequence[dict[str, Any]], now: float, colours: bool) -> list[str]:
    lines = [line for tree in trees for line in _tree_lines(tree, now, colours)]
    return [*lines, statuspage.summary(trees)]


def _tree_lines(tree: dict[str, Any], now: float, colours: bool) -> list[str]:
    level = tree["level"]
    lines = [f"{tree['tree']}  {_coloured(statuspage.word(level), level, colours)}"]
    rows = [_HEADING, *_rows(tree, now)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for channel, snapshot, packages, made in rows:
        cells = f"{channel:<{widths[0]}}  {snapshot:<{widths[1]}}  {packages:>{widths[2]}}  {made}"
        lines.append(f"  {cells}".rstrip())
    lines.append(f"  {', '.join(statuspage.facts(tree, now))}")
    for finding in tree["findings"]:
        lines.append(f"  {_coloured('! ' + finding['text'], finding['level'], colours)}")
    if tree["last_error"] and tree["last_error"].get("way_out"):
        lines.append(f"    way out: {tree['last_error']['way_out']}")
    for error in tree["quarantine"]:
        lines.append(f"    {error.get('path')}: {error['message']}")
        lines.append(f"    {error['file']}")
    return [*lines, ""]


def _rows(tree: dict[str, Any], now: float) -> list[tuple[str, str, str, str]]:
    states = {**tree["channels"], "candidate": tree["candidate"]}
    return [(name, *_cells(state, now)) for name, state in states.items()]


def _cells(state: dict[str, Any] | None, now: float) -> tuple[str, str, str]:
    if state is None:
        return "nothing", "", ""
    if "error" in state:
        return str(state.get("snapshot", "?")), "?", str(state["message"])
    kept = f", {state['retained']} expired files kept" if state.get("retained") else ""
    made = f"{health.ago(state['created'], now)}{kept}"
    return state["snapshot"], str(state["packages"]), made


def _coloured(text: str, level: str, colours: bool) -> str:
    return f"\x1b[{_COLOURS[level]}m{text}\x1b[0m" if colours else text
