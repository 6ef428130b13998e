"""A Dask scheduler and its workers, as processes.

with Dask(environment, workers=2) as dask:
    site.main["workers"] = dask.address
    dask.kill_worker()              # as an out-of-memory killer would
    dask.restart_scheduler()        # it knows nothing of before
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from . import CHECKOUT
from .s3 import free_port


class Dask:
    """`workers` processes of one thread each; `environment` is theirs.

    `memory`: what one may have ("600MB"). A process beside it ends one that has more, and starts
    again whatever ended.
    """

    def __init__(
        self, environment: Mapping[str, str], workers: int = 2, memory: str | None = None
    ) -> None:
        self._memory = memory
        roots = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "mirror")])
        self._environment = {
            **os.environ,
            **environment,
            "PYTHONPATH": roots,
            # Of a task that ends its worker.
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2",
        }
        self._number = workers

    def __enter__(self) -> Dask:
        self._folder = Path(tempfile.mkdtemp(prefix="tuxmirror-dask-"))
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self._scheduler = self._start_scheduler()
        self._workers = [self._start_worker(number) for number in range(self._number)]
        if self._number:
            self.wait(self._number)
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._workers, self._scheduler):
            _end(process)
        shutil.rmtree(self._folder)

    @property
    def workers(self) -> list[subprocess.Popen[bytes]]:
        return [worker for worker in self._workers if worker.poll() is None]

    def wait(self, number: int, seconds: float = 120) -> None:
        """Until so many workers are known to the scheduler."""
        from distributed import Client

        with Client(self.address, timeout=seconds, set_as_default=False) as client:
            client.wait_for_workers(number, timeout=seconds)

    def kill_worker(self) -> None:
        """One that is alive, without a word."""
        victim = self.workers[0]
        victim.send_signal(signal.SIGKILL)
        victim.wait()

    def start_worker(self) -> None:
        self._workers.append(self._start_worker(len(self._workers)))

    def restart_scheduler(self) -> None:
        """Another one at the same address; its workers are new as well."""
        self._scheduler.send_signal(signal.SIGKILL)
        self._scheduler.wait()
        for worker in self.workers:
            _end(worker)
        self._scheduler = self._start_scheduler()
        self._workers = [self._start_worker(10 + number) for number in range(self._number)]

    def peak_rss(self) -> list[int]:
        """Of the living workers, in bytes."""
        found = []
        for worker in self.workers:
            status = Path(f"/proc/{worker.pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            found.append(int(line.split()[1]) * 1024)
        return found

    def cpu_seconds(self) -> float:
        """Of the living workers until now."""
        ticks = 0
        for worker in self.workers:
            fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
            # utime, stime, and those of children that ended.
            ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def said(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def _start_scheduler(self) -> subprocess.Popen[bytes]:
        port = self.address.rpartition(":")[2]
        return self._start("scheduler", "--host", "127.0.0.1", "--port", port)

    def _start_worker(self, number: int) -> subprocess.Popen[bytes]:
        space = self._folder / f"worker-{number}"
        nanny = ("--nanny", "--memory-limit", self._memory) if self._memory else ("--no-nanny",)
        options = ("--nthreads", "1", *nanny, "--host", "127.0.0.1")
        return self._start("worker", self.address, *options, "--local-directory", str(space))

    def _start(self, role: str, *arguments: str) -> subprocess.Popen[bytes]:
        module = f"distributed.cli.dask_{role}"
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments, "--no-dashboard"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
        return
    process.kill()
    process.wait()


def wait_until(condition, seconds: float = 60) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
