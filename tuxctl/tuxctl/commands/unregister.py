"""The arguments of `tuxctl unregister`."""

import argparse

from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    parser = adder.add("unregister", "de-register, and put every file back", _make, network=True)
    telling = parser.add_mutually_exclusive_group()
    telling.add_argument(
        "--local", action="store_true", help="do not tell the registration service"
    )
    telling.add_argument(
        "--best-effort",
        action="store_true",
        help="tell the registration service if it answers within some seconds",
    )
    parser.add_argument(
        "--keep-key",
        action="store_true",
        help="leave the signing key with rpm (for scriptlets, which find its database locked)",
    )


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl.unregister import ATTEMPTED, LOCAL, REQUIRED, unregister

    telling = ATTEMPTED if arguments.best_effort else LOCAL if arguments.local else REQUIRED
    return lambda context: unregister(context, telling, arguments.keep_key)


def command() -> Command:
    from tuxctl.unregister import unregister

    return unregister
