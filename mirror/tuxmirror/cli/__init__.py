"""The command line: reads it, wires ports to adapters, calls one use-case.

Modules are imported when their command runs: an unchanged sync is over before a web framework
would have been loaded.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..core import config as configuration
from ..core.config import Config
from ..core.errors import ConfigError, MirrorError
from . import (
    advisory,
    audit,
    bundles,
    decisions,
    init,
    licence,
    snapshots,
    status,
    sync,
    upkeep,
    vetting,
)


def main(argv: Sequence[str] | None = None) -> int:
    """The process's exit status, see `core.errors`."""
    parser = _parser()
    args = parser.parse_args(argv)
    if not getattr(args, "handler", None):
        parser.print_help(sys.stderr)
        return ConfigError.exit_status
    try:
        return _run(args)
    except MirrorError as error:
        report(error, getattr(args, "json", False))
        return error.exit_status
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort, told as the bug it is
        missing = _missing_library(error)
        if missing:
            report(missing, getattr(args, "json", False))
            return missing.exit_status
        traceback.print_exc()
        print(
            "tuxmirror: this is a bug; please report it with the lines above. What is published"
            " was not harmed.",
            file=sys.stderr,
        )
        return MirrorError.exit_status


def _run(args: argparse.Namespace) -> int:
    if not getattr(args, "needs_config", True):
        return int(args.handler(None, args))
    config = read_config(args.config)
    try:
        return int(args.handler(config, args))
    finally:
        if getattr(args, "changes", False):
            _refresh(config)


def _refresh(config: Config) -> None:
    """The pages of what has changed; a command that did its work does not fail of them."""
    try:
        status.refresh(config)
    except MirrorError as error:
        from ..adapters.reporters import tell_trouble

        tell_trouble(f"tuxmirror: warning: {error}", warning=True)


def _missing_library(error: Exception) -> ConfigError | None:
    """Not a bug but a thing to install; None for anything else."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    library = (error.name or "tuxmirror").partition(".")[0]
    if library == "tuxmirror":
        return None
    return ConfigError(
        f"the Python library '{library}' is not installed",
        way_out="install it with dnf or apt, as the tuxmirror package would",
    )


def report(error: MirrorError, as_json: bool) -> None:
    """One error, for people on stderr or as the last JSON event on stdout."""
    from ..adapters.reporters import JsonReporter, tell_trouble

    if as_json:
        JsonReporter().event("error", **error.as_dict())
    else:
        tell_trouble(f"tuxmirror: error: {error}")


def read_config(path: Path) -> Config:
    """Raises ConfigError where there is no readable, valid configuration."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise ConfigError(
            f"{path}: {reason}", way_out="name the configuration: tuxmirror -c FILE COMMAND"
        ) from None
    return configuration.parse(text, str(path))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tuxmirror",
        description="A vetted mirror of AlmaLinux: verified, in atomic snapshots.",
    )
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=configuration.DEFAULT_PATH,
        metavar="FILE",
        help=f"configuration (default {configuration.DEFAULT_PATH})",
    )
    parser.add_argument("--version", action="version", version=f"tuxmirror {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    init.add_commands(commands)
    sync.add_commands(commands)
    status.add_commands(commands)
    snapshots.add_commands(commands)
    vetting.add_commands(commands)
    decisions.add_commands(commands)
    upkeep.add_commands(commands)
    bundles.add_commands(commands)
    licence.add_commands(commands)
    advisory.add_commands(commands)
    audit.add_commands(commands)
    return parser
