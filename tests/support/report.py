"""The report of long runs, `--report FILE`: what was tried, how it went, how long it took.

A run adds a section of its own, named by its command, or replaces the one it wrote before; those of
other runs stay. So a report of many hours comes together part by part. A test says what it counted
with `record_property("points", "157 of 157")`.

    # Long runs
    | run | commit | tests | minutes | |        one line a section, made anew each time
    ## `./dev test --full --record ARGUMENTS`
    ...
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shlex
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import CHECKOUT

_SLOWEST = 5
# pytest's exit statuses; 2 is a run that was interrupted: what it had done by then counts.
_RESULTS = {"0": "good", "2": "stopped"}
_TITLE = "# Long runs"
_SECTION = re.compile(r"^## `(.+)`$", re.MULTILINE)
# The first line of a section; read back for the table.
_FACTS = re.compile(
    r"^(?P<day>\S+), commit (?P<commit>[^,]+), .*: (?P<counts>[^:]+)"
    r" in (?P<minutes>[\d.]+) minutes, exit status (?P<status>\d+)\.$",
    re.MULTILINE,
)


class FullReport:
    """pytest plugin of the controlling process; writes Markdown when the run ends."""

    def __init__(self, target: Path, arguments: Sequence[str]) -> None:
        self._target = target
        self._command = shlex.join(["./dev", "test", "--full", "--record", *arguments])
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self._seconds: Counter[str] = Counter()
        self._counted: dict[str, list[str]] = {}
        self._failed: list[str] = []
        self._commit = _commit()
        self._started = time.time()

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.when == "teardown" and report.user_properties:
            counted = [f"{name}: {value}" for name, value in report.user_properties]
            self._counted[report.nodeid] = counted
        bad = report.failed
        if report.when != "call" and not bad and not (report.when == "setup" and report.skipped):
            return
        self._outcomes[report.nodeid.partition("::")[0]][report.outcome] += 1
        if bad:
            self._failed.append(report.nodeid)

    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        if not self._outcomes:
            return
        with self._target.open("a+") as file:
            # Two runs may end at once.
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            sections = {**read(file.read()), self._command: self._section(int(exitstatus))}
            file.truncate(0)
            file.write(compose(sections))

    def _section(self, status: int) -> str:
        total: Counter[str] = sum(self._outcomes.values(), Counter())
        minutes = (time.time() - self._started) / 60
        lines = [
            f"{time.strftime('%Y-%m-%d')}, commit {self._commit}, {os.cpu_count()} cores,"
            f" Linux {platform.release()}, Python {platform.python_version()}, load"
            f" {os.getloadavg()[0]:.1f} at the end: {_counts(total)} in {minutes:.1f} minutes,"
            f" exit status {status}.",
            "",
            "| file | outcome |",
            "|---|---|",
            *(f"| {name} | {_counts(found)} |" for name, found in sorted(self._outcomes.items())),
        ]
        if self._failed:
            lines += ["", "Failed:", "", *(f"- {name}" for name in self._failed)]
        if self._counted:
            lines += ["", "Counted:", ""]
            for name, counted in sorted(self._counted.items()):
                lines.append(f"- {name.partition('::')[2]}: {'; '.join(counted)}")
        slowest = self._seconds.most_common(_SLOWEST)
        lines += ["", "Slowest:", ""]
        return "\n".join([*lines, *(f"- {s:.1f} s {name}" for name, s in slowest)])


def read(text: str) -> dict[str, str]:
    """The sections of a report, by command."""
    _, *parts = _SECTION.split(text)
    return {command: body.strip() for command, body in zip(parts[::2], parts[1::2])}


def compose(sections: Mapping[str, str]) -> str:
    """The whole report: a table of all runs, then their sections."""
    lines = [_TITLE, "", "| run | commit | day | tests | minutes | |", "|---|---|---|---|---:|---|"]
    for command, body in sorted(sections.items()):
        facts = _FACTS.search(body)
        if facts:
            result = _RESULTS.get(facts["status"], "**failed**")
            cells = (facts["commit"], facts["day"], facts["counts"], facts["minutes"], result)
            lines.append(f"| `{command}` | {' | '.join(cells)} |")
    for command, body in sorted(sections.items()):
        lines += ["", f"## `{command}`", "", body]
    return "\n".join(lines) + "\n"


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(found.items()))


def _commit() -> str:
    """The report itself, which grows from run to run, makes no checkout a changed one."""
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    changed = _git("status", "--porcelain", "--", ".", ":!tests/full-run.md")
    return f"{commit} and changes" if changed else commit


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
