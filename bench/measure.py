"""Wall time and memory of a command, and the noise between rounds."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Cost(NamedTuple):
    """One run: seconds on the wall, the most bytes resident of it and its children, and seconds of
    processor time of all of them: on a machine that others use too, the figure that holds."""

    seconds: float
    resident: int
    processor: float = 0.0


class Series(NamedTuple):
    """Rounds of the same work."""

    costs: list[Cost]

    @property
    def seconds(self) -> float:
        return median(cost.seconds for cost in self.costs)

    @property
    def resident(self) -> int:
        return max(cost.resident for cost in self.costs)

    @property
    def processor(self) -> float:
        return median(cost.processor for cost in self.costs)

    @property
    def noise(self) -> float:
        """How far apart the rounds lie: (slowest - fastest) / median."""
        values = [cost.seconds for cost in self.costs]
        return (max(values) - min(values)) / self.seconds


def run(argv: Sequence[str | Path], **environment: str) -> Cost:
    """Raises RuntimeError where the command fails: a failed run has no speed."""
    started, before = time.monotonic(), _processor()
    process = subprocess.Popen(
        list(map(str, argv)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    assert process.stderr
    os.set_blocking(process.stderr.fileno(), False)
    resident, said = 0, b""
    while process.poll() is None:
        resident = max(resident, _resident(process.pid))
        said += process.stderr.read() or b""
        time.sleep(0.005 if time.monotonic() - started < 2 else 0.05)
    seconds = time.monotonic() - started
    said += process.stderr.read() or b""
    if process.returncode:
        raise RuntimeError(f"{argv}: exit {process.returncode}\n{said.decode()[-2000:]}")
    return Cost(seconds, resident, _processor() - before)


def _processor() -> float:
    """Of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _resident(pid: int, parent: bytes = b"") -> int:
    """Bytes resident of a process and all below it, now."""
    total = 0
    try:
        process = Path(f"/proc/{pid}")
        name = (process / "cmdline").read_bytes()
        if name == parent:
            # Between fork and exec: its memory is its parent's.
            return 0
        for line in (process / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total = int(line.split()[1]) * 1024
        # Each thread has children of its own.
        for children in (process / "task").glob("*/children"):
            total += sum(_resident(int(child), name) for child in children.read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total
