"""The arguments of `tuxctl fips`."""

import argparse

from tuxcare.errors import UsageError
from tuxcare.host import MODE_PATCHED, MODE_STRICT
from tuxctl.commands import Adder, Command, add_json
from tuxctl.fips import ACCEPTABLE

_EPILOG = """\
examples:
  tuxctl fips enable --dry-run       what stands in the way, and what would be done
  tuxctl fips enable --yes && reboot
  tuxctl fips status                 after the reboot: exit 0, or 8 and what is not so
  tuxctl fips disable"""


def add(adder: Adder) -> None:
    parser = adder.add(
        "fips",
        "FIPS mode: install, hold and boot the validated builds",
        _make,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["status", "enable", "disable"])
    add_json(parser)
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
    parser.add_argument(
        "--dry-run", action="store_true", help="show the plan and what stands in the way; no more"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--pins-only",
        action="store_true",
        help="hold the builds from now on; install and boot nothing (so it is with --root)",
    )
    parser.add_argument(
        "--accept",
        choices=ACCEPTABLE,
        action="append",
        default=[],
        help="go on in spite of this check; may be given several times",
    )


def _make(arguments: argparse.Namespace) -> Command:
    _check(arguments)
    if arguments.action == "enable":
        return _enable(arguments)
    if arguments.action == "disable":
        from tuxctl.fips import disable

        leaving = disable.Order(arguments.dry_run, arguments.yes)
        return lambda context: disable.disable(context, leaving)
    from tuxctl.fips import status

    return lambda context: status.status(context, arguments.json)


def _enable(arguments: argparse.Namespace) -> Command:
    from tuxctl.fips import enable

    order = enable.Order(
        arguments.mode or MODE_PATCHED,
        arguments.dry_run,
        arguments.yes,
        arguments.pins_only,
        arguments.accept,
        arguments.json,
    )
    return lambda context: enable.enable(context, order)


def _check(arguments: argparse.Namespace) -> None:
    """Raises UsageError for an option that its action does not have."""
    enabling = [
        ("--patched or --strict", bool(arguments.mode)),
        ("--pins-only", arguments.pins_only),
        ("--accept", bool(arguments.accept)),
    ]
    changing = [("--dry-run", arguments.dry_run), ("--yes", arguments.yes)]
    if arguments.action == "enable":
        planned = arguments.json and not arguments.dry_run
        wrong = ["--json without --dry-run"] if planned else []
    elif arguments.action == "disable":
        wrong = [name for name, given in enabling + [("--json", arguments.json)] if given]
    else:
        wrong = [name for name, given in enabling + changing if given]
    if wrong:
        raise UsageError(
            "{} does not go with 'fips {}'".format(wrong[0], arguments.action),
            "See 'tuxctl fips --help'.",
        )
