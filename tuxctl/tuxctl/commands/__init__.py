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

    def add(self, name: str, text: str, make: Make, **options: Any) -> argparse.ArgumentParser:
        """The parser of a new command, whose arguments `make` turns into a Command."""
        options.setdefault("description", text[0].upper() + text[1:] + ".")
        parser = self._commands.add_parser(name, help=text, **options)
        add_root(parser, argparse.SUPPRESS)
        parser.set_defaults(make=make)
        return parser


def add_root(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "--root", metavar="DIR", default=default, help="work on this root directory (an image)"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document")
