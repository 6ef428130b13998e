"""Rules for a whole test run: no unexpected skip, nothing left behind.

- A skip is allowed only through `tests.support.requires`; any other fails the run and is named.
- Processes that a run started (a gpg-agent above all) and mounts in its temporary folders must be
  gone at its end. Processes are recognised by a mark in their environment.

Runs on Python 3.6 too. With xdist each worker looks for its own leaks and reports them to the
controller, which fails the run.
"""

# ruff: noqa: UP006, UP035 -- the spellings Python 3.6 has

import gc
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from tests.support import KNOWN_SKIP

MARK = "TUXCARE_TEST_RUN"
GRACE = 3.0


class RunPolicy:
    """pytest plugin; one for each process of a run."""

    def __init__(self, config: Any) -> None:
        self._config = config
        self._worker = hasattr(config, "workerinput")
        self._expected: Dict[str, int] = {}
        self._unexpected: List[str] = []
        self._leaks: List[str] = []
        self._mark = f"{os.getpid()}-{time.monotonic()}"
        os.environ[MARK] = self._mark

    @pytest.hookimpl
    def pytest_collectreport(self, report: Any) -> None:
        self._note_skip(report)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: Any) -> None:
        self._note_skip(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        self._leaks += getattr(node, "workeroutput", {}).get("leaks", [])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: Any) -> None:
        if self._worker or not self._config.getoption("numprocesses", None):
            self._leaks += leaks(self._mark, self._temporary())
        if self._worker:
            self._config.workeroutput["leaks"] = self._leaks
        elif (self._leaks or self._unexpected) and session.exitstatus in (0, 5):
            session.exitstatus = 1

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for reason, count in sorted(self._expected.items()):
            terminalreporter.write_line(
                f"NOT TESTED HERE: {count} test(s): {reason}", yellow=True, bold=True
            )
        for line in self._unexpected:
            terminalreporter.write_line("UNEXPECTED SKIP: " + line, red=True, bold=True)
        for line in self._leaks:
            terminalreporter.write_line("LEFT BEHIND: " + line, red=True, bold=True)

    def _note_skip(self, report: Any) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if reason.startswith("Skipped: "):
            reason = reason[len("Skipped: ") :]
        if reason.startswith(KNOWN_SKIP):
            self._expected[reason] = self._expected.get(reason, 0) + 1
        else:
            self._unexpected.append(f"{report.nodeid}: {reason}")

    def _temporary(self) -> Optional[str]:
        factory = getattr(self._config, "_tmp_path_factory", None)
        base = getattr(factory, "_basetemp", None)
        return str(base) if base else None


def leaks(mark: str, temporary: Optional[str]) -> List[str]:
    """What is left of a run, a line each; ends the processes and mounts among it.

    Args:
        mark: value of MARK in the environment of the run's processes.
        temporary: folder whose mounts belong to the run, or None.
    """
    # What ends with an object that only waits for the collector is not left behind.
    gc.collect()
    deadline = time.monotonic() + GRACE
    left = _processes(mark)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = _processes(mark)
    found = [f"process {pid}: {command}" for pid, command in left]
    for pid, _ in left:
        os.kill(pid, signal.SIGKILL)
    if temporary:
        for point in _mounts():
            if point.startswith(temporary):
                found.append("mount " + point)
                subprocess.call(["umount", "-l", point])
    return found


def _processes(mark: str) -> List[Tuple[int, str]]:
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append((int(folder.name), command.decode(errors="replace").strip()))
        except OSError:
            pass  # gone meanwhile, a zombie, or another user's
    return found


def _mounts() -> List[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split(" ")[1] for line in lines]
