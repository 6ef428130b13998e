"""`tuxmirror` as a process of its own that need not import everything first.

    with Forked() as programs:
        done = programs.run(site.command("sync"), site.environment, 60)    # as `mirror.run`

Python, boto3 and botocore's models take most of a second of CPU before a command on a bucket
begins. A process that has imported them forks one child a command; everything else of the command
is what it would be: its arguments, surroundings, output, exit status, and the signal that ends it.

What a test says of start-up or of memory needs `mirror.run`: a child has its imports already.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from threading import Lock, Timer

from . import CHECKOUT
from .mirror import Run, run

_IMPORTS = (
    *("boto3", "botocore.client", "gnupg", "pycurl"),
    *("tuxmirror.adapters.curl", "tuxmirror.adapters.keyring", "tuxmirror.adapters.rpm_verifier"),
    *("tuxmirror.adapters.metadata_process", "tuxmirror.adapters.s3_publisher"),
    *("tuxmirror.adapters.s3_store", "tuxmirror.cli", "tuxmirror.usecases.sync"),
)


class Forked:
    """One process that forks; commands one after the other."""

    def __init__(self) -> None:
        self._parent: subprocess.Popen[str] | None = None
        self._free = Lock()

    def __enter__(self) -> Forked:
        return self

    def _start(self) -> None:
        roots = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "mirror")])
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked"],
            env={**os.environ, "PYTHONPATH": roots, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __exit__(self, *_: object) -> None:
        if self._parent is None:
            return
        assert self._parent.stdin and self._parent.stdout
        self._parent.stdin.close()
        self._parent.wait(60)
        self._parent.stdout.close()

    def run(self, argv: Sequence[str], environment: Mapping[str, str], timeout: float = 60) -> Run:
        """As `mirror.run`, of the same command line: PYTHON -m MODULE ARGUMENT…

        While another thread's command is at work here it is `mirror.run`.
        """
        if not self._free.acquire(blocking=False):
            return run(argv, environment, timeout)
        try:
            return self._run(argv, environment, timeout)
        finally:
            self._free.release()

    def _run(self, argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> Run:
        assert list(argv[:2]) == [sys.executable, "-m"], argv
        if self._parent is None:
            self._start()
        with (
            tempfile.NamedTemporaryFile("rb") as stdout,
            tempfile.NamedTemporaryFile("rb") as stderr,
        ):
            wish = [list(argv[2:]), dict(environment), stdout.name, stderr.name, os.getcwd()]  # noqa: PTH109
            self._tell(json.dumps(wish))
            pid = int(self._hear())
            expired: list[bool] = []
            timer = Timer(timeout, lambda: (expired.append(True), os.kill(pid, 9)))
            timer.start()
            try:
                status, max_rss = json.loads(self._hear())
            finally:
                timer.cancel()
            out, err = (file.read().decode(errors="replace") for file in (stdout, stderr))
        result = Run(argv, status, out, err, max_rss)
        if expired:
            raise TimeoutError(f"{' '.join(argv)} took more than {timeout} s; {result}")
        return result

    def _tell(self, line: str) -> None:
        assert self._parent and self._parent.stdin
        self._parent.stdin.write(line + "\n")
        self._parent.stdin.flush()

    def _hear(self) -> str:
        assert self._parent and self._parent.stdout
        line = self._parent.stdout.readline()
        assert line, "the process that forks has ended"
        return line


def _serve() -> None:
    for name in _IMPORTS:
        __import__(name)
    # Its output goes to whoever asked for it; nobody else may write there.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        wish = json.loads(line)
        pid = os.fork()
        if not pid:
            os.close(answers.fileno())
            _become(*wish)
        print(pid, file=answers, flush=True)
        _, status, usage = os.wait4(pid, 0)
        ended = [os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024]
        print(json.dumps(ended), file=answers, flush=True)


def _become(
    arguments: list[str], environment: dict[str, str], stdout: str, stderr: str, folder: str
) -> None:
    """The program, to its end. Never returns."""
    status: object = 70
    try:
        for number, path, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, stdout, os.O_WRONLY),
            (2, stderr, os.O_WRONLY),
        ):
            opened = os.open(path, flags)
            os.dup2(opened, number)
            os.close(opened)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        module, sys.argv = arguments[0], arguments
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as error:
        status = error.code
    except BaseException:  # noqa: BLE001 - what an interpreter does last
        traceback.print_exc()
        status = 1
    finally:
        _end(status)


def _end(status: object) -> None:
    """As the interpreter ends, threads and files included."""
    import atexit
    import threading

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


if __name__ == "__main__":
    _serve()
