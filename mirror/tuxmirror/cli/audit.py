"""`tuxmirror audit`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.config import Config
from ..core.errors import ConfigError, StorageError, one_line

if TYPE_CHECKING:
    from ..core.audit.host import Host
    from ..core.audit.report import Needed, Report

_VETTED = "vetted"
_DAY = 86400
_MODULE = re.compile(r"([A-Za-z0-9._-]+):([A-Za-z0-9._-]+)")
_EVIDENCE = 4


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "audit",
        help="what a host lacks, from its package list",
        description="Judges the advisories of a channel by OpenSCAP, without access to the host.",
    )
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--rpm-qa", type=Path, metavar="FILE", help="the output of rpm -qa on the host; -"
    )
    source.add_argument(
        "--host", type=Path, metavar="ROOT", help="a root directory, / for this one"
    )
    command.add_argument("--release", metavar="R", help="such as 9.2 (default: the host's own)")
    command.add_argument("--channel", default=_VETTED, metavar="C", help="(default: %(default)s)")
    command.add_argument(
        "--as-of",
        metavar="DATE",
        help="by what the channel showed at the end of that day (UTC), or at 2026-11-30T12:00:00Z",
    )
    command.add_argument("--running-kernel", metavar="VERSION", help="what uname -r says there")
    command.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="NAME:STREAM",
        help="a module stream that is enabled there; may be repeated",
    )
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page besides")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=run)


def run(config: Config, args: argparse.Namespace) -> int:
    from ..adapters.reporters import JsonReporter
    from ..usecases.audit import Question, audit
    from .wiring import make_mirror

    host, source = _host(args)
    mirror = make_mirror(config, JsonReporter())
    when = _time(args.as_of) if args.as_of else None
    report = audit(mirror, Question(host, source, args.channel, args.release, when))
    if args.html:
        _write(args.html, mirror.pages().audit(report))
    if args.json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        print("\n".join(map(one_line, _lines(report))))
    return 0


def _host(args: argparse.Namespace) -> tuple[Host, str]:
    from ..core.audit import rpmqa
    from ..core.audit.host import Host, module_file

    if args.host:
        from ..adapters.host_reader import RootReader

        host, source = RootReader().read(args.host), str(args.host)
    else:
        source = "standard input" if str(args.rpm_qa) == "-" else str(args.rpm_qa)
        host = Host(rpmqa.parse(_read(args.rpm_qa), source))
    named = {}
    for text in args.module:
        match = _MODULE.fullmatch(text)
        if match is None:
            raise ConfigError(f"--module {text}", expected="NAME:STREAM, such as nodejs:18")
        named[f"{match[1]}.module"] = module_file(match[1], match[2])
    kernel = args.running_kernel or host.running_kernel
    return replace(host, modules={**host.modules, **named}, running_kernel=kernel), source


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", expected="the output of rpm -qa") from None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None


def _time(text: str) -> int:
    """The end of a day, or a moment; in UTC unless the text says otherwise."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(
            f"--as-of {text}", expected="2026-11-30, or 2026-11-30T12:00:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    whole_day = len(text) == len("2026-11-30")
    return int(moment.timestamp()) + (_DAY - 1 if whole_day else 0)


def _lines(report: Report) -> Iterator[str]:
    as_of = datetime.fromtimestamp(report.as_of, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    yield (
        f"{report.source}: {len(report.host.packages)} packages, AlmaLinux {report.release}"
        f" {report.host.arch}, by {report.channel} as of {as_of}"
    )
    for part in report.scopes:
        yield f"{part.scope.title}: {_counts(part)} (snapshot {part.snapshot})"
        for needed in part.needed:
            yield from _needed_lines(needed)
        for needed in part.unknown:
            yield from _named(needed, "?")
            for reason in needed.finding.undecided[:_EVIDENCE]:
                yield f"      cannot say whether: {reason}"
    yield from (f"note: {note}" for note in report.notes)


def _counts(part: Any) -> str:
    unknown = f", {len(part.unknown)} nobody can tell" if part.unknown else ""
    judged = "1 advisory" if part.definitions == 1 else f"{part.definitions} advisories"
    return f"{judged} judged, {len(part.needed)} needed{unknown}"


def _named(needed: Needed, mark: str) -> Iterator[str]:
    advisory = needed.advisory
    yield f"  {mark} {advisory.id:<18}{advisory.severity:<11}{advisory.title}"
    if advisory.cves:
        yield f"      {' '.join(advisory.cves)}"


def _needed_lines(needed: Needed) -> Iterator[str]:
    yield from _named(needed, "!")
    shown = needed.finding.evidence[:_EVIDENCE]
    for evidence in shown:
        yield f"      {evidence.package.nevra} -> {evidence.fixed}"
    more = len(needed.finding.evidence) - len(shown)
    if more:
        yield f"      and {more} more packages"
    yield f"      {needed.command}"
    if needed.fips and needed.fips.pin:
        yield f"      FIPS: {needed.fips.text}"
