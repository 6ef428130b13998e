"""What is remembered between runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..core.errors import MirrorError
from ..core.policy.ages import FirstSeen
from ..core.policy.decisions import Decision
from ..core.snapshot import Snapshot
from .transport import Validators


class RepositoryMemory(NamedTuple):
    """What is remembered of an upstream repository between runs.

    `trust` names keys and rules that it was accepted under: under others it is looked at afresh.
    """

    root: str
    validators: Validators
    repomd: str
    revision: int
    trust: str


class UpstreamTime(NamedTuple):
    """The newest TIME that upstream showed (0: none yet) and when we looked; in seconds."""

    value: int
    looked: int


class LastRun(NamedTuple):
    """How the last sync of a tree went; `error` as `MirrorError.as_dict`, None if it went well."""

    time: int
    error: dict[str, object] | None


class State(Protocol):
    """What the mirror knows beside the content."""

    def lock(self, name: str, wait: float = 0.0) -> AbstractContextManager[None]:
        """Held while the context lasts, gone with the process.

        Raises LockedError where another has it, after `wait` seconds.
        """

    def memory(self, tree: str) -> dict[str, RepositoryMemory]:
        """By repository; empty where nothing was accepted yet or the record is unreadable."""

    def accept(self, tree: str, candidate: str, memory: dict[str, RepositoryMemory]) -> None:
        """One step: the snapshot that was verified last, and what upstream showed for it."""

    def upstream_time(self, tree: str) -> UpstreamTime | None:
        """None where nobody looked yet."""

    def set_upstream_time(self, tree: str, value: int, looked: int) -> UpstreamTime: ...

    def save_snapshot(self, snapshot: Snapshot, signature: bytes | None = None) -> None:
        """With the operator's signature over SNAPSHOT.json; one that is there stays as it is."""

    def signature(self, tree: str, snapshot_id: str) -> bytes | None:
        """Of SNAPSHOT.json; None where nobody signed it."""

    def set_signature(self, tree: str, snapshot_id: str, signature: bytes) -> None:
        """Another one over the same SNAPSHOT.json, in place of what is there."""

    def snapshot(self, tree: str, snapshot_id: str) -> Snapshot:
        """Raises RefusedError where there is none, VerificationError where it is damaged."""

    def snapshots(self, tree: str) -> list[str]:
        """The ids, oldest first."""

    def trees(self) -> list[str]:
        """Those that have snapshots, also where they are not configured any more."""

    def remove_snapshot(self, tree: str, snapshot_id: str) -> None:
        """Forget it. The caller knows that nothing needs it."""

    def leftovers(self, tree: str, before: float) -> list[Path]:
        """Files in `incoming` that nobody touched since; seconds since the epoch."""

    def candidate(self, tree: str) -> str | None:
        """The id of the snapshot that was last verified."""

    def incoming(self, tree: str) -> Path:
        """Where unverified files wait."""

    def scratch(self, tree: str) -> Path:
        """A folder for what no other run needs. The caller holds the lock."""

    def clear_scratch(self, tree: str) -> None:
        """What a killed run left goes. The caller holds the lock."""

    def quarantine(self, tree: str, path: Path, error: MirrorError) -> None:
        """Keep a refused file with the reason."""

    def quarantined(self, tree: str) -> list[dict[str, object]]:
        """What is kept there: the errors as `MirrorError.as_dict` gave them, and `file`."""

    def held(self, tree: str) -> dict[str, frozenset[str]]:
        """By channel: snapshots that are not published there unless somebody names them.

        Raises VerificationError where the record is unreadable.
        """

    def set_held(self, tree: str, channel: str, snapshots: Collection[str]) -> None: ...

    def record_run(self, tree: str, run: LastRun) -> None: ...

    def last_run(self, tree: str) -> LastRun | None:
        """None where there was none, or nobody can tell any more."""

    def note(self, name: str) -> bytes | None:
        """A small document that a use-case keeps for its next run; None where there is none."""

    def set_note(self, name: str, data: bytes | None) -> None:
        """Readers see the old bytes or the new ones; None removes it. Raises StorageError."""


class Journal(Protocol):
    """The log of who made channels show what, see `core.journal`."""

    def append(self, time: int, action: str, **fields: object) -> None:
        """On the disk afterwards. Fields that are None are left out."""

    def entries(self) -> list[dict[str, Any]]:
        """Oldest first. Raises VerificationError where it was altered."""


class LastVetting(NamedTuple):
    """What a policy last came to for a channel.

    `inputs` names all that it depends on; with the same ones it comes to the same before `until`.
    """

    inputs: str
    snapshot: str
    until: int | None
    held: int


class VettingRecords(Protocol):
    """What people decided, and what policies have to remember."""

    def decisions(self) -> tuple[Decision, ...]:
        """Raises VerificationError where the record is damaged: then nobody knows what is held."""

    def set_decisions(self, decisions: Sequence[Decision]) -> None: ...

    def first_seen(self, tree: str) -> FirstSeen | None:
        """None where nothing was recorded yet. Raises VerificationError."""

    def set_first_seen(self, tree: str, seen: FirstSeen) -> None: ...

    def last(self, tree: str, channel: str) -> LastVetting | None:
        """None where there is none, or it is unreadable: it can be found out again."""

    def set_last(self, tree: str, channel: str, last: LastVetting) -> None: ...

    def reasons(self, tree: str, snapshot: str) -> bytes | None:
        """Why a policy chose what it chose for a snapshot; None where nobody wrote it down."""

    def set_reasons(self, tree: str, snapshot: str, data: bytes | None) -> None:
        """None: the snapshot is gone. Raises StorageError."""

    def plan(self, plan_id: str) -> bytes | None:
        """None where there is none of that id."""

    def save_plan(self, plan_id: str, data: bytes) -> None: ...

    def plans(self) -> list[str]:
        """The ids, oldest first."""

    def remove_plan(self, plan_id: str) -> None: ...
