"""The arguments of `tuxctl status`."""

import argparse

from tuxctl.commands import Adder, Command, add_json


def add(adder: Adder) -> None:
    text = "show registration, release, FIPS mode and repositories"
    parser = adder.add("status", text, _make, network=True)
    add_json(parser)
    parser.add_argument("--offline", action="store_true", help="ask no server")


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl.status import status

    return lambda context: status(context, arguments.json, arguments.offline)
