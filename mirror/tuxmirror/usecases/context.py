"""What the use-cases are given to work with; the cli puts it together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from ..core.config import Config, Tree
from ..ports import (
    AdvisoryFiles,
    Clock,
    Executor,
    Journal,
    Keyring,
    LocalSource,
    MetadataFilter,
    MetadataReader,
    OvalScanner,
    PackageVerifier,
    PageRenderer,
    Pool,
    Publisher,
    Reporter,
    Signer,
    Solver,
    State,
    Transport,
    VettingRecords,
)
from .memory import Memory


class Mirror(NamedTuple):
    """The ports, wired. What only a changed upstream needs is made when it is needed.

    `memory` is of this run. `signer` is None where the configuration names no `signing_key`,
    `executor` where it names no `workers`.
    """

    config: Config
    transport: Transport
    pool: Pool
    state: State
    publisher: Publisher
    journal: Journal
    pages: Callable[[], PageRenderer]
    reporter: Reporter
    clock: Clock
    keyring: Callable[[Tree], AbstractContextManager[Keyring]]
    verifier: Callable[[Keyring], PackageVerifier]
    metadata: Callable[[Path], MetadataReader]
    local_source: Callable[[Path], LocalSource]
    trust: Callable[[Tree], str]
    advisory_files: Callable[[Path], AdvisoryFiles]
    scanner: OvalScanner
    tool: str
    signer: Callable[[], Signer] | None
    vetting: VettingRecords
    solver: Callable[[Path], Solver]
    metadata_filter: Callable[[Path], MetadataFilter]
    memory: Memory
    executor: Executor | None = None


def place(tree: Tree, repository: str) -> str:
    """Where a repository's files lie below its tree, with a slash at the end."""
    return tree.place(repository)
