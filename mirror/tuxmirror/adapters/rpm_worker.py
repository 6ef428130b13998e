"""A process of its own that checks packages: `python -m tuxmirror.adapters.rpm_worker DATABASE`.

Reads one JSON line a batch, `[path, …]`, and answers one, `[[output, header or null], …]`: what
`rpmkeys -Kv` prints of each file and what its header says. Judging is the parent's. rpm's
configuration is process-global and its parser meets untrusted bytes: both stay in here.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys

from .rpm_header import SKIPPED_DIGESTS, HeaderCheck

MEMORY_BYTES = 2 << 30
# For a batch: one package of many gigabytes takes a part of it. rpmkeys inherits the bound.
CPU_SECONDS = 300


def rpmkeys(database: str, paths: list[str], skipped: int = SKIPPED_DIGESTS) -> list[str]:
    """The lines that `rpmkeys -Kv` prints of each file; a lone `FAILED` where it refuses."""
    command = [
        "rpmkeys",
        "--dbpath",
        database,
        "--define",
        "_pkgverify_level all",
        "--define",
        f"_pkgverify_flags {skipped}",
        "-Kv",
    ]
    result = subprocess.run([*command, *paths], check=False, capture_output=True)
    outputs = _split(result.stdout.decode(errors="replace"), paths)
    if result.returncode and len(paths) > 1:
        return [rpmkeys(database, [path])[0] for path in paths]
    if result.returncode and skipped:
        # EL7's packages have no other digests; a signature over the payload stands in for one.
        return rpmkeys(database, paths, skipped=0)
    if result.returncode:
        reason = result.stderr.decode(errors="replace").strip()
        return [f"FAILED {reason}\n{outputs[0]}"]
    return outputs


def _split(text: str, paths: list[str]) -> list[str]:
    found: dict[str, list[str]] = {path: [] for path in paths}
    current: list[str] = []
    for line in text.splitlines():
        if line.endswith(":") and line[:-1] in found:
            current = found[line[:-1]]
        else:
            current.append(line.strip())
    return ["\n".join(found[path]) for path in paths]


def check(headers: HeaderCheck, database: str, paths: list[str]) -> list[list[object]]:
    """Output and header of each; `rpmkeys` sees those alone that are not plainly good."""
    found = [headers.verified(path) for path in paths]
    odd = [path for path, answer in zip(paths, found) if answer is None]
    outputs = iter(rpmkeys(database, odd) if odd else [])
    return [
        list(answer) if answer else [next(outputs), headers.read(path)]
        for path, answer in zip(paths, found)
    ]


def _allow(seconds: int) -> None:
    """So much processor time from now on; a package that makes rpm loop ends this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    end = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (end if hard < 0 else min(end, hard), hard))


def main() -> int:
    database = sys.argv[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    headers = HeaderCheck(database)
    for line in sys.stdin:
        _allow(CPU_SECONDS)
        print(json.dumps(check(headers, database, json.loads(line))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
