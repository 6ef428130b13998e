"""Repository metadata: read, cut to a selection, solved, made for packages of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from ..core.advisory import model
from ..core.advisory.model import Scope
from ..core.package import Package
from ..core.policy.builds import ModuleBuild
from ..core.policy.closure import Dependencies
from ..core.policy.outcome import Selection
from ..core.repomd import Repomd
from ..core.summary import Advisory


class MetadataReader(Protocol):
    """rpm-md files, already verified by their digest, still parsed under limits."""

    def packages(
        self, primary: Path, open_sha256: str | None, open_size: int | None
    ) -> list[Package]:
        """What primary lists. Raises MetadataError."""

    def advisories(self, updateinfo: Path, open_size: int | None) -> list[Advisory]:
        """What updateinfo lists, in short. Raises MetadataError."""

    def errata(
        self, updateinfo: Path, open_size: int | None, scope: Scope, repository: str
    ) -> list[model.Advisory]:
        """What updateinfo lists, whole: for a scope, in one of its repositories.

        Raises MetadataError.
        """


class LocalRepository(NamedTuple):
    """A repository made of our own packages: below `root`, nothing of it verified yet."""

    root: Path
    repomd: bytes


class LocalSource(Protocol):
    """A directory of built and signed RPMs."""

    def fingerprint(self) -> str:
        """Changes whenever the packages do. Raises ConfigError."""

    def stage(self, arch: str, folder: Path) -> LocalRepository:
        """A copy of what belongs to `arch`, with repodata, below `folder`."""

    def advise(
        self, made: LocalRepository, advisories: Sequence[model.Advisory], name: str
    ) -> LocalRepository:
        """The same repository with these advisories as its updateinfo, which calls it `name`."""


class Metadata(NamedTuple):
    """A repository's verified metadata: its index, and where each file of it is, by SHA-256."""

    repository: str
    repomd: Repomd
    places: Mapping[str, Path]


class Filtered(NamedTuple):
    """A repository's metadata cut to some of its packages.

    `repomd` names `made`, which are new, and what was left as it is; `made` by their location.
    """

    repomd: bytes
    made: Mapping[str, Path]


class MetadataFilter(Protocol):
    """Cuts rpm-md metadata to what is shown; what it says of a package stays byte for byte."""

    def modules(self, metadata: Metadata) -> list[ModuleBuild]:
        """What its modulemd lists; nothing where there is none. Raises MetadataError."""

    def cut(
        self,
        candidate: Metadata,
        shown: Metadata | None,
        packages: Sequence[Package],
        selection: Selection,
        folder: Path,
    ) -> Filtered:
        """The metadata of `packages`, which are all that is left of the repository.

        The same input gives the same bytes.

        Args:
            shown: where what `selection` keeps is described.
            selection: by the name of `candidate.repository`.
            folder: for what is made.

        Raises:
            MetadataError: it cannot be cut safely.
            StorageError.
        """


class Solver(Protocol):
    """Dependencies, by libsolv."""

    def dependencies(self, metadata: Sequence[Metadata], arch: str) -> Dependencies:
        """Of the packages of all of these together, on one arch. Raises MetadataError."""

    def compare(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> int:
        """Epoch, version and release as rpm orders them: negative, 0 or positive."""
