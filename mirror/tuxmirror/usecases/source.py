"""Where a tree's content comes from: an upstream, a directory of our own packages, a bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from ..core.snapshot import Snapshot
from ..ports import Keyring, RepositoryMemory
from .metadata import Content
from .upstream import Fresh

# In place of a root in what is remembered of a repository.
BUNDLE = "bundle"


class Change(NamedTuple):
    """What changed in a tree; its metadata is verified and read, its packages are not.

    `fresh` and `contents` by repository; `packages` are those already on the disk, by SHA-256.
    """

    fresh: Mapping[str, Fresh]
    contents: Mapping[str, Content]
    packages: Mapping[str, Path]


class Source(Protocol):
    """One look at it, for one run. Of one that `ages`, it counts whether it stands still."""

    ages: bool

    def look(self, current: Snapshot | None, keyring: Callable[[], Keyring]) -> Change | None:
        """None where it is what `current` has. `keyring` is asked for only if needed."""

    def sealed(self, change: Change, current: Snapshot | None) -> Change:
        """The same, all of it verified by now, with the signature it will be published with."""

    def still_current(self) -> bool:
        """Whether it is what it was when `look` came, or tried, to see it."""

    def accepted(self, change: Change) -> dict[str, RepositoryMemory]:
        """What is to be remembered once `change` was taken."""
