"""The arguments of `tuxctl validate`."""

import argparse

from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    parser = adder.add("validate", "say whether this host is registered", _make)
    parser.add_argument("--show-token", action="store_true", help="print the token itself")


def _make(arguments: argparse.Namespace) -> Command:
    return command(arguments.show_token)


def command(show_token: bool = False) -> Command:
    from tuxctl.validate import validate

    return lambda context: validate(context, show_token)
