"""A process of its own that checks packages: `python -m tuxmirror.adapters.rpm_worker DATABASE`.

Reads one JSON line a batch, `[[path, …], …]`, and answers one, `[[output, header or null], …]`:
what `rpmkeys -Kv` printed of each file and what its header says. Judging is the parent's. rpm's
configuration is process-global and its parser meets untrusted bytes: both stay in here.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import rpm

MEMORY_BYTES = 2 << 30
# RPMVSF_NOMD5 and RPMVSF_NOSHA1HEADER (rpm/rpmts.h): they prove nothing any more, take as long as
# all the rest, and a machine in FIPS mode does not have them. The SHA-256 digests stay required.
SKIPPED_DIGESTS = 0x20100


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


def header(transaction: rpm.TransactionSet, path: str) -> list[object] | None:
    """The fields of `core.package.Header`, in its order; None where there is no header."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = transaction.hdrFromFdno(file.fileno())
    except (rpm.error, OSError):
        return None
    source = head.isSource()
    return [
        head[rpm.RPMTAG_NAME],
        head[rpm.RPMTAG_EPOCH] or 0,
        head[rpm.RPMTAG_VERSION],
        head[rpm.RPMTAG_RELEASE],
        ("nosrc" if head[rpm.RPMTAG_NOSOURCE] else "src") if source else head[rpm.RPMTAG_ARCH],
        head[rpm.RPMTAG_BUILDTIME],
        head[rpm.RPMTAG_SOURCERPM] or "",
    ]


def main() -> int:
    database = sys.argv[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    transaction = rpm.TransactionSet()
    # Signatures are rpmkeys' to check: here only the fields are read.
    transaction.setVSFlags(-1)
    for line in sys.stdin:
        paths = json.loads(line)
        outputs = rpmkeys(database, paths)
        answer = [[text, header(transaction, path)] for text, path in zip(outputs, paths)]
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
