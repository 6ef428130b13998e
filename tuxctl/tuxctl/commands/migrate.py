"""The arguments of `tuxctl migrate`."""

import argparse

from tuxctl.commands import Adder, Command, add_json


def add(adder: Adder) -> None:
    text = "show the next steps from CentOS 7.9 or Stream 8 to AlmaLinux 9.2; run none of them"
    add_json(adder.add("migrate", text, _make))


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl.migrate import migrate

    return lambda context: migrate(context, arguments.json)
