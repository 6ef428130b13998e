"""The arguments of `tuxctl unregister`."""

import argparse

from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    parser = adder.add("unregister", "de-register, and put every file back", _make, network=True)
    parser.add_argument("--local", action="store_true", help="do not tell the registration service")
    parser.add_argument(
        "--keep-key",
        action="store_true",
        help="leave the signing key with rpm (for scriptlets, which find its database locked)",
    )


def _make(arguments: argparse.Namespace) -> Command:
    return command(arguments.local, arguments.keep_key)


def command(local: bool = False, keep_key: bool = False) -> Command:
    from tuxctl.unregister import unregister

    return lambda context: unregister(context, local, keep_key)
