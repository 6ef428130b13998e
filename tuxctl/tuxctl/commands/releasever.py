"""The arguments of `tuxctl releasever`."""

import argparse

from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    parser = adder.add("releasever", "show or choose the minor release to follow", _make)
    parser.add_argument("release", nargs="?", metavar="NEW", help="such as 9.4")


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl import releasever

    if arguments.release is None:
        return releasever.show
    return lambda context: releasever.move(context, arguments.release)
