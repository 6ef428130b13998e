"""`tuxmirror advisory`."""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from ..core.config import Config
from ..core.errors import ConfigError, VerificationError, one_line, printable

if TYPE_CHECKING:
    from ..usecases.context import Mirror

_VETTED = "vetted"
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
    _add_questions(actions)


def _add_questions(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = actions.add_parser("list", help="the advisories that a channel shows, newest first")
    command.add_argument("--release", metavar="R", help="of this release, such as 9.2")
    command.add_argument("--severity", metavar="S", help="Critical, Important, Moderate or Low")
    command.add_argument("--package", metavar="NAME", help="about this package or its source")
    _add_common(command, run_list)
    command = actions.add_parser("show", help="everything about an advisory")
    command.add_argument("id", metavar="ID", help="such as CLSA-2026:001")
    _add_common(command, run_show)
    command = actions.add_parser(
        "explain",
        help="what is known of a CVE, and why",
        description="Each score with its source and date, the rule that decided, the clock, the"
        " snapshot and who published it, the command that installs the fix, and whether it keeps"
        " a FIPS host's validated module.",
    )
    command.add_argument("cve", metavar="CVE", help="such as CVE-2026-0001")
    _add_common(command, run_explain)
    command = actions.add_parser("sla", help="how long fixes took after public disclosure")
    _add_common(command, run_sla)


def _add_common(
    command: argparse.ArgumentParser, handler: Callable[[Config, argparse.Namespace], int]
) -> None:
    command.add_argument("--channel", default=_VETTED, metavar="C", help="(default: %(default)s)")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=handler)


def run_list(config: Config, args: argparse.Namespace) -> int:
    from ..usecases import advisory_questions as questions
    from .advisory_text import list_lines

    found = questions.known(_mirror(config), args.channel)
    listed = questions.listed(found, args.release, args.severity, args.package)
    return _answer(args, {"channel": args.channel, "advisories": listed}, list_lines(listed))


def run_show(config: Config, args: argparse.Namespace) -> int:
    from ..usecases import advisory_questions as questions
    from .advisory_text import show_lines

    shown = questions.shown(questions.known(_mirror(config), args.channel), args.id)
    return _answer(args, {"channel": args.channel, "advisories": shown}, show_lines(shown))


def run_explain(config: Config, args: argparse.Namespace) -> int:
    from ..usecases import advisory_questions as questions
    from .advisory_text import explain_lines

    mirror = _mirror(config)
    found = questions.explained(mirror, questions.known(mirror, args.channel), args.cve)
    return _answer(args, {"channel": args.channel, **found}, explain_lines(found))


def run_sla(config: Config, args: argparse.Namespace) -> int:
    from ..core.tracker.data import sla_document
    from ..usecases import advisory_questions as questions
    from .advisory_text import sla_lines

    reports = questions.response_times(questions.known(_mirror(config), args.channel))
    document = {"channel": args.channel, "releases": sla_document(reports)}
    return _answer(args, document, sla_lines(reports))


def _answer(args: argparse.Namespace, document: object, lines: Iterable[str]) -> int:
    print(json.dumps(document, indent=2) if args.json else "\n".join(map(one_line, lines)))
    return 0


def _mirror(config: Config) -> Mirror:
    from ..adapters.reporters import JsonReporter
    from .wiring import make_mirror

    return make_mirror(config, JsonReporter())


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
        said = f"{complaint.rule}: {complaint.message} ({complaint.times} times)"
        print(f"{complaint.level}: {one_line(said)}")
        for example in complaint.examples:
            print(f"    {one_line(str(example))}")
    print(f"schema: {printable(schema or 'valid')}")
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
