"""What clients see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple, Protocol

from ..core.publication import Publication
from ..core.site import SitePart
from ..core.snapshot import File


class Flaw(NamedTuple):
    """A published file that is not as it should be: SHA-256 wanted and found.

    `expected` is None for one that nothing names, `found` is None for one that is missing.
    """

    path: str
    expected: str | None
    found: str | None


class Publisher(Protocol):
    """What customers see. One switch shows everything of a channel at once."""

    def channels(self) -> list[str]:
        """Those that show anything."""

    def published(self, channel: str, tree: str) -> Publication | None:
        """Raises VerificationError where the record of what is published is damaged."""

    def publish(
        self,
        channel: str,
        tree: str,
        publication: Publication,
        files: Collection[File],
        extras: dict[str, bytes],
        site: Collection[SitePart] = (),
    ) -> None:
        """Switch. Until the last step nothing is visible, after it everything is.

        Args:
            files: the snapshot's and the retained ones, by their path below the tree.
            extras: small files at the tree's root.
            site: parts that take the place of what their owners showed in the channel (without
                files: show nothing any more); the parts of all others stay. Their contents are
                in the pool.

        Raises:
            RefusedError: a part wants a path that something else has.
            StorageError: nothing was switched.
        """

    def publish_site(self, channel: str, site: Collection[SitePart]) -> None:
        """The same, where no tree changes."""

    def site_names(self, channel: str) -> dict[str, str]:
        """The names of the parts that a channel shows, by owner; cheap."""

    def site(self, channel: str) -> dict[str, SitePart]:
        """The parts that a channel shows, by owner.

        Raises VerificationError, StorageError where a record is damaged or missing.
        """

    def site_parts(self) -> list[SitePart]:
        """All parts that are there, also where no channel shows them any more."""

    def publications(self, tree: str) -> list[Publication]:
        """All that are there, also where no channel shows them any more.

        Raises VerificationError where a record is damaged.
        """

    def shown_snapshot(self, channel: str, tree: str) -> str | None:
        """The id of the one that it shows, also where the record of that is damaged or lost."""

    def listed(self, channel: str, tree: str) -> list[File]:
        """All that it shows by its path below the tree, as it is there now: the snapshot's files,
        the retained, and the small ones at the tree's root. All may be read for that.

        Raises StorageError, VerificationError where that cannot be told.
        """

    def read(self, channel: str, tree: str, path: str) -> bytes:
        """A small one of these. Raises StorageError, VerificationError."""

    def restore(self, channel: str, tree: str, publication: Publication) -> None:
        """Write the record of what it shows again. Raises StorageError."""

    def trees(self) -> list[str]:
        """Those that were ever published and still have a publication."""

    def inspect(self, channel: str, tree: str, contents: Mapping[str, str]) -> Iterator[Flaw]:
        """Where what is shown differs from `contents`, SHA-256 by path.

        A file that is the pool's own is not read again.
        """

    def mend(self, channel: str, tree: str, flaw: Flaw) -> None:
        """Put the pool's file in its place, or take away what nothing names."""

    def inspect_site(self, channel: str) -> Iterator[Flaw]:
        """Where the site differs from the records of its parts; paths are below the channel."""

    def mend_site(self, channel: str, flaw: Flaw) -> None:
        """As `mend`."""

    def tidy(self, tree: str) -> None:
        """Remove what no channel needs any more: old generations, publications of the tree,
        parts of sites.

        The caller holds what `usecases.publish.showing` gives.
        """
