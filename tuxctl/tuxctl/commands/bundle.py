"""The arguments of `tuxctl support-bundle`."""

import argparse

from tuxctl.commands import Adder, Command, add_json


def add(adder: Adder) -> None:
    text = "pack what support needs to see, without secrets"
    parser = adder.add("support-bundle", text, _make, network=True)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="where to write it; else here, named after the host"
    )
    parser.add_argument("--dry-run", action="store_true", help="list it, write nothing")
    parser.add_argument("--offline", action="store_true", help="ask no server")
    add_json(parser)


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl.bundle import write

    return lambda context: write(
        context, arguments.output, arguments.dry_run, arguments.json, arguments.offline
    )
