"""The arguments of `tuxctl verify`."""

import argparse

from tuxctl.commands import Adder, Command, add_json


def add(adder: Adder) -> None:
    add_json(adder.add("verify", "compare this host with what was set up, row by row", _make))


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl.verify import verify

    return lambda context: verify(context, arguments.json)
