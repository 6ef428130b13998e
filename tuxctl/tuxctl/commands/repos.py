"""The arguments of `tuxctl repos`."""

import argparse

from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    parser = adder.add("repos", "the AlmaLinux repositories: vetted ones without a licence", _make)
    parser.add_argument(
        "action",
        choices=["diff", "switch", "revert"],
        help="show what switching would change; switch to the vetted repositories; go back",
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        default=argparse.SUPPRESS,
        help="the content server; else that of tuxcare.conf",
    )


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl import switching
    from tuxctl.commands.register import server_url

    url = server_url(arguments)
    if arguments.action == "revert":
        return switching.revert
    act = switching.diff if arguments.action == "diff" else switching.switch
    return lambda context: act(context, url)
