"""`tuxmirror publish`, `rollback` and `log`."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from ..core.config import Config
from ..core.errors import ConfigError

_VETTED = "vetted"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("publish", help="make a channel show a snapshot")
    _add_channel(command)
    command.add_argument(
        "--snapshot",
        metavar="ID",
        help="an id, the beginning of one, or a channel that shows it (default: what was verified"
        " last)",
    )
    command.set_defaults(handler=run_publish, changes=True)
    command = commands.add_parser(
        "rollback",
        help="make a channel show again what it showed before",
        description="At once. What the channel is taken away from is not published there again"
        " by sync; `publish --snapshot` does.",
    )
    _add_channel(command)
    command.add_argument(
        "--steps", type=int, default=1, metavar="N", help="how many publishes (default: 1)"
    )
    command.set_defaults(handler=run_rollback, changes=True)
    command = commands.add_parser("log", help="who made channels show what")
    command.add_argument("tree", nargs="*", metavar="TREE", help="such as almalinux/9.2")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=run_log)


def _add_channel(command: argparse.ArgumentParser) -> None:
    command.add_argument("tree", metavar="TREE", help="such as almalinux/9.2")
    command.add_argument("--channel", default=_VETTED, metavar="C", help="(default: %(default)s)")
    command.add_argument(
        "--allow-mass-change",
        action="store_true",
        help="let published names get other bytes (they were rebuilt on purpose)",
    )
    command.add_argument("--json", action="store_true", help="one event a line")


def run_publish(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.decisions import publish_snapshot

    tree = config.tree(args.tree)
    mirror = _mirror(config, args)
    publish_snapshot(mirror, tree, args.snapshot, args.channel, args.allow_mass_change)
    mirror.reporter.event("done", exit_status=0)
    return 0


def run_rollback(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.decisions import rollback

    if args.steps < 1:
        raise ConfigError("--steps", expected="1 or more", found=str(args.steps))
    tree = config.tree(args.tree)
    mirror = _mirror(config, args)
    rollback(mirror, tree, args.channel, args.steps, args.allow_mass_change)
    mirror.reporter.event("done", exit_status=0)
    return 0


def _mirror(config: Config, args: argparse.Namespace) -> Any:
    from ..adapters.reporters import JsonReporter, PlainReporter
    from .wiring import make_mirror

    return make_mirror(config, JsonReporter() if args.json else PlainReporter())


def run_log(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.log import log

    # Also of trees that are not configured any more.
    found = log(_mirror(config, args), args.tree)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for entry in found["entries"]:
        print(_line(entry))
    if found["head"]:
        print(f"the chain of {found['total']} entries holds; it ends with {found['head']}")
    else:
        print("nothing was published yet")
    return 0


def _line(entry: dict[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(entry["time"]))
    who = entry["user"]
    if entry.get("sudo_user"):
        who = f"{entry['sudo_user']} as {who}"
    place = " ".join(filter(None, (entry.get("tree"), entry.get("channel"))))
    if "snapshot" in entry:
        what = f"{entry.get('before') or 'nothing'} -> {entry['snapshot']}"
    else:
        what = str(entry.get("pattern", ""))
    what += f" by plan {entry['plan']}" if "plan" in entry else ""
    reason = entry.get("reason") or entry.get("why")
    return f"{when}  {who}  {entry['action']}  {place}  {what}{f': {reason}' if reason else ''}"
