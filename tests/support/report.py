"""The report of a full run: what was tried, how it went, how long it took. `--report FILE`."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from . import CHECKOUT

_SLOWEST = 15


class FullReport:
    """pytest plugin of the controlling process; writes Markdown when the run ends."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self._seconds: Counter[str] = Counter()
        self._failed: list[str] = []
        self._started = time.time()

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._seconds[report.nodeid] += report.duration
        bad = report.failed
        if report.when != "call" and not bad and not (report.when == "setup" and report.skipped):
            return
        self._outcomes[report.nodeid.partition("::")[0]][report.outcome] += 1
        if bad:
            self._failed.append(report.nodeid)

    def pytest_sessionfinish(self, session: Any, exitstatus: int) -> None:
        self._target.write_text("\n".join(self._lines(int(exitstatus))) + "\n")

    def _lines(self, status: int) -> list[str]:
        total: Counter[str] = sum(self._outcomes.values(), Counter())
        minutes = (time.time() - self._started) / 60
        lines = [
            "# The last full run",
            "",
            f"{time.strftime('%Y-%m-%d')}, commit {_commit()}, {os.cpu_count()} cores, Linux"
            f" {platform.release()}, Python {platform.python_version()}: {_counts(total)} in"
            f" {minutes:.0f} minutes, exit status {status}.",
            "",
            "| file | outcome |",
            "|---|---|",
            *(f"| {name} | {_counts(found)} |" for name, found in sorted(self._outcomes.items())),
        ]
        if self._failed:
            lines += ["", "Failed:", *(f"- {name}" for name in self._failed)]
        slowest = self._seconds.most_common(_SLOWEST)
        return [*lines, "", "Slowest:", *(f"- {s:.1f} s {name}" for name, s in slowest)]


def _counts(found: Counter[str]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(found.items()))


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
