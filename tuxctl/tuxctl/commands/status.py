"""The arguments of `tuxctl status`."""

import argparse

from tuxctl.commands import Adder, Command, add_json


def add(adder: Adder) -> None:
    text = "show registration, release, FIPS mode and repositories"
    add_json(adder.add("status", text, _make, network=True))


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl.status import status

    return lambda context: status(context, arguments.json)
