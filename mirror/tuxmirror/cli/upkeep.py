"""`tuxmirror verify` and `tuxmirror prune`."""

from __future__ import annotations

import argparse
from typing import Any

from ..core.config import Config, duration, url
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
    command.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        metavar="URL",
        help="with --repair: another root of the tree, such as https://vault.almalinux.org/9.2",
    )
    command.add_argument("--json", action="store_true", help="one event a line")
    command.add_argument("-q", "--quiet", action="store_true", help="trouble alone")
    command.set_defaults(handler=run_verify, changes=True)
    command = commands.add_parser(
        "prune",
        help="remove what nobody needs any more",
        description="Removes snapshots that no channel shows, and files that nothing names. What a"
        " channel shows, the grace time needs, or was verified last, always stays.",
    )
    command.add_argument("tree", nargs="*", metavar="TREE", help="of these alone (default: all)")
    command.add_argument("--dry-run", action="store_true", help="say what would go, change nothing")
    command.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help=f"the newest snapshots of each tree stay (default: {_KEEP}; with --older-than: none)",
    )
    command.add_argument(
        "--older-than", metavar="AGE", help="what is younger stays, such as 90d or 12w"
    )
    command.add_argument(
        "--channel", metavar="C", help="those alone that this channel showed, and shows no more"
    )
    command.add_argument(
        "--snapshot", metavar="ID", help="this one and no other; refused where a channel shows it"
    )
    command.add_argument("--json", action="store_true", help="one event a line")
    command.add_argument("-q", "--quiet", action="store_true", help="trouble alone")
    command.set_defaults(handler=run_prune, changes=True)


def run_verify(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.verify import verify

    trees = [config.tree(name) for name in args.tree] or list(config.trees.values())
    sources = [_root(text) for text in args.sources]
    if sources and not args.repair:
        raise ConfigError("--from says where to repair from", way_out="say --repair as well")
    return verify(_mirror(config, args), trees, args.repair, sources)


def _root(text: str) -> str:
    try:
        return url(text)
    except ValueError as error:
        raise ConfigError(f"--from {text}: {error}") from None


def run_prune(config: Config, args: argparse.Namespace) -> int:
    from ..usecases.prune import prune

    choice = _choice(args)
    mirror = _mirror(config, args)
    prune(mirror, choice, args.dry_run)
    mirror.reporter.event("done", exit_status=0)
    return 0


def _choice(args: argparse.Namespace) -> Any:
    from ..usecases.prune import Choice

    keep = args.keep
    if keep is None:
        keep = 0 if args.older_than else _KEEP
    if keep < 0:
        raise ConfigError("--keep", expected="0 or more", found=str(keep))
    older_than = 0
    if args.older_than:
        try:
            older_than = duration(args.older_than)
        except ValueError as error:
            raise ConfigError(f"--older-than {args.older_than}: {error}") from None
    return Choice(tuple(args.tree), keep, older_than, args.channel, args.snapshot)


def _mirror(config: Config, args: argparse.Namespace) -> Any:
    from ..adapters.reporters import JsonReporter, PlainReporter
    from .wiring import make_mirror

    return make_mirror(config, JsonReporter() if args.json else PlainReporter(quiet=args.quiet))
