"""Reads metadata in a process with bounded memory, see `metadata_worker`."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.advisory import model
from ..core.advisory.model import Scope
from ..core.errors import MetadataError, MirrorError, StorageError
from ..core.package import Package
from ..core.summary import Advisory

# A primary of 30,000 packages takes 120 MB of address space beyond what the libraries do.
MEMORY_BYTES = 1 << 30
# No answer is larger than the memory it was made in.
_RESULTS = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (
        Package,
        Advisory,
        model.Advisory,
        model.FixedPackage,
        model.Module,
        model.Reference,
        model.Scope,
    )
}
_ERRORS = {kind.code: kind for kind in (MetadataError, StorageError)}


class MetadataProcess:
    """One for a run, started anew where it ended. Not thread-safe."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self.close: Callable[[], object] = lambda: None

    def start(self) -> None:
        """So that its imports are over by the time it is asked."""
        if self._process is not None:
            return
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tuxmirror.adapters.metadata_worker", str(self._memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(root), "LC_ALL": "C.UTF-8"},
        )
        self.close = weakref.finalize(self, _end, self._process)

    def ask(self, method: str, scratch: Path, path: Path, *arguments: object) -> Any:
        """What `rpmmd.RpmMetadata` says.

        Raises:
            MetadataError: also where reading takes more memory or time than there is for it.
            StorageError.
        """
        self.start()
        assert self._process and self._process.stdin and self._process.stdout  # noqa: S101
        request = [method, str(scratch), str(path), *arguments]
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            length = int.from_bytes(_exactly(self._process.stdout, 8), "big")
            if length > self._memory:
                raise EOFError
            answer = _Answer(io.BytesIO(_exactly(self._process.stdout, length))).load()
        except (OSError, EOFError, pickle.UnpicklingError):
            raise self._died() from None
        good, value = answer
        if good:
            return value
        code, fields = value
        raise _ERRORS.get(code, MirrorError)(**fields)

    def _died(self) -> MetadataError:
        assert self._process  # noqa: S101
        process, self._process = self._process, None
        self.close()
        return MetadataError(
            "cannot be read within bounds",
            expected=f"at most {self._memory >> 20} MiB of memory and some minutes",
            found=f"the process that reads it ended with status {process.returncode}",
        )


class BoundedMetadata:
    """See `ports.MetadataReader`. `scratch` is a folder for inflated files."""

    def __init__(self, scratch: Path, process: MetadataProcess) -> None:
        self._scratch = scratch
        self._process = process
        process.start()

    def packages(
        self, primary: Path, open_sha256: str | None, open_size: int | None
    ) -> list[Package]:
        found: list[Package] = self._ask("packages", primary, open_sha256, open_size)
        return found

    def advisories(self, updateinfo: Path, open_size: int | None) -> list[Advisory]:
        found: list[Advisory] = self._ask("advisories", updateinfo, open_size)
        return found

    def errata(
        self, updateinfo: Path, open_size: int | None, scope: Scope, repository: str
    ) -> list[model.Advisory]:
        found: list[model.Advisory] = self._ask("errata", updateinfo, open_size, scope, repository)
        return found

    def _ask(self, method: str, path: Path, *arguments: object) -> Any:
        return self._process.ask(method, self._scratch, path, *arguments)


class _Answer(pickle.Unpickler):
    """Results and nothing that could run: a parser that was taken over speaks here."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _RESULTS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name}") from None


def _exactly(stream: Any, number: int) -> bytes:
    data: bytes = stream.read(number)
    if len(data) != number:
        raise EOFError
    return data


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
