"""`tuxmirror sync`."""

from __future__ import annotations

import argparse

from ..core.config import Config
from ..core.errors import ConfigError


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "sync",
        help="fetch what changed, verify all of it, make a snapshot, publish",
        description="Fetch what changed upstream, verify every signature and digest, make a"
        " snapshot and publish it with one switch. Without a TREE: all of the configuration.",
    )
    parser.add_argument("tree", nargs="*", metavar="TREE", help="such as almalinux/9.2")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be fetched, change nothing"
    )
    parser.add_argument(
        "--no-publish", action="store_true", help="make the snapshot, publish nothing"
    )
    parser.add_argument(
        "--allow-rollback", action="store_true", help="accept an upstream older than before"
    )
    parser.add_argument(
        "--allow-mass-change",
        action="store_true",
        help="let published names get other bytes (upstream rebuilt them on purpose)",
    )
    parser.add_argument("--json", action="store_true", help="one event a line")
    parser.add_argument("-q", "--quiet", action="store_true", help="warnings and errors alone")
    parser.set_defaults(handler=run, changes=True)


def run(config: Config, args: argparse.Namespace) -> int:
    from ..adapters.reporters import JsonReporter, PlainReporter
    from ..usecases.sync import Options, sync
    from .wiring import make_mirror

    if not config.trees:
        raise ConfigError(
            f"{args.config}: no tree is configured", expected="a section such as [almalinux/9.2]"
        )
    trees = [config.tree(name) for name in args.tree] or list(config.trees.values())
    reporter = JsonReporter() if args.json else PlainReporter(quiet=args.quiet)
    options = Options(
        dry_run=args.dry_run,
        publish=not args.no_publish,
        allow_rollback=args.allow_rollback,
        allow_mass_change=args.allow_mass_change,
    )
    return sync(make_mirror(config, reporter), trees, options)
