"""The arguments of registering, which have no command's name before them."""

import argparse
from typing import Optional

from tuxcare.errors import UsageError
from tuxcare.host import MODE_PATCHED, MODE_STRICT, normalize_url
from tuxctl import licence
from tuxctl.commands import Command


def add_options(parser: argparse.ArgumentParser) -> None:
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
        "--dry-run",
        dest="rehearse",
        action="store_true",
        help="show what registering would change, ask for and install; change nothing",
    )


def is_asked(arguments: argparse.Namespace) -> bool:
    """Whether the options ask for registering. Not every one of them does by itself."""
    return bool(
        arguments.license_key is not None
        or arguments.license_key_file is not None
        or arguments.fips
        or arguments.force
    )


def check_alone(arguments: argparse.Namespace) -> None:
    """Raises UsageError for options that go with registering where nothing asks for it."""
    if arguments.rehearse:
        raise UsageError("--dry-run goes with registering", "See 'tuxctl --help'.")
    if (arguments.server and arguments.command != "repos") or arguments.strict:
        # Before a command --strict is not the command's own: to drop it would mean mode patched.
        raise UsageError("--server and --strict go with registering", "See 'tuxctl --help'.")


def command(arguments: argparse.Namespace) -> Command:
    """Raises UsageError, StorageError."""
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
    order = Order(key, arguments.force, mode, server_url(arguments))
    if arguments.rehearse:
        from tuxctl.rehearsal import rehearse

        return lambda context: rehearse(context, order)
    return lambda context: register(context, order)


def _key(arguments: argparse.Namespace) -> Optional[licence.LicenceKey]:
    if arguments.license_key_file is not None:
        return licence.from_file(arguments.license_key_file)
    if arguments.license_key == "-":
        return licence.from_file("-")
    if arguments.license_key is not None:
        return licence.parse(arguments.license_key)
    return None


def server_url(arguments: argparse.Namespace) -> Optional[str]:
    """--server without its trailing slash. Raises UsageError."""
    try:
        return normalize_url(arguments.server) if arguments.server is not None else None
    except ValueError as error:
        raise UsageError("--server: {}".format(error)) from error
