"""The command line: parses, calls one command, turns its outcome into an exit status."""

import argparse
import contextlib
import signal
import sys
import traceback
from typing import Any, Callable, Iterator, List, NoReturn, Optional

from tuxcare.errors import TuxcareError, UsageError
from tuxcare.host import MODE_PATCHED, MODE_STRICT, normalize_url
from tuxctl import licence
from tuxctl.console import Console
from tuxctl.context import Context
from tuxctl.system import System

_UNEXPECTED = 70
_INTERRUPTED = 130

_DESCRIPTION = """\
Set up TuxCare Enterprise Support for AlmaLinux: register this host, follow the
vetted repositories, hold the FIPS-validated builds; and put everything back."""

_EPILOG = """\
examples:
  tuxctl --license-key ESU-XXXXXXXXXXXXXXXXXXXXXXXX
  tuxctl --fips --license-key-file /root/licence
  tuxctl status --json
  tuxctl unregister

exit status: 0 done; 1 not registered, or registered already; 2 usage or
configuration; 3 network; 4 verification; 5 refused by licence or pin; 6 storage;
7 another run is at work; 8 the host drifted; 70 a bug"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse repeats what it does not understand: perhaps a licence key.
        super().error(licence.mask(message))
        raise AssertionError("unreachable")


def main(argv: Optional[List[str]] = None, system_at: Callable[[str], System] = System) -> int:
    """Run tuxctl; the exit status. Usage errors of the parser exit with 2 by themselves.

    `system_at` gives the door to the machine for a root directory.
    """
    arguments = _parser().parse_args(argv)
    console = Console(sys.stdout, sys.stderr)
    with _ending_by_exception(signal.SIGTERM, signal.SIGHUP):
        try:
            command = _command(arguments)
            command(Context(system_at(arguments.root), console))
        except TuxcareError as error:
            console.error(error)
            return error.exit_status
        except KeyboardInterrupt:
            console.note("tuxctl: interrupted; what this run had changed was put back")
            return _INTERRUPTED
        except Exception:  # noqa: BLE001  # the last door: everything else is a bug
            console.note(licence.mask(traceback.format_exc()))
            console.note("tuxctl: this is a bug; please report it with the lines above")
            return _UNEXPECTED
    return 0


@contextlib.contextmanager
def _ending_by_exception(*signals: int) -> Iterator[None]:
    """Being told to end undoes the run, as Ctrl-C does."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- arguments -----------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tuxctl",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_root(parser, "/")
    key = parser.add_mutually_exclusive_group()
    key.add_argument(
        "-l",
        "--license-key",
        metavar="KEY",
        help="register with this key; '-' reads it from standard input",
    )
    key.add_argument(
        "--license-key-file", metavar="FILE", help="register with the key in a file ('-': stdin)"
    )
    parser.add_argument("--force", action="store_true", help="register again")
    parser.add_argument(
        "--fips", action="store_true", help="also enable FIPS mode (patched, unless --strict)"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="with --fips: hold the validated builds, without security patches",
    )
    parser.add_argument(
        "--server", metavar="URL", help="register with and get packages from this service"
    )
    parser.add_argument(
        "-v", "--validate", action="store_true", help="say whether this host is registered"
    )
    parser.add_argument("-d", "--delete", action="store_true", help="the same as unregister")
    _add_commands(parser)
    return parser


def _add_root(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--root", metavar="DIR", default=default, help="work on this root directory (an image)"
    )


def _add_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        _add_root(added, argparse.SUPPRESS)
        return added

    add("status", "show registration, release, FIPS mode and repositories").add_argument(
        "--json", action="store_true", help="one JSON document"
    )
    add("validate", "say whether this host is registered").add_argument(
        "--show-token", action="store_true", help="print the token itself"
    )
    leaving = add("unregister", "de-register, and put every file back")
    leaving.add_argument(
        "--local", action="store_true", help="do not tell the registration service"
    )
    leaving.add_argument(
        "--keep-key",
        action="store_true",
        help="leave the signing key with rpm (for scriptlets, which find its database locked)",
    )
    _add_fips(add("fips", "FIPS mode: what the DNF plugin holds"))
    release = add("releasever", "show or choose the minor release to follow")
    release.add_argument("release", nargs="?", metavar="NEW", help="such as 9.4")


def _add_fips(parser: argparse.ArgumentParser) -> None:
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


# -- which command -------------------------------------------------------------------------------

Command = Callable[[Context], None]


def _command(arguments: argparse.Namespace) -> Command:
    """The one thing that was asked for. Raises UsageError for none or two."""
    registering = bool(
        arguments.license_key is not None
        or arguments.license_key_file is not None
        or arguments.fips
        or arguments.force
    )
    asked = [registering, arguments.validate, arguments.delete, arguments.command is not None]
    if sum(asked) > 1:
        raise UsageError(
            "one thing at a time: registering, --validate, --delete or a command",
            "See 'tuxctl --help'.",
        )
    if registering:
        return _register(arguments)
    if arguments.server or (arguments.strict and not arguments.command):
        raise UsageError("--server and --strict go with registering", "See 'tuxctl --help'.")
    if arguments.validate:
        return _validate(False)
    if arguments.delete:
        return _unregister()
    return _subcommand(arguments)


def _subcommand(arguments: argparse.Namespace) -> Command:
    if arguments.command == "status":
        from tuxctl.status import status

        return lambda context: status(context, arguments.json)
    if arguments.command == "validate":
        return _validate(arguments.show_token)
    if arguments.command == "unregister":
        return _unregister(arguments.local, arguments.keep_key)
    if arguments.command == "fips":
        return _fips(arguments)
    if arguments.command == "releasever":
        return _releasever(arguments)
    raise UsageError("nothing to do", "See 'tuxctl --help'.")


def _register(arguments: argparse.Namespace) -> Command:
    from tuxctl.register import Order, register

    if arguments.strict and not arguments.fips:
        raise UsageError("--strict goes with --fips")
    key = _key(arguments)
    if key is None and arguments.force:
        raise UsageError(
            "registering again takes a licence key",
            "Give one with --license-key or --license-key-file.",
        )
    mode = (MODE_STRICT if arguments.strict else MODE_PATCHED) if arguments.fips else None
    order = Order(key, arguments.force, mode, _server(arguments.server))
    return lambda context: register(context, order)


def _key(arguments: argparse.Namespace) -> Optional[licence.LicenceKey]:
    if arguments.license_key_file is not None:
        return licence.from_file(arguments.license_key_file)
    if arguments.license_key == "-":
        return licence.from_file("-")
    if arguments.license_key is not None:
        return licence.parse(arguments.license_key)
    return None


def _server(text: Optional[str]) -> Optional[str]:
    try:
        return normalize_url(text) if text is not None else None
    except ValueError as error:
        raise UsageError("--server: {}".format(error)) from error


def _validate(show_token: bool) -> Command:
    from tuxctl.validate import validate

    return lambda context: validate(context, show_token)


def _unregister(local: bool = False, keep_key: bool = False) -> Command:
    from tuxctl.unregister import unregister

    return lambda context: unregister(context, local, keep_key)


def _fips(arguments: argparse.Namespace) -> Command:
    from tuxctl import fips

    if arguments.action == "enable":
        return lambda context: fips.enable(context, arguments.mode or MODE_PATCHED)
    if arguments.mode:
        raise UsageError("--patched and --strict go with 'fips enable'")
    return fips.disable if arguments.action == "disable" else fips.status


def _releasever(arguments: argparse.Namespace) -> Command:
    from tuxctl import releasever

    if arguments.release is None:
        return releasever.show
    return lambda context: releasever.move(context, arguments.release)
