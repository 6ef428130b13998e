"""Advisories, the hosts they are held against, and the pages that show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from ..core.advisory.documents import Node
from ..core.audit.host import Host
from ..core.audit.report import Report


class HostReader(Protocol):
    """Hosts that can be looked at."""

    def read(self, root: Path) -> Host:
        """What is installed below a root directory. Raises ConfigError."""


class PageRenderer(Protocol):
    """The tracker's pages from their templates."""

    @property
    def version(self) -> str:
        """Changes whenever the same values would give other bytes."""

    def assets(self) -> dict[str, bytes]:
        """Style and script, by their path below the channel."""

    def render(self, template: str, path: str, values: Mapping[str, object]) -> bytes:
        """A page that will lie at `path` below the channel."""

    def audit(self, report: Report) -> bytes:
        """A page of its own, without any other file."""


class OvalScanner(Protocol):
    """OpenSCAP."""

    def analyse(self, definitions: bytes, characteristics: bytes, html: bool = False) -> bytes:
        """The OVAL results of a host that is described by its system characteristics, or
        OpenSCAP's own report of them.

        Raises:
            ConfigError: there is no OpenSCAP here.
            VerificationError: it could not judge them; quotes what it said.
        """

    def validate(self, definitions: bytes, schematron: bool = False) -> None:
        """By the schema of OVAL definitions; by its schematron rules too, which takes minutes
        above a few hundred definitions.

        Raises:
            ConfigError: there is no OpenSCAP here.
            VerificationError: they are not valid; quotes what it said.
        """


class AdvisoryFiles(Protocol):
    """A folder of advisories, or of data of CVEs."""

    def fingerprint(self) -> str:
        """Changes whenever a file does. Raises ConfigError where there is no folder."""

    def nodes(self) -> Iterator[Node]:
        """The documents in its YAML and JSON files. Raises AdvisoryError."""

    def json(self) -> Iterator[tuple[str, bytes]]:
        """Its JSON files, by name."""
