"""The arguments of `tuxctl releasever`."""

import argparse

from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    text = "show or choose the minor release to follow"
    parser = adder.add("releasever", text, _make, network=True)
    parser.add_argument("release", nargs="?", metavar="NEW", help="such as 9.4")


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl import releasever

    if arguments.release is None:
        return releasever.show
    return lambda context: releasever.move(context, arguments.release)
