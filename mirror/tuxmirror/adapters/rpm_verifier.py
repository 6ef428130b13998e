"""Package verification beside the transfer: batches to worker processes, see `rpm_worker`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from ..core.errors import MirrorError, SignatureError
from ..core.package import Header, Package, check_header
from ..core.rpmkeys import check_output
from ..ports import Verified
from .keyring import GpgKeyring, rpm_database

# Large enough that asking does not show, small enough that little is left when the last has come.
BATCH_FILES = 25
BATCH_BYTES = 8 << 20

_Batch = list[tuple[Package, Path]]


class RpmVerifier:
    """See `ports.PackageVerifier`."""

    def __init__(self, keyring: GpgKeyring, workers: int | None = None) -> None:
        self._keyring = keyring
        self._workers = workers or max(1, min(4, (os.cpu_count() or 2) - 1))
        self._batch: _Batch = []
        self._batch_bytes = 0
        self._futures: list[Future[list[Verified]]] = []

    def __enter__(self) -> RpmVerifier:
        self._database = rpm_database(self._keyring)
        self._pool = _Workers(self._workers, self._database.__enter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close()
        self._database.__exit__(None, None, None)

    def submit(self, package: Package, path: Path) -> None:
        self._batch.append((package, path))
        self._batch_bytes += package.size
        if len(self._batch) >= BATCH_FILES or self._batch_bytes >= BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._batch:
            self._futures.append(self._pool.submit(self._verify, self._batch))
            self._batch, self._batch_bytes = [], 0

    def results(self) -> Iterator[Verified]:
        while self._futures and self._futures[0].done():
            yield from self._futures.pop(0).result()

    def finish(self) -> Iterator[Verified]:
        self._flush()
        while self._futures:
            yield from self._futures.pop(0).result()

    def _verify(self, worker: _Worker, batch: _Batch) -> list[Verified]:
        answers = worker.ask([str(path) for _, path in batch])
        return [
            Verified(package, path, self._judge(package, output, fields))
            for (package, path), (output, fields) in zip(batch, answers)
        ]

    def _judge(
        self, package: Package, output: str, fields: list[object] | None
    ) -> MirrorError | None:
        try:
            check_output(output, self._keyring.key_ids, package.location)
            if fields is None:
                raise SignatureError(
                    "not a readable RPM", expected=package.nevra, path=package.location
                )
            check_header(package, Header(*fields))  # type: ignore[arg-type]
        except MirrorError as error:
            return error
        return None


class _Worker:
    """One child process; asked by one thread at a time."""

    def __init__(self, database: Path) -> None:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tuxmirror.adapters.rpm_worker", str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(root), "LC_ALL": "C"},
        )

    def ask(self, paths: list[str]) -> list[tuple[str, list[object] | None]]:
        assert self._process.stdin and self._process.stdout  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(paths).encode() + b"\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            raise SignatureError(
                "the process that verifies packages ended",
                found=f"exit status {self._process.wait()}",
                path=paths[0],
                way_out="run again; if it persists, one of these packages crashes rpm",
            ) from None
        return [(output, fields) for output, fields in answer]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class _Workers:
    """A pool of threads, each with a worker of its own."""

    def __init__(self, number: int, database: Path) -> None:
        self._local = threading.local()
        self._database = database
        self._started: list[_Worker] = []
        self._threads = ThreadPoolExecutor(number, initializer=self._start)

    def _start(self) -> None:
        self._local.worker = _Worker(self._database)
        self._started.append(self._local.worker)

    def submit(self, verify, batch: _Batch) -> Future[list[Verified]]:  # type: ignore[no-untyped-def]
        return self._threads.submit(lambda: verify(self._local.worker, batch))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._started:
            worker.close()
        self._threads.shutdown(wait=True)
