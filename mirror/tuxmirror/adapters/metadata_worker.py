"""A process of its own that reads metadata: `python -m tuxmirror.adapters.metadata_worker BYTES`.

createrepo_c and libxml2 meet untrusted bytes in here, with at most BYTES of memory and a bound on
processor time: whatever an upstream makes them do ends this process and harms no other.

Requests are JSON lines, `[method, scratch, path, …]` for a method of `rpmmd.RpmMetadata`. An answer
is its length in 8 bytes and a pickle, `(True, result)` or `(False, [error's code, its fields])`;
who reads it takes plain values and the classes of results alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import pickle
import resource
import sys
from pathlib import Path

from ..core.advisory.model import Scope
from ..core.errors import MirrorError
from .rpmmd import RpmMetadata

CPU_SECONDS = 600


def answer(method: str, scratch: str, path: str, *arguments: object) -> tuple[bool, object]:
    reader = RpmMetadata(Path(scratch))
    if method == "errata":
        size, scope, repository = arguments
        arguments = (size, Scope(*scope), repository)  # type: ignore[misc]
    try:
        return True, getattr(reader, method)(Path(path), *arguments)
    except MirrorError as error:
        fields = ("message", "expected", "found", "way_out", "path")
        return False, [error.code, {name: getattr(error, name) for name in fields}]


def main() -> int:
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        data = pickle.dumps(answer(*json.loads(line)), protocol=4)
        # While the answer is unpacked, others need the memory …
        _give_back()
        sys.stdout.buffer.write(len(data).to_bytes(8, "big"))
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        del data
        # … and for as long as the packages come.
        _give_back()
    return 0


def _give_back() -> None:
    """Free memory goes to the system. malloc_trim(3) is glibc's; others have none."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    sys.exit(main())
