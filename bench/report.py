"""The tables, with the machine and the noise."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .kept import Part
from .scenarios import Row

_PUBLISHED = """
Published figures of others, on other machines, for orders of magnitude only: Pulp syncs RHEL 8
AppStream in about 330 s with a peak of 4.4 GB, an unchanged CentOS 8 AppStream in 51.8 s; RMT looks
at 8 unchanged repositories in 20.3 s; Katello publishes a content view in 290 s, 745 s with
dependency solving.
"""


def markdown(parts: Mapping[str, Part], failed: Sequence[str] = ()) -> str:
    """The table of all parts that were measured; `failed` are those that could not be."""
    lines = [
        "# Side by side",
        "",
        f"{time.strftime('%Y-%m-%d')}, {machine()}.",
        "Medians, peers in turn, each on a new ext4; noise is slowest minus fastest over median."
        " Targets are for the ratio. `--gpgcheck` runs once: it takes as long as all the others"
        " together. ![cost against size](cost-against-size.svg)",
        "",
        "| work | seconds | noise | processor | memory | ratio | target | |",
        "|---|---:|---:|---:|---:|---|---:|---|",
        *(_line(row) for part in parts.values() for row in part.rows),
        "",
        "| part | commit | rounds | took | load at its end |",
        "|---|---|---:|---:|---:|",
        *(
            f"| {name} | {part.commit} | {part.rounds} | {part.seconds:.0f} s | {part.load} |"
            for name, part in parts.items()
        ),
        *(f"| {name} | **could not be measured** | | | |" for name in failed),
    ]
    return "\n".join([*lines, _PUBLISHED])


def _line(row: Row) -> str:
    series = row.series
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} {row.to}"
    target = "" if row.target is None else f"{row.target:g}"
    verdict = ""
    if row.ratio is not None and row.target is not None:
        verdict = "met" if row.ratio <= row.target else "**missed**"
    return (
        f"| {row.work} | {series.seconds:.2f} | {series.noise:.0%} | {series.processor:.2f} s"
        f" | {series.resident / 1e6:.0f} MB | {ratio} | {target} | {verdict} |"
    )


def machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    dnf = subprocess.run(["dnf", "--version"], capture_output=True, text=True, check=False)
    version = dnf.stdout.split("\n", 1)[0]
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores of {model}, Linux {platform.release()}, Python"
        f" {platform.python_version()}, dnf {version}, load {load:.1f} at the end"
    )
