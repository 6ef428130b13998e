"""An upstream as the source of a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..core.config import Tree
from ..core.snapshot import Snapshot
from ..ports import Keyring, RepositoryMemory, Validators
from . import metadata
from .context import Mirror
from .source import Change
from .upstream import Fresh, Upstream


class RemoteSource:
    """See `source.Source`."""

    ages = True

    def __init__(self, mirror: Mirror, tree: Tree, allow_rollback: bool) -> None:
        self._mirror = mirror
        self._tree = tree
        trust = mirror.trust(tree)
        # What was accepted under other keys or rules is looked at afresh.
        known = {
            name: fields if fields.trust == trust else fields._replace(validators=Validators())
            for name, fields in mirror.state.memory(tree.name).items()
        }
        self._upstream = Upstream(mirror.transport, tree, known, trust, allow_rollback)
        self._fresh: Mapping[str, Fresh] = {}

    def look(self, current: Snapshot | None, keyring: Callable[[], Keyring]) -> Change | None:
        if current is None:
            self._expect_metadata()
        shown = self._upstream.changed()
        same = current is not None and set(current.repositories) == set(self._tree.repositories)
        if same and not shown:
            return None
        self._expect_metadata()
        self._fresh = self._upstream.verify(shown, keyring())
        contents = metadata.fetch(self._mirror, self._tree, self._fresh)
        return Change(self._fresh, contents, {})

    def _expect_metadata(self) -> None:
        """What reads it takes a moment to start: meanwhile upstream is asked, and it comes."""
        self._mirror.metadata(self._mirror.state.incoming(self._tree.name))

    def sealed(self, change: Change, current: Snapshot | None) -> Change:
        return change

    def still_current(self) -> bool:
        return self._upstream.still_current(self._fresh)

    def accepted(self, change: Change) -> dict[str, RepositoryMemory]:
        return self._upstream.accepted(change.fresh)
