"""`tuxmirror advisory lint`."""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import sys
from pathlib import Path

from ..core.config import Config
from ..core.errors import ConfigError, VerificationError

_MAX_BYTES = 1 << 30


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("advisory", help="what is fixed where")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    command = actions.add_parser(
        "lint",
        help="look for what scanners silently get wrong in OVAL definitions",
        description="Of any vendor. Exits 4 where a definition decides wrongly.",
    )
    command.add_argument("file", type=Path, metavar="FILE", help="OVAL, also as .gz or .bz2; -")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=run_lint, needs_config=False)


def run_lint(_config: Config | None, args: argparse.Namespace) -> int:
    from ..adapters.oscap import Oscap
    from ..core.advisory.lint import ERROR, lint

    data = _read(args.file)
    complaints = lint(data, str(args.file))
    schema: str | None = None
    try:
        Oscap().validate(data)
    except ConfigError as error:
        schema = f"not checked: {error.message}"
    except VerificationError as error:
        schema = error.found or error.message
    else:
        schema = None
    errors = [c for c in complaints if c.level == ERROR]
    invalid = schema is not None and not schema.startswith("not checked")
    status = VerificationError.exit_status if errors or invalid else 0
    if args.json:
        found = {
            "file": str(args.file),
            "schema": schema or "valid",
            "complaints": [c._asdict() for c in complaints],
            "exit_status": status,
        }
        print(json.dumps(found, indent=2))
        return status
    for complaint in complaints:
        print(f"{complaint.level}: {complaint.rule}: {complaint.message} ({complaint.times} times)")
        for example in complaint.examples:
            print(f"    {example}")
    print(f"schema: {schema or 'valid'}")
    if not complaints:
        print(f"{args.file}: nothing to complain about")
    return status


def _read(path: Path) -> bytes:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        if data.startswith(b"BZh"):
            data = bz2.BZ2Decompressor().decompress(data, _MAX_BYTES)
        elif data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: {reason}", expected="a file of OVAL definitions") from None
    return data
