"""How often somebody may do something: token buckets, one a name, in bounded memory.

A bucket holds `burst` and fills at `rate` a second. Names are whatever the caller counts by;
those that have not been seen longest are forgotten first, and a full bucket is the same as none.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from .errors import RefusedError


class TooManyError(RefusedError):
    """Asked too often; `retry_after` is in whole seconds."""

    code = "too_many"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message, way_out=f"try again in {retry_after} s")
        self.retry_after = retry_after


class Limit(NamedTuple):
    """`burst` at once, `rate` a second for ever."""

    burst: float
    rate: float


class Buckets:
    """One bucket a name. Thread-safe; `now` is any clock that only goes forward, in seconds."""

    def __init__(self, limit: Limit, capacity: int = 100_000) -> None:
        self._limit = limit
        self._capacity = capacity
        # Name: what was left, and when.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, now: float) -> float:
        """Takes one. 0.0: it was there; else seconds until it is, and nothing was taken."""
        with self._lock:
            left = self._level(name, now)
            if left >= 1:
                self._left[name] = (left - 1, now)
                self._left.move_to_end(name)
                while len(self._left) > self._capacity:
                    self._left.popitem(last=False)
                return 0.0
        return (1 - left) / self._limit.rate

    def wait(self, name: str, now: float) -> float:
        """Seconds until one is there; takes none."""
        with self._lock:
            left = self._level(name, now)
        return max(0.0, 1 - left) / self._limit.rate

    def __len__(self) -> int:
        return len(self._left)

    def _level(self, name: str, now: float) -> float:
        left, then = self._left.get(name, (self._limit.burst, now))
        return min(self._limit.burst, left + max(0.0, now - then) * self._limit.rate)
