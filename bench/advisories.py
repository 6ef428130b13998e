"""What publishing 5,000 advisories costs: writing, comparing, proving, and the size of the files.

Made like AlmaLinux 9's: three CVEs and eight packages on the average, sixty kernels among them, a
tenth modular. The machine's load is in the report.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tuxmirror.adapters.oscap import Oscap
from tuxmirror.core.advisory import proof
from tuxmirror.core.advisory.catalogue import Catalogue
from tuxmirror.core.advisory.cve import Cve, Disclosure
from tuxmirror.core.advisory.formats import oval
from tuxmirror.core.advisory.formats.context import Issuer
from tuxmirror.core.advisory.model import Advisory, FixedPackage, Module, Scope
from tuxmirror.core.advisory.severity import Score
from tuxmirror.core.audit.characteristics import describe
from tuxmirror.core.audit.results import findings
from tuxmirror.core.config import Tree
from tuxmirror.usecases import advisory_formats

NUMBER = 5000
_SCOPE = Scope("9.2", "esu")
_TREE = Tree("tuxcare/9.2/esu", type="local")
_VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
_Result = TypeVar("_Result")
# What, wall clock, processor time with children, what came of it.
Row = tuple[str, float, float, str]


def catalogue(number: int = NUMBER) -> Catalogue:
    """The same every time."""
    chance = random.Random(number)
    cves: dict[str, Cve] = {}
    advisories = []
    for index in range(number):
        names = [f"CVE-2026-{10_000 + 3 * index + k}" for k in range(3)]
        for name in names:
            score = Score("nvd", "3.1", 9.8, _VECTOR)
            disclosed = (Disclosure("nvd", 1_780_000_000),)
            cves[name] = Cve(name, f"What {name} is. " * 10, (score,), disclosed)
        advisories.append(
            Advisory(
                id=f"CLSA-2026:{index:05}",
                scope=_SCOPE,
                kind="security",
                title=f"update number {index}",
                severity="Important",
                issued=1_790_000_000 + index,
                updated=1_790_000_000 + index,
                packages=_packages(index, chance),
                cves=tuple(sorted(names)),
                description="Security Fix(es):\n" + "\n".join(f"* something ({n})" for n in names),
            )
        )
    return Catalogue(tuple(advisories), cves, channel="vetted")


def _packages(index: int, chance: random.Random) -> tuple[FixedPackage, ...]:
    if index % 83 == 0:
        names = ["kernel", *(f"kernel-{part}" for part in ("core", "modules", "devel", "tools"))]
        source = f"kernel-5.14.0-{index + 1}.el9_2.src.rpm"
        return tuple(
            FixedPackage(name, 0, "5.14.0", f"{index + 1}.el9_2", "x86_64", source)
            for name in names
        )
    stem = f"package{index % 900}"
    module = Module(stem, "1", "9020", "abc", "x86_64") if index % 900 < 90 else None
    source = f"{stem}-1.2-{index + 1}.el9_2.src.rpm"
    names = [stem, *(f"{stem}-sub{k}" for k in range(chance.randrange(4)))]
    return tuple(
        FixedPackage(name, index % 2, "1.2", f"{index + 1}.el9_2", arch, source, module)
        for name in names
        for arch in ("aarch64", "i686", "x86_64")
    )


def main() -> None:
    known = catalogue()
    issuer = Issuer()
    everything = list(known.advisories)
    rows: list[Row] = []

    def timed(what: str, work: Callable[[], _Result], said: Callable[[_Result], str]) -> _Result:
        started, used = time.perf_counter(), _cpu()
        result = work()
        rows.append((what, time.perf_counter() - started, _cpu() - used, said(result)))
        return result

    documents = timed(
        "write all formats",
        lambda: advisory_formats.write(_SCOPE, known, issuer),
        lambda d: f"{len(d)} files, {sum(map(len, d.values())) / 1e6:.0f} MB",
    )
    timed(
        "read back and compare",
        lambda: advisory_formats.check(_TREE, _SCOPE, known, documents),
        lambda _: "all formats agree",
    )
    data = documents[oval.path(_SCOPE)]
    scanner = Oscap()
    timed("OVAL schema", lambda: scanner.validate(data), lambda _: f"{len(data) / 1e6:.1f} MB")
    timed("schematron, 20 definitions", lambda: _schematron(scanner, everything, known), str)
    timed("proof, 200 definitions", lambda: _prove(scanner, everything, known, issuer), str)
    print(_report(rows))
    target = Path(__file__).parent / "results" / "advisories.md"
    target.write_text(_report(rows))


def _schematron(scanner: Oscap, found: Sequence[Advisory], known: Catalogue) -> str:
    scanner.validate(oval.write(_SCOPE, found[:20], known, Issuer()), schematron=True)
    return "valid"


def _prove(scanner: Oscap, found: Sequence[Advisory], known: Catalogue, issuer: Issuer) -> str:
    hosts = 0
    for batch in proof.batches(proof.sample(found)):
        definitions = oval.write(_SCOPE, batch, known, issuer)
        for case in proof.cases(_SCOPE, batch):
            described = describe(definitions, case.host, "bench")
            said = scanner.analyse(definitions, described.data)
            for error in proof.check(case, batch, findings(said, described.packages)).values():
                raise error
            hosts += 1
    return f"{hosts} hosts judged"


def _cpu() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _report(rows: Sequence[Row]) -> str:
    load = os.getloadavg()[0]
    lines = [
        f"# {NUMBER:,} advisories, {3 * NUMBER:,} CVEs",
        "",
        f"`./dev bench advisories`, {os.cpu_count()} cores, load {load:.1f} (others at work).",
        "",
        "| step | seconds | CPU s | |",
        "|---|---:|---:|---|",
        *(f"| {what} | {wall:.1f} | {cpu:.1f} | {said} |" for what, wall, cpu, said in rows),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
