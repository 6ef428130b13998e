"""`tuxmirror verify` and `tuxmirror prune`."""

from __future__ import annotations

import argparse
from typing import Any

from ..core.config import Config
from ..core.errors import ConfigError

_KEEP = 10


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "verify",
        help="read again all that is kept and shown, and compare it",
        description="Reads every file of the snapshots in use and of what channels show, and"
        " compares it with what was verified when it came. Exit status 4 where damage remains.",
    )
    command.add_argument("tree", nargs="*", metavar="TREE", help="such as almalinux/9.2")
    command.add_argument(
        "--repair", action="store_true", help="fetch what is damaged or lost again, and verify it"
    )
    command.add_argument("--json", action="store_true", help="one event a line")
    command.add_argument("-q", "--quiet", action="store_true", help="trouble alone")
    command.set_defaults(handler=run_verify)
    command = commands.add_parser(
        "prune",
        help="remove what nobody needs any more",
        description="Removes snapshots that no channel shows, and files that nothing names. What a"
        " channel shows, the grace time needs, or was verified last, always stays.",
    )
    command.add_argument("--dry-run", action="store_true", help="say what would go, change nothing")
    command.add_argument(
        "--keep",
        type=int,
        default=_KEEP,
        metavar="N",
        help="the newest snapshots of each tree stay (default: %(default)s)",
    )
    command.add_argument("--json", action="store_true", help="one event a line")
    command.add_argument("-q", "--quiet", action="store_true", help="trouble alone")
    command.set_defaults(handler=run_prune)


def run_verify(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.verify import verify

    trees = [config.tree(name) for name in args.tree] or list(config.trees.values())
    return verify(_mirror(config, args), trees, args.repair)


def run_prune(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.prune import prune

    if args.keep < 0:
        raise ConfigError("--keep", expected="0 or more", found=str(args.keep))
    mirror = _mirror(config, args)
    prune(mirror, args.keep, args.dry_run)
    mirror.reporter.event("done", exit_status=0)
    return 0


def _mirror(config: Config, args: argparse.Namespace) -> Any:
    from ..adapters.reporters import JsonReporter, PlainReporter
    from .wiring import make_mirror

    return make_mirror(config, JsonReporter() if args.json else PlainReporter(quiet=args.quiet))
