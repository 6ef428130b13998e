"""The arguments of `tuxctl releasever`."""

import argparse

from tuxcare.errors import UsageError
from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    text = "show or choose the minor release to follow"
    parser = adder.add("releasever", text, _make, network=True)
    parser.add_argument("release", nargs="?", metavar="NEW", help="such as 9.4")
    parser.add_argument(
        "--leave-esu",
        action="store_true",
        help="also where that gives Extended Security Updates up for good",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check and say what would change, change nothing",
    )


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl import releasever

    if arguments.release is None:
        if arguments.leave_esu:
            raise UsageError("--leave-esu goes with a release to move to")
        return releasever.show
    return lambda context: releasever.move(
        context, arguments.release, arguments.leave_esu, arguments.dry_run
    )
