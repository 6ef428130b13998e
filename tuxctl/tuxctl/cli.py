"""The command line: parses, calls one command, turns its outcome into an exit status."""

import argparse
import contextlib
import signal
import sys
import traceback
from typing import Any, Callable, Iterator, List, Optional

from tuxcare.errors import TuxcareError, UsageError
from tuxctl import licence
from tuxctl.commands import (
    Adder,
    Command,
    Parser,
    add_network,
    add_root,
    bundle,
    fips,
    image,
    migrate,
    refresh,
    register,
    releasever,
    repos,
    status,
    unregister,
    use_network,
    validate,
    verify,
)
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

# In the order of --help.
_COMMANDS = (
    status,
    verify,
    validate,
    unregister,
    fips,
    releasever,
    repos,
    refresh,
    image,
    bundle,
    migrate,
)


def main(argv: Optional[List[str]] = None, system_at: Callable[[str], System] = System) -> int:
    """Run tuxctl; the exit status. Usage errors of the parser exit with 2 by themselves.

    `system_at` gives the door to the machine for a root directory.
    """
    arguments = _parser().parse_args(argv)
    console = Console(sys.stdout, sys.stderr)
    with _ending_by_exception(signal.SIGTERM, signal.SIGHUP):
        try:
            command = _command(arguments)
            context = Context(system_at(arguments.root), console)
            use_network(context, arguments)
            command(context)
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


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="tuxctl",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_root(parser, "/")
    add_network(parser)
    register.add_options(parser)
    parser.add_argument(
        "-v", "--validate", action="store_true", help="say whether this host is registered"
    )
    parser.add_argument("-d", "--delete", action="store_true", help="the same as unregister")
    adder = Adder(parser, "command", "COMMAND")
    for module in _COMMANDS:
        module.add(adder)
    return parser


def _command(arguments: argparse.Namespace) -> Command:
    """The one thing that was asked for. Raises UsageError for none or two."""
    registering = register.is_asked(arguments)
    asked = [registering, arguments.validate, arguments.delete, arguments.command is not None]
    if sum(asked) > 1:
        raise UsageError(
            "one thing at a time: registering, --validate, --delete or a command",
            "See 'tuxctl --help'.",
        )
    if registering:
        return register.command(arguments)
    register.check_alone(arguments)
    if arguments.validate:
        return validate.command()
    if arguments.delete:
        return unregister.command()
    if arguments.command is None:
        raise UsageError("nothing to do", "See 'tuxctl --help'.")
    make: Callable[[argparse.Namespace], Command] = arguments.make
    return make(arguments)
