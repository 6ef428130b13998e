"""What one run has worked out: its channels mostly show the same.

It belongs to a `Mirror`, and ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ..core.errors import MirrorError
    from ..core.snapshot import File
    from .advisories import Material

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """The values that were asked for last, by what they are made from."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._known: dict[Hashable, _Value] = {}

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """Made where it is not known. What `make` raises is not kept."""
        value = self._known.pop(key) if key in self._known else make()
        while len(self._known) >= self._kept:
            del self._known[next(iter(self._known))]
        self._known[key] = value
        return value


class Memory:
    """Values alone: whatever held the mirror would keep its processes.

    `materials` of snapshots, by their ids: the tracker asks for those of all trees, and a large
    tree's take memory. `formats` of a tree's advisories, and what OpenSCAP found wrong in them
    (`verdicts`, by advisory): of one tree at a time.
    """

    def __init__(self) -> None:
        self.materials: Recent[Material] = Recent(24)
        self.formats: Recent[Sequence[File]] = Recent(4)
        self.verdicts: Recent[dict[str, MirrorError]] = Recent(4)
