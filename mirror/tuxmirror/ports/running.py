"""How a run goes on: who works, who is told, what time it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol


class Executor(Protocol):
    """Does pieces of work somewhere, in any order; one may be done more than once."""

    def run(self, pieces: Iterable[Any]) -> Iterator[Any]:
        """What became of each, as it ends.

        Raises:
            NetworkError: nobody does the work.
            ConfigError, VerificationError: they cannot, or it ends them.
        """


class Reporter(Protocol):
    """Where events go: a terminal, JSON lines, or nowhere."""

    def event(self, name: str, **fields: object) -> None: ...


class Clock(Protocol):
    def __call__(self) -> float: ...
