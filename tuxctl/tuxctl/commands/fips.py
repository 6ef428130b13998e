"""The arguments of `tuxctl fips`."""

import argparse

from tuxcare.errors import UsageError
from tuxcare.host import MODE_PATCHED, MODE_STRICT
from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    parser = adder.add("fips", "FIPS mode: what the DNF plugin holds", _make)
    parser.add_argument("action", choices=["status", "enable", "disable"])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--patched",
        dest="mode",
        action="store_const",
        const=MODE_PATCHED,
        help="validated builds and TuxCare's security patches of them (the default)",
    )
    mode.add_argument(
        "--strict",
        dest="mode",
        action="store_const",
        const=MODE_STRICT,
        help="validated builds alone",
    )


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl import fips

    if arguments.action == "enable":
        return lambda context: fips.enable(context, arguments.mode or MODE_PATCHED)
    if arguments.mode:
        raise UsageError("--patched and --strict go with 'fips enable'")
    return fips.disable if arguments.action == "disable" else fips.status
