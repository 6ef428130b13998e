"""Which snapshot somebody means."""

from __future__ import annotations

from ..core.config import Tree
from ..core.errors import ConfigError
from ..core.snapshot import Snapshot
from .context import Mirror

_SHOWN = 10


def find(mirror: Mirror, tree: Tree, text: str) -> Snapshot:
    """By id, by what no other id starts with, or by a channel that shows it.

    Raises:
        ConfigError: nothing, or more than one, is meant.
    """
    if text in mirror.publisher.channels():
        publication = mirror.publisher.published(text, tree.name)
        if publication is not None:
            return mirror.state.snapshot(tree.name, publication.snapshot)
    known = mirror.state.snapshots(tree.name)
    meant = [name for name in known if text and name.startswith(text)]
    if len(meant) == 1:
        return mirror.state.snapshot(tree.name, meant[0])
    raise ConfigError(
        f"'{text}' is the beginning of {len(meant)} snapshots"
        if meant
        else f"no snapshot '{text}'",
        tree=tree.name,
        expected=", ".join((meant or known)[-_SHOWN:]) or "none was made yet",
        way_out=f"tuxmirror snapshot list {tree.name}",
    )
