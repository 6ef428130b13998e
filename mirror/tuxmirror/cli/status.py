"""`tuxmirror status`."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from ..core.config import Config


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("status", help="what is published, how old, what needs you")
    parser.add_argument("tree", nargs="*", metavar="TREE", help="such as almalinux/9.2")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(config: Config, args: argparse.Namespace) -> int:
    from ..adapters.reporters import JsonReporter
    from ..usecases.status import status
    from .wiring import make_mirror

    trees = [config.tree(name) for name in args.tree] or list(config.trees.values())
    found = status(make_mirror(config, JsonReporter()), trees)
    if args.json:
        print(json.dumps({"trees": found}, indent=2))
    else:
        print("\n".join(line for tree in found for line in _lines(tree, time.time())))
    return 0


def _lines(tree: dict[str, Any], now: float) -> list[str]:
    lines = [tree["tree"]]
    for name, shown in tree["channels"].items():
        lines.append(f"  {name:<12}{_shown(shown, now)}")
    candidate = tree["candidate"]
    if candidate and all(candidate != shown for shown in tree["channels"].values()):
        lines.append(f"  {'candidate':<12}{_shown(candidate, now)}")
    synced = _ago(tree["last_sync"], now) if tree["last_sync"] else "never"
    lines.append(f"  {'last sync':<12}{synced}{': failed' if tree['last_error'] else ''}")
    if tree["upstream_time"]:
        lines.append(f"  {'upstream':<12}{_ago(tree['upstream_time'], now)}, by its TIME")
    if tree["metadata_signature"] == "pinned":
        lines.append(f"  {'metadata':<12}without a signature: pinned by SHA-256")
    if tree["last_error"]:
        lines.append(f"  {'error':<12}{tree['last_error']['message']}")
    for error in tree["quarantine"]:
        lines.append(f"  {'quarantine':<12}{error.get('path')}: {error['message']}")
        lines.append(f"  {'':<12}{error['file']}")
    return lines


def _shown(shown: dict[str, Any] | None, now: float) -> str:
    if shown is None:
        return "shows nothing"
    if "error" in shown:
        return f"{shown.get('snapshot', '')} {shown['message']}".strip()
    facts = f"{shown['packages']} packages, made {_ago(shown['created'], now)}"
    return f"{shown['snapshot']}  {facts}"


def _ago(when: int, now: float) -> str:
    """`3 h ago`: the largest unit that gives at least two."""
    age = max(0, int(now - when))
    for unit, seconds in (("days", 86400), ("h", 3600), ("min", 60)):
        if age >= 2 * seconds:
            return f"{age // seconds} {unit} ago"
    return f"{age} s ago"
