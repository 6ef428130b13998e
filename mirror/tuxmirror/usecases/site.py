"""What a channel shows beside its trees, made anew where what it is made from changed.

Those who have something to show are in `contributors`. Each says which owners it has and what their
parts are made from; only where that differs from what the channel shows, it makes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from ..core import site as sites
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.site import SitePart
from ..core.snapshot import File, Snapshot
from .context import Mirror
from .memory import Memory

# Another publish to the channel makes its parts meanwhile.
_PATIENCE = 600.0


class Showing(NamedTuple):
    """What a channel is about to show: the snapshot of each configured tree.

    `parts` are those that it shows until then, `time` is when.
    """

    channel: str
    snapshots: Mapping[str, Snapshot]
    parts: Mapping[str, SitePart]
    time: int

    def tree(self, mirror: Mirror, name: str) -> Tree:
        return mirror.config.trees[name]


class Contributor(Protocol):
    """Has owners `<prefix>` or `<prefix>/…`."""

    prefix: str

    def wanted(self, mirror: Mirror, showing: Showing) -> Mapping[str, str]:
        """`core.site.digest` of what each owner's part is made from. Cheap."""

    def make(self, mirror: Mirror, showing: Showing, owner: str) -> Collection[File]:
        """The part's files, their contents in the pool.

        Raises MirrorError: nothing is published then.
        """


def contributors() -> Sequence[Contributor]:
    """Imported when something may have to be made."""
    from .advisory_site import AdvisoryFormats
    from .csaf_provider import CsafProvider
    from .latest import FixedNames
    from .tracker import Tracker

    return (AdvisoryFormats(), CsafProvider(), FixedNames(), Tracker())


def changing(mirror: Mirror, channel: str) -> AbstractContextManager[None]:
    """Held from the first look at what a channel shows to its switch: a part may speak of all
    trees, and none of them may change in between."""
    return mirror.state.lock(f"site:{channel}", _PATIENCE)


def changed(mirror: Mirror, channel: str, snapshot: Snapshot) -> list[SitePart]:
    """The parts that differ from what the channel shows, once it shows `snapshot`.

    Raises:
        MirrorError: one cannot be made, or contradicts what it speaks of.
    """
    shown = mirror.publisher.site_names(channel)
    showing = _showing(mirror, channel, snapshot)
    stale: list[tuple[Contributor, str, str]] = []
    gone: list[str] = []
    for contributor in contributors():
        wanted = contributor.wanted(mirror, showing)
        for owner, inputs in wanted.items():
            if sites.inputs_of(shown.get(owner, "")) != inputs:
                stale.append((contributor, owner, inputs))
        gone += [o for o in shown if o.split("/")[0] == contributor.prefix and o not in wanted]
    if stale:
        # Only now: the lists of what is shown may be long.
        showing = showing._replace(parts=mirror.publisher.site(channel))
    parts = [_make(mirror, c, showing, owner, inputs) for c, owner, inputs in stale]
    parts += [SitePart(owner, "", ()) for owner in gone]
    return [part for part in parts if part.files or part.owner in shown]


def remake(mirror: Mirror, channel: str, owner: str) -> None:
    """Bring the contents of a shown part into the pool again: the same inputs, the same bytes."""
    # What this run has made already, the pool may have lost since.
    mirror = mirror._replace(memory=Memory())
    showing = _showing(mirror, channel, None)._replace(parts=mirror.publisher.site(channel))
    for contributor in contributors():
        if owner in contributor.wanted(mirror, showing):
            contributor.make(mirror, showing, owner)


def _make(
    mirror: Mirror, contributor: Contributor, showing: Showing, owner: str, inputs: str
) -> SitePart:
    try:
        return sites.part(owner, inputs, contributor.make(mirror, showing, owner))
    except MirrorError as error:
        error.way_out = error.way_out or f"{showing.channel} stays as it was"
        raise


class _Shown(Mapping[str, Snapshot]):
    """The snapshot of each configured tree, read when it is asked for: most runs ask for few."""

    def __init__(self, mirror: Mirror, channel: str, snapshot: Snapshot | None) -> None:
        self._mirror = mirror
        self._channel = channel
        self._known: dict[str, Snapshot | None] = {}
        if snapshot is not None and snapshot.tree in mirror.config.trees:
            self._known[snapshot.tree] = snapshot

    def _find(self, name: str) -> Snapshot | None:
        if name not in self._known:
            publication = self._mirror.publisher.published(self._channel, name)
            state = self._mirror.state
            self._known[name] = state.snapshot(name, publication.snapshot) if publication else None
        return self._known[name]

    def __getitem__(self, name: str) -> Snapshot:
        found = self._find(name) if name in self._mirror.config.trees else None
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._mirror.config.trees if self._find(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _showing(mirror: Mirror, channel: str, snapshot: Snapshot | None) -> Showing:
    return Showing(channel, _Shown(mirror, channel, snapshot), {}, int(mirror.clock()))
