"""Work done by processes of this machine: workers without a scheduler.

A process that dies takes its piece along and, as concurrent.futures has it, the whole pool. All
that had no result is given to a new one; what ends every process that looks at it is named.
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

from ..core.errors import VerificationError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

# A piece that was under way when so many pools broke is what breaks them.
_ATTEMPTS = 3
# A worker has about 100 MiB, whatever it fetches (bench/results/scale.md).
MEMORY = 1 << 30


class LocalExecutor(Generic[Piece, Result]):
    """See `ports.Executor`.

    Args:
        function: importable; what it gets and returns can be pickled.
        processes: how many at once.
        memory: what one may have, in bytes; more is a MemoryError of its piece.
    """

    def __init__(
        self, function: Callable[[Piece], Result], processes: int, memory: int = MEMORY
    ) -> None:
        self._function = function
        self._processes = processes
        self._memory = memory

    def run(self, pieces: Iterable[Piece]) -> Iterator[Result]:
        waiting = iter(pieces)
        again: list[tuple[Piece, int]] = []
        while True:
            # Not forked: threads of this process hold locks that a copy would wait for.
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(self._processes, context, _bound, (self._memory,))
            try:
                again = yield from self._drive(pool, again, waiting)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
            if not again:
                return

    def _drive(
        self, pool: ProcessPoolExecutor, again: list[tuple[Piece, int]], waiting: Iterator[Piece]
    ) -> Any:
        """Yields results; returns the pieces that got none, because a process died."""
        active: dict[Future[Result], tuple[Piece, int]] = {}
        # One at a time what may be to blame: nothing else is lost with it.
        room = 1 if again else 2 * self._processes
        again = list(again)
        while True:
            while len(active) < room:
                if not again:
                    room = 2 * self._processes
                entry = again.pop() if again else _next(waiting)
                if entry is None:
                    break
                try:
                    active[pool.submit(self._function, entry[0])] = entry
                except BrokenProcessPool:
                    return self._lost([entry, *active.values()], again)
            if not active:
                return []
            done, _ = wait(active, return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    result = future.result()
                except BrokenProcessPool:
                    return self._lost(active.values(), again)
                del active[future]
                yield result

    def _lost(
        self, active: Iterable[tuple[Piece, int]], again: Iterable[tuple[Piece, int]]
    ) -> list[tuple[Piece, int]]:
        tried = [(piece, attempts + 1) for piece, attempts in active]
        if any(attempts >= _ATTEMPTS for _, attempts in tried):
            raise ends_workers("the process was killed")
        return [*again, *tried]


def _bound(memory: int) -> None:
    """Of its data, not of its addresses: stacks of threads have many that are never used."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def _next(waiting: Iterator[Piece]) -> tuple[Piece, int] | None:
    for piece in waiting:
        return piece, 0
    return None


def ends_workers(found: str) -> VerificationError:
    """Of a piece that no worker survives."""
    return VerificationError(
        "a batch of packages ends every process that looks at it",
        found=found,
        way_out="sync without workers = to learn which; nothing was published",
    )
