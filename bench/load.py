"""Requests as fast as a server answers them, by wrk."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple


class Load(NamedTuple):
    """What wrk measured: answers, how many a second, p99 in milliseconds, and how many of them
    were other than 2xx and 3xx."""

    answers: int
    rate: float
    p99: float
    failed: int


def wrk(url: str, script: Path, seconds: int, connections: int) -> Load:
    done = subprocess.run(
        ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    )
    text = done.stdout
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text).groups()  # type: ignore[union-attr]
    answers = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    assert answers, text
    assert rate, text
    return Load(
        int(answers[1]),
        float(rate[1]),
        float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
        int(failed[1]) if failed else 0,
    )
