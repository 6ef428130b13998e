"""What the DNF plugin costs: the same dnf commands with it and without, in turn.

Real dnf on an installroot with the validated builds in it, over a sack of 30,000 packages. Seconds
are processor time: the work waits for nothing, and other users of the machine do not count.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.keys import Keys
from tests.support.pinlab import RELEASE, TOKEN, PinHost, PinLab
from tests.support.tree import UpstreamTree

from . import upstream
from .measure import Cost, Series

_WITHOUT = ("--disableplugin=tuxcare",)
# Without the plugin the repositories get their variables from the environment.
_VARIABLES = {"DNF_VAR_tuxcare_token": TOKEN, "DNF_VAR_tuxcare_releasever": RELEASE}


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

    def compare(
        self, host: PinHost, rounds: int, *command: str, expected: int = 0
    ) -> tuple[Series, Series]:
        """Costs with the plugin and without; the first round only warms up."""
        found: tuple[list[Cost], list[Cost]] = ([], [])
        for number in range(rounds + 1):
            for costs, options in zip(found, ((), _WITHOUT)):
                cost = self._run(host, (*self._large, *options, *command), expected)
                if number:
                    costs.append(cost)
        return Series(found[0]), Series(found[1])

    def _run(self, host: PinHost, arguments: Sequence[str], expected: int) -> Cost:
        process = subprocess.Popen(
            ["dnf", f"--config={self._lab.directory}/etc/dnf.conf", f"--installroot={host.root}",
             "--releasever=9", *arguments],
            env={**self._lab.environment(), **_VARIABLES},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self._lab.directory,
        )  # fmt: skip
        assert process.stderr
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        if process.returncode != expected:
            raise RuntimeError(f"{arguments}: exit {process.returncode}\n{said.decode()[-2000:]}")
        return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def difference(with_it: Series, without: Series) -> float:
    """Seconds more, of the fastest runs: what others do on the machine only ever adds."""
    fastest = [min(cost.seconds for cost in series.costs) for series in (with_it, without)]
    return fastest[0] - fastest[1]


def in_turn(tree: UpstreamTree, rounds: int) -> dict[str, tuple[Series, Series]]:
    """Every work with the plugin and without, in a laboratory of its own."""
    # Without pins that package would end the command in the solver.
    upgrade = ("-C", "upgrade", "--assumeno", "--exclude=openssl-next")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-plugin-")))
        lab = stack.enter_context(PinLab(folder, Keys(folder / "keys")))
        desk = Desk(lab, tree)
        off, strict = desk.host(None), desk.host("strict")
        found = {}
        for host, mode in ((off, "off"), (strict, "strict")):
            # dnf --version ends before any plugin is loaded; this is the least that loads them.
            found[f"dnf repolist, FIPS {mode}"] = desk.compare(host, rounds * 5, "repolist")
            # What --assumeno would not do is exit status 1.
            found[f"dnf -C upgrade --assumeno, FIPS {mode}"] = desk.compare(
                host, rounds * 5, *upgrade, expected=1
            )
        return found
