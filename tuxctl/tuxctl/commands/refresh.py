"""The arguments of `tuxctl refresh`."""

import argparse

from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    adder.add("refresh", "get a new token in the place of this one", _make, network=True)


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl.refresh import refresh

    return refresh
