"""The command line, one module a command: its arguments, and what they ask for.

A module here has `add(adder)`, which declares the command; its parser's default `make` turns the
parsed arguments into a `Command`. Whatever does the work is imported in there, not before: most
commands take less time than loading all of them.
"""

import argparse
from typing import Any, Callable, NoReturn

from tuxctl import licence
from tuxctl.context import Context

Command = Callable[[Context], None]
Make = Callable[[argparse.Namespace], Command]


class Parser(argparse.ArgumentParser):
    """Repeats no licence key in what it says of arguments that it does not understand."""

    def error(self, message: str) -> NoReturn:
        super().error(licence.mask(message))
        raise AssertionError("unreachable")


class Adder:
    """Adds commands below one parser; all of them take --root."""

    def __init__(self, parser: argparse.ArgumentParser, dest: str, metavar: str) -> None:
        self._commands = parser.add_subparsers(dest=dest, metavar=metavar, parser_class=Parser)

    def add(
        self, name: str, text: str, make: Make, network: bool = False, **options: Any
    ) -> argparse.ArgumentParser:
        """The parser of a new command, whose arguments `make` turns into a Command.

        `network`: it talks to a service, so it takes the options for that.
        """
        options.setdefault("description", text[0].upper() + text[1:] + ".")
        parser = self._commands.add_parser(name, help=text, **options)
        add_root(parser, argparse.SUPPRESS)
        if network:
            add_network(parser, default=argparse.SUPPRESS)
        parser.set_defaults(make=make)
        return parser


def add_root(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--root", metavar="DIR", default=default, help="work on this root directory (an image)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document")


def add_network(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Options of commands that talk to a service; `options` such as a default for all of them."""
    parser.add_argument(
        "--proxy",
        metavar="URL",
        help="send requests through this proxy (else the environment's, else that of dnf.conf)",
        **options
    )
    parser.add_argument(
        "--cacert", metavar="FILE", help="trust the certificate authorities in this file", **options
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        help="wait so long for each answer (default 30)",
        **options
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("expected seconds from 0.1 to 3600, found " + text[:20])
    return seconds


def use_network(context: Context, arguments: argparse.Namespace) -> None:
    """Hand the network's options to the context. Raises UsageError, ConfigError."""
    if arguments.proxy is None and arguments.cacert is None and arguments.timeout is None:
        return
    from tuxctl.network import Options

    context.set_network(Options(arguments.proxy, arguments.cacert, arguments.timeout))
