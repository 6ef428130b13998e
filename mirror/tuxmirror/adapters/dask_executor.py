"""Work done by Dask workers (https://distributed.dask.org).

What Dask does not do: a scheduler that was started anew knows nothing of what it was told before.
What had no result by then is submitted again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any, Generic, TypeVar

from ..core.errors import ConfigError, MirrorError, NetworkError
from .local_executor import ends_workers

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_CONNECT = 15.0
# A scheduler that was started again finds its workers within that time.
_PATIENCE = 60.0
_LOOK = 5.0
_RECONNECTS = 5


class DaskExecutor(Generic[Piece, Result]):
    """See `ports.Executor`.

    Args:
        address: of the scheduler.
        function: importable on the workers; what it gets and returns can be pickled.
        patience: seconds to wait for workers, and for a scheduler to come back.
        connect: seconds within which a scheduler that is there answers.
    """

    def __init__(
        self,
        address: str,
        function: Callable[[Piece], Result],
        patience: float = _PATIENCE,
        connect: float = _CONNECT,
    ) -> None:
        self._address = address
        self._function = function
        self._patience = patience
        self._connect = connect

    def run(self, pieces: Iterable[Piece]) -> Iterator[Result]:
        waiting = iter(pieces)
        again: list[Piece] = []
        deadline: float | None = None
        for _ in range(_RECONNECTS):
            with self._connected(deadline) as client:
                left = yield from self._drive(client, again, waiting)
            if not left:
                return
            again = left
            deadline = time.monotonic() + self._patience
        raise self._gone("it went away again and again")

    def _drive(self, client: Any, again: list[Piece], waiting: Iterator[Piece]) -> Any:
        """Yields results; returns the pieces that got none, because the scheduler went."""
        from distributed import wait
        from distributed.comm import CommClosedError

        active: dict[Any, Piece] = {}
        again = list(again)
        room = 2 * max(1, self._threads(client))
        quiet = time.monotonic()
        try:
            while True:
                while len(active) < room:
                    piece = again.pop() if again else next(waiting, None)
                    if piece is None:
                        break
                    future = client.submit(self._function, piece, pure=False)
                    active[future] = piece
                if not active:
                    return []
                with contextlib.suppress(TimeoutError), client.as_current():
                    wait(list(active), timeout=_LOOK, return_when="FIRST_COMPLETED")
                ended = [future for future in active if future.done()]
                for future in ended:
                    result = self._result(future, active[future])
                    del active[future]
                    yield result
                if ended or self._threads(client):
                    quiet = time.monotonic()
                elif time.monotonic() - quiet > self._patience:
                    raise self._gone("it has no workers")
        except (CancelledError, CommClosedError, OSError):
            return [*again, *active.values()]
        finally:
            for future in active:
                with contextlib.suppress(OSError, CommClosedError):
                    future.release()

    def _result(self, future: Any, piece: Piece) -> Result:
        from distributed import KilledWorker

        try:
            result: Result = future.result(timeout=self._patience)
        except KilledWorker as error:
            raise ends_workers(str(error)[:200]) from None
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"a worker lacks the Python library '{error.name}'",
                way_out="install tuxmirror and what it stands on there, as here",
            ) from None
        return result

    def _threads(self, client: Any) -> int:
        with contextlib.suppress(OSError, AttributeError, ValueError):
            return sum(client.nthreads().values())
        return 0

    @contextlib.contextmanager
    def _connected(self, deadline: float | None) -> Iterator[Any]:
        from distributed import Client
        from distributed.comm import CommClosedError

        client = None
        while client is None:
            try:
                client = Client(self._address, timeout=self._connect, set_as_default=False)
            except (OSError, ValueError) as error:
                if deadline is None or time.monotonic() > deadline:
                    raise self._gone(str(error).splitlines()[0]) from None
                time.sleep(1)
        try:
            try:
                client.wait_for_workers(1, timeout=self._patience)
            except (OSError, TimeoutError):
                raise self._gone("it has no workers") from None
            yield client
        finally:
            with contextlib.suppress(OSError, CommClosedError):
                client.close(timeout=5)

    def _gone(self, reason: str) -> MirrorError:
        return NetworkError(
            "the Dask scheduler does not do the work",
            expected=f"a scheduler with workers at {self._address}",
            found=reason,
            way_out="start it (dask scheduler, dask worker), mend workers = in the configuration,"
            " or remove that line; nothing was published",
        )
