"""The commands of the FIPS suite with dnf-plugins-core's versionlock in the plugin's place.

    python -m bench.versionlock [--output docs/versionlock-comparison.md]

The rows are those of tests/integration/test_plugin_commands.py in mode strict, on hosts that have
the validated builds. versionlock holds what `dnf versionlock add` would list there: every installed
build of a pinned package. What the plugin does is what the suite asserts; what versionlock does is
seen here.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.integration.test_plugin_commands import STRICT, TABLE, Row
from tests.support import pinlab as lab
from tests.support.keys import Keys
from tests.support.pinlab import CHECKOUT, PinHost, PinLab
from tests.support.pinlab import Outcome as DnfOutcome

PLUGIN = Path("/usr/lib/python3/dist-packages/dnf-plugins/versionlock.py")
STATES = ("validated", "tools", "two-generations", "full")
OUTPUT = CHECKOUT / "docs" / "versionlock-comparison.md"
PINNED = frozenset(
    spec.name for spec in [*lab.VALIDATED, *lab.KERNEL_5, *lab.LIBKCAPI, *lab.LOCAL["unsourced"]]
) | {"rtla"}
VARIABLES = {"DNF_VAR_tuxcare_token": lab.TOKEN, "DNF_VAR_tuxcare_releasever": lab.RELEASE}

SAME, WORSE, OTHER = "same", "lets through", "differs"


class Finding(NamedTuple):
    """One command: how versionlock's result compares, and what it was."""

    row: Row
    verdict: str
    result: str


def rows() -> Iterator[Row]:
    for row in TABLE:
        if row.state in STATES and set(STRICT) <= set(row.modes):
            yield row


class VersionlockDesk:
    """Hosts whose dnf has versionlock and nothing else."""

    def __init__(self, laboratory: PinLab, folder: Path) -> None:
        self._lab = laboratory
        self._folder = folder
        plugins = folder / "plugins"
        plugins.mkdir(parents=True)
        shutil.copy(PLUGIN, plugins)
        self._locklist = folder / "versionlock.list"
        (folder / "versionlock.conf").write_text(
            f"[main]\nenabled = 1\nlocklist = {self._locklist}\n"
        )
        self._options = (f"--setopt=pluginpath={plugins}", f"--setopt=pluginconfpath={folder}")

    def examine(self, row: Row) -> Finding:
        host = self._lab.host(row.state, None)
        self._lock(host)
        elsewhere = self._lab.content_url.replace("127.0.0.1", "localhost")
        command = row.command.replace(
            "{elsewhere}", elsewhere + "/tuxcare/9.2/{token}/fips/x86_64/"
        )
        before = self._vendors(host)
        outcome = host.run(*self._options, *command.split(), environment=VARIABLES)
        swapped = sorted(nevra for nevra, _ in self._vendors(host) - before)
        shutil.rmtree(host.root)
        return Finding(row, *compare(row, outcome, [n for n in swapped if n in dict(before)]))

    def _vendors(self, host: PinHost) -> set[tuple[str, str]]:
        listing = self._lab.rpm(host.root, "-qa", "--qf", "%{NEVRA}\\t%{VENDOR}\\n")
        return {(line.split("\t")[0], line.split("\t")[1]) for line in listing.splitlines()}

    def _lock(self, host: PinHost) -> None:
        """What `dnf versionlock add` writes for what is installed: NAME-EPOCH:VERSION-RELEASE.*"""
        query = "%{NAME} %{NAME}-%|EPOCH?{%{EPOCH}}:{0}|:%{VERSION}-%{RELEASE}.*\\n"
        listed = [
            line.split()
            for line in self._lab.rpm(host.root, "-qa", "--qf", query).split("\n")
            if line
        ]
        self._locklist.write_text(
            "".join(
                f"{pattern}\n" for name, pattern in sorted(map(tuple, listed)) if name in PINNED
            )
        )


def compare(row: Row, outcome: DnfOutcome, swapped: list[str]) -> tuple[str, str]:
    """The verdict, and what versionlock's dnf did; `swapped` came again, from another vendor."""
    extra_gains = pinned(outcome.gained - row.gains)
    extra_losses = pinned(outcome.lost - row.loses)
    if extra_gains or extra_losses:
        return WORSE, changes(extra_gains, extra_losses)
    if (bool(outcome.exit), outcome.gained, outcome.lost) == (
        bool(row.exit), frozenset(row.gains), frozenset(row.loses),
    ):  # fmt: skip
        return SAME, "the same"
    if outcome.exit:
        return OTHER, "fails: " + reason(outcome)
    if row.exit and swapped:
        return WORSE, f"replaces {some(frozenset(swapped))} by another vendor's"
    if row.exit:
        return OTHER, "exit status 0, nothing pinned changes"
    return OTHER, "does less: " + changes(outcome.gained, outcome.lost)


def pinned(nevras: frozenset[str]) -> frozenset[str]:
    return frozenset(nevra for nevra in nevras if nevra.rsplit("-", 2)[0] in PINNED)


def some(nevras: frozenset[str]) -> str:
    shown = [f"`{nevra}`" for nevra in sorted(nevras)]
    return ", ".join(shown[:2]) + (f" and {len(shown) - 2} more" if len(shown) > 2 else "")


def changes(gained: frozenset[str], lost: frozenset[str]) -> str:
    parts = [f"installs {some(gained)}" if gained else "", f"removes {some(lost)}" if lost else ""]
    return "; ".join(filter(None, parts)) or "nothing"


def reason(outcome: DnfOutcome) -> str:
    """dnf's first sentence about it; `Error:` may stand on a line of its own."""
    said = outcome.stderr.partition("Error:")[2] or outcome.stderr
    lines = [line.strip(" -") for line in said.splitlines() if line.strip(" -")]
    return (lines or ["no word"])[0].replace("|", "\\|")


def expected(row: Row) -> str:
    if row.exit:
        return "refused"
    return changes(frozenset(row.gains), frozenset(row.loses))


def markdown(findings: list[Finding]) -> str:
    count = {verdict: sum(found.verdict == verdict for found in findings)
             for verdict in (SAME, WORSE, OTHER)}  # fmt: skip
    lines = [
        "# versionlock in the plugin's place",
        "",
        "The commands of the FIPS suite (mode `strict`) on hosts that have the validated builds,",
        "once with the `tuxcare` plugin and once with dnf-plugins-core's `versionlock`, which has",
        "every installed build of a pinned package on its list. Made by",
        "`python -m bench.versionlock`, from real runs of dnf 4.14.",
        "",
        f"Of {len(findings)} commands versionlock does the same with {count[SAME]},"
        f" **lets {count[WORSE]} through** that change pinned packages, and with {count[OTHER]} it"
        " fails or does something else where the plugin installs or explains.",
        "",
        "| host | command | tuxcare | versionlock | |",
        "|---|---|---|---|---|",
    ]
    order = {WORSE: 0, OTHER: 1, SAME: 2}
    for found in sorted(findings, key=lambda found: order[found.verdict]):
        verdict = f"**{found.verdict}**" if found.verdict == WORSE else found.verdict
        command = found.row.command.replace("|", "\\|")
        lines.append(
            f"| {found.row.state} | `{command}` | {expected(found.row)} | {found.result}"
            f" | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="versionlock-")))
        laboratory = stack.enter_context(PinLab(folder / "lab", Keys(folder / "keys")))
        desk = VersionlockDesk(laboratory, folder / "versionlock")
        findings = []
        for row in rows():
            findings.append(desk.examine(row))
            print(f"{findings[-1].verdict:14}{row.state}: {row.command}", file=sys.stderr)
    args.output.write_text(markdown(findings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
