"""What the DNF plugin costs: the same dnf commands with it and without, in pairs.

Real dnf on an installroot with the validated builds in it, over a sack of 30,000 packages. Each
round runs both, the one that was second before now first, in children of a process that has dnf
loaded already (`forked_dnf`). What counts is processor time, user and system: the work waits for
nothing, and other users of the machine count for little. From the differences within the rounds
come the median and the interval in which it lies at 95 %; wall time stands beside it. The share is
of whole dnf processes, which start from nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.support.keys import Keys
from tests.support.pinlab import RELEASE, TOKEN, PinHost, PinLab
from tests.support.tree import UpstreamTree

from . import upstream
from .figures import Figure, Interval, median_interval
from .measure import Cost

TITLE = "What the DNF plugin costs"
ABOUT = (
    "The same command with the plugin and without it in pairs, over 30,000 packages. What is more"
    " is processor time, user and system: the median of the differences within the pairs, with the"
    " interval at 95 %, where dnf's own modules are loaded already in both; shares are of whole"
    " processes. Instructions are those in user mode, by valgrind; they are the same whatever"
    " else the machine does."
)
_PLAIN_WORK = "dnf repolist"
_SACK_WORK = "dnf -C upgrade --assumeno"
# Pairs a round: the short command is over in a tenth of the time, and its target smaller.
_PAIRS = {_PLAIN_WORK: 200, _SACK_WORK: 50}
_PLAIN_MS = 3
_SACK_MS = 15
_WITHOUT = ("--disableplugin=tuxcare",)
# Without the plugin the repositories get their variables from the environment.
_VARIABLES = {"DNF_VAR_tuxcare_token": TOKEN, "DNF_VAR_tuxcare_releasever": RELEASE}


# Whole processes, for what the share is of.
_WHOLE = 5


class Pair(NamedTuple):
    """One round: with the plugin, without it."""

    with_it: Cost
    without: Cost


class Comparison(NamedTuple):
    """Many pairs, and processor seconds of whole processes without the plugin."""

    pairs: list[Pair]
    whole: float


class Desk:
    """A registered host over that sack, with dnf's metadata cached."""

    def __init__(self, lab: PinLab, tree: UpstreamTree) -> None:
        self._lab = lab
        url = f"file://{tree.os_dir(upstream.REPO, upstream.ARCH)}"
        self._large = (f"--repofrompath=large,{url}", "--setopt=large.gpgcheck=0")

    def host(self, mode: str | None) -> PinHost:
        host = self._lab.host("validated", mode)
        host.run(*self._large, "makecache", environment=_VARIABLES)
        return host

    def compare(self, host: PinHost, pairs: int, *command: str, expected: int = 0) -> Comparison:
        """So many pairs, after one that only warms up."""
        arguments = self._arguments(host, (*self._large, *command))
        job = {"rounds": pairs, "arguments": arguments, "options": _WITHOUT}
        done = subprocess.run(
            ["/usr/bin/python3", Path(__file__).with_name("forked_dnf.py")],
            input=json.dumps(job), env=self._environment(), cwd=self._lab.directory,
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        found = []
        for without, with_it in json.loads(done.stdout):
            for _, _, status in (with_it, without):
                _expect(command, status, expected)
            found.append(Pair(*(Cost(wall, 0, spent) for spent, wall, _ in (with_it, without))))
        whole = [
            self._run(host, (*self._large, *_WITHOUT, *command), expected).processor
            for _ in range(_WHOLE)
        ]
        return Comparison(found, median(whole))

    def instructions(self, host: PinHost, *command: str) -> tuple[int, int]:
        """Instructions that dnf executes in user mode with the plugin and without, by valgrind.

        The same in every run, whatever else the machine does; what the kernel does for it, such
        as reading files, is not in it.
        """
        found = []
        for options in ((), _WITHOUT):
            done = subprocess.run(
                ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}",
                 "/usr/bin/python3", "/usr/bin/dnf",
                 *self._arguments(host, (*self._large, *options, *command))],
                env={**self._environment(), "PYTHONHASHSEED": "0"},
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                cwd=self._lab.directory,
            )  # fmt: skip
            count = re.search(r"Collected : (\d+)", done.stderr)
            if not count:
                raise RuntimeError(f"valgrind counted nothing: {done.stderr[-2000:]}")
            found.append(int(count[1]))
        return found[0], found[1]

    def _environment(self) -> dict[str, str]:
        return {**self._lab.environment(), **_VARIABLES}

    def _arguments(self, host: PinHost, arguments: Sequence[str]) -> list[str]:
        return [f"--config={self._lab.directory}/etc/dnf.conf", f"--installroot={host.root}",
                "--releasever=9", *arguments]  # fmt: skip

    def _run(self, host: PinHost, arguments: Sequence[str], expected: int) -> Cost:
        started = time.monotonic()
        process = subprocess.Popen(
            ["dnf", *self._arguments(host, arguments)],
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self._lab.directory,
        )  # fmt: skip
        assert process.stderr
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        _expect(arguments, process.returncode, expected, said.decode())
        return Cost(
            time.monotonic() - started, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime
        )


def _expect(arguments: Sequence[str], status: int, expected: int, said: str = "") -> None:
    """Raises RuntimeError: a command that does something else has no speed."""
    if status != expected:
        raise RuntimeError(f"{' '.join(arguments)}: exit {status}\n{said[-2000:]}")


def figures(work: str, comparison: Comparison) -> list[Figure]:
    """What is more with the plugin; the targets are for the median of processor time."""
    pairs, whole = comparison
    processor = median_interval([(one.processor - two.processor) * 1e3 for one, two in pairs])
    wall = median_interval([(one.seconds - two.seconds) * 1e3 for one, two in pairs])
    without = whole * 1e3
    fastest = [min(cost.processor for cost in side) * 1e3 for side in zip(*pairs)]
    most = _PLAIN_MS if work.startswith(_PLAIN_WORK) else _SACK_MS
    lines = [
        Figure(f"{work}: without the plugin", f"{without:.0f} ms"),
        Figure(f"{work}: more with it", f"{processor.text(1)} ms", f"{most} ms",
               processor.at_most(most)),
        Figure(f"{work}: more with it, fastest against fastest",
               f"{fastest[0] - fastest[1]:.1f} ms"),
        Figure(f"{work}: more with it, wall time", f"{wall.text(1)} ms"),
    ]  # fmt: skip
    if most == _SACK_MS:
        share = Interval(*(value / without for value in processor))
        text = f"{share.middle:.1%} ({share.low:.1%} to {share.high:.1%})"
        lines.append(Figure(f"{work}: share", text, "5 %", share.at_most(0.05)))
    return lines


def by_instructions(work: str, with_it: int, without: int) -> Figure:
    """Of these the share holds on any machine; the target is the one for processor time."""
    share = with_it / without - 1
    value = f"{(with_it - without) / 1e6:.1f} of {without / 1e6:.0f} million ({share:.1%})"
    sack = work.startswith(_SACK_WORK)
    return Figure(f"{work}: more instructions with it", value, "5 %" if sack else "",
                  share <= 0.05 if sack else None)  # fmt: skip


def run(tree: UpstreamTree, rounds: int) -> list[Figure]:
    """Every work with the plugin and without, in a laboratory of its own; see `_PAIRS`."""
    # Without pins that package would end the command in the solver.
    upgrade = ("-C", "upgrade", "--assumeno", "--exclude=openssl-next")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-plugin-")))
        lab = stack.enter_context(PinLab(folder, Keys(folder / "keys")))
        desk = Desk(lab, tree)
        off, strict = desk.host(None), desk.host("strict")
        found = []
        for host, mode in ((off, "off"), (strict, "strict")):
            # dnf --version ends before any plugin is loaded; repolist is the least that loads them.
            # What --assumeno would not do is exit status 1.
            works = {_PLAIN_WORK: (0, ["repolist"]), _SACK_WORK: (1, upgrade)}
            for work, (expected, command) in works.items():
                pairs = rounds * _PAIRS[work]
                compared = desk.compare(host, pairs, *command, expected=expected)
                found += figures(f"{work}, FIPS {mode}", compared)
                if shutil.which("valgrind"):
                    counts = desk.instructions(host, *command)
                    found.append(by_instructions(f"{work}, FIPS {mode}", *counts))
        return found
