"""Package verification beside the transfer: batches to worker processes, see `rpm_worker`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
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
        """Returns at once: the keys' database is made while the first packages come."""
        self._pool = _Workers(self._workers, rpm_database(self._keyring))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close()

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
        self._pool.check()
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

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.kill()
        self._process.communicate()


class _Workers:
    """A pool of threads, each with a worker of its own, started as soon as the database is there.

    A database that rpm does not take fails whatever is asked.
    """

    def __init__(self, number: int, database: AbstractContextManager[Path]) -> None:
        self._local = threading.local()
        self._started: list[_Worker] = []
        self._threads = ThreadPoolExecutor(number)
        self._database = database
        self._folder = self._threads.submit(database.__enter__)
        for _ in range(number):
            self._threads.submit(self._worker)

    def _worker(self) -> _Worker:
        if not hasattr(self._local, "worker"):
            self._local.worker = _Worker(self._folder.result())
            self._started.append(self._local.worker)
        worker: _Worker = self._local.worker
        return worker

    def submit(self, verify, batch: _Batch) -> Future[list[Verified]]:  # type: ignore[no-untyped-def]
        return self._threads.submit(lambda: verify(self._worker(), batch))

    def check(self) -> None:
        """Raises ConfigError where rpm does not take the keys."""
        self._folder.result()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._started):
            worker.kill()
        # One may just have been started.
        self._threads.shutdown(wait=True)
        for worker in self._started:
            worker.close()
        if not self._folder.cancelled() and self._folder.exception() is None:
            self._database.__exit__(None, None, None)
