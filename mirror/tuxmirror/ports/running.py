"""How a run goes on: who works, who is told, what time it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol


class Executor(Protocol):
    """Does pieces of work somewhere, in any order; one may be done more than once."""

    def run(self, pieces: Iterable[Any]) -> Iterator[Any]:
        """What became of each, as it ends; each is told once. Pieces are drawn as they are needed.

        One whose worker dies is given to another. Given up half-way, nothing new begins.

        Raises:
            NetworkError: nobody does the work.
            ConfigError, VerificationError: they cannot, or it ends them.
            What the work itself raises, as it was.
        """


class Reporter(Protocol):
    """Where events go: a terminal, JSON lines, or nowhere."""

    def event(self, name: str, **fields: object) -> None: ...


class Clock(Protocol):
    def __call__(self) -> float: ...
