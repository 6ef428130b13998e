"""What the mirror knows beside the content.

<store>/snapshots/<tree>/<id>.json     SNAPSHOT.json of each snapshot; `.json.asc` its signature
<store>/incoming/<tree>/               unverified files; resumed by the next run
<store>/scratch/<tree>/                0700, of one run: keyring, rpm database
<store>/quarantine/<tree>/             refused files, each with its reason beside it
<store>/state/                         0700
    locks/<tree>, locks/publish        flock(2); gone with the process that holds them
    trees/<tree>.json                  candidate and what was accepted from upstream
    trees/<tree>.held                  by channel: snapshots that sync does not publish there
    notes/<name>                       what use-cases keep for their next run

Snapshots and `state/trees` are documents, which a bucket can keep as well (see `s3_store`); locks
are another matter there, and what is incoming or scratch stays on the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..core.errors import (
    LockedError,
    MirrorError,
    RefusedError,
    StorageError,
    VerificationError,
)
from ..core.snapshot import Snapshot, decode, encode
from ..ports import LastRun, RepositoryMemory, UpstreamTime, Validators
from .documents import Documents, FileDocuments
from .files import storage_errors, write_atomically

_TREES = "state/trees/"
_NOTES = "state/notes/"


class FileLocks:
    """Locks below a folder, for the processes of one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)

    @contextlib.contextmanager
    def lock(self, name: str, wait: float = 0.0) -> Iterator[None]:
        """See `ports.State`."""
        path = self._folder / name.replace("/", "%")
        with storage_errors(path):
            # Never inherited: a child that outlives us must not keep it.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _acquired(descriptor, wait):
                holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
                raise LockedError(
                    f"another run is at work on {name}",
                    found=holder or "an unknown process",
                    way_out="wait until it is done",
                )
            with storage_errors(path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)


class FileState:
    """See `ports.State`.

    Args:
        store: the folder.
        documents: what keeps the documents, if it is not that folder.
    """

    def __init__(self, store: Path, documents: Documents | None = None) -> None:
        self._store = store
        self._documents = documents or FileDocuments(store)
        state = store / "state"
        with storage_errors(store):
            store.mkdir(parents=True, exist_ok=True)
            state.mkdir(mode=0o700, exist_ok=True)
        self._locks = FileLocks(state / "locks")

    def lock(self, name: str, wait: float = 0.0) -> AbstractContextManager[None]:
        return self._locks.lock(name, wait)

    def _read_tree(self, tree: str) -> dict[str, Any]:
        name = _tree_document(tree, "json")
        try:
            data = self._documents.read(name)
            document = {} if data is None else json.loads(data)
        except (StorageError, ValueError) as error:
            raise self._unreadable(name, error) from None
        if not isinstance(document, dict):
            raise self._unreadable(name, "not an object")
        return document

    def memory(self, tree: str) -> dict[str, RepositoryMemory]:
        stored = self._read_tree(tree).get("upstream", {})
        try:
            return {
                name: RepositoryMemory(
                    **{**fields, "validators": Validators(*fields["validators"])}
                )
                for name, fields in stored.items()
            }
        except (AttributeError, KeyError, TypeError) as error:
            raise self._unreadable(_tree_document(tree, "json"), error) from None

    def candidate(self, tree: str) -> str | None:
        value = self._read_tree(tree).get("candidate")
        return str(value) if value else None

    def accept(self, tree: str, candidate: str, memory: dict[str, RepositoryMemory]) -> None:
        upstream = {name: fields._asdict() for name, fields in memory.items()}
        self._write_json(
            _tree_document(tree, "json"), {"candidate": candidate, "upstream": upstream}
        )

    def upstream_time(self, tree: str) -> UpstreamTime | None:
        try:
            data = self._documents.read(_tree_document(tree, "time"))
            value, looked = (data or b"").split()
            return UpstreamTime(int(value), int(looked))
        except (StorageError, ValueError):
            return None

    def set_upstream_time(self, tree: str, value: int, looked: int) -> UpstreamTime:
        data = f"{value} {looked}\n".encode()
        self._documents.write(_tree_document(tree, "time"), data, private=True)
        return UpstreamTime(value, looked)

    def save_snapshot(self, snapshot: Snapshot, signature: bytes | None = None) -> None:
        name = _snapshot_document(snapshot.tree, snapshot.id)
        if self._documents.read(name) is None:
            # A signature that a crash left without its snapshot is not this one's.
            if signature is not None:
                self._documents.write(f"{name}.asc", signature)
            elif self._documents.read(f"{name}.asc") is not None:
                self._documents.remove(f"{name}.asc")
            self._documents.write(name, encode(snapshot))

    def signature(self, tree: str, snapshot_id: str) -> bytes | None:
        return self._documents.read(f"{_snapshot_document(tree, snapshot_id)}.asc")

    def set_signature(self, tree: str, snapshot_id: str, signature: bytes) -> None:
        self._documents.write(f"{_snapshot_document(tree, snapshot_id)}.asc", signature)

    def snapshot(self, tree: str, snapshot_id: str) -> Snapshot:
        name = _snapshot_document(tree, snapshot_id)
        data = self._documents.read(name)
        if data is None:
            raise RefusedError(
                f"there is no snapshot {snapshot_id}",
                tree=tree,
                expected=", ".join(self.snapshots(tree)) or "none was made yet",
            )
        return decode(data, self._documents.place(name))

    def snapshots(self, tree: str) -> list[str]:
        start = f"snapshots/{tree}/"
        found = (name[len(start) :] for name in self._documents.names(start))
        return [match[1] for name in found if (match := _SNAPSHOT.fullmatch(name))]

    def trees(self) -> list[str]:
        names = self._documents.names("snapshots/")
        return sorted({name.rpartition("/")[0][len("snapshots/") :] for name in names})

    def remove_snapshot(self, tree: str, snapshot_id: str) -> None:
        name = _snapshot_document(tree, snapshot_id)
        self._documents.remove(name)
        self._documents.remove(f"{name}.asc")

    def leftovers(self, tree: str, before: float) -> list[Path]:
        folder = self._store / "incoming" / tree
        with storage_errors(folder):
            files = (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
            return sorted(path for path in files if path.lstat().st_mtime < before)

    def incoming(self, tree: str) -> Path:
        path = self._store / "incoming" / tree
        with storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def scratch(self, tree: str) -> Path:
        path = self._store / "scratch" / tree
        with storage_errors(path):
            path.mkdir(parents=True, mode=0o700, exist_ok=True)
        return path

    def clear_scratch(self, tree: str) -> None:
        shutil.rmtree(self._store / "scratch" / tree, ignore_errors=True)

    def quarantine(self, tree: str, path: Path, error: MirrorError) -> None:
        folder = self._store / "quarantine" / tree
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            kept = folder / path.name.replace(".part", ".rpm")
            path.rename(kept)
        write_atomically(
            kept.with_suffix(".json"), json.dumps(error.as_dict(), indent=1).encode(), 0o600
        )

    def quarantined(self, tree: str) -> list[dict[str, object]]:
        found = []
        for record in sorted((self._store / "quarantine" / tree).glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                file = str(record.with_suffix(".rpm"))
                found.append({**json.loads(record.read_bytes()), "file": file})
        return found

    def held(self, tree: str) -> dict[str, frozenset[str]]:
        name = _tree_document(tree, "held")
        try:
            data = self._documents.read(name)
            document = {} if data is None else json.loads(data)
            return {channel: frozenset(names) for channel, names in document.items()}
        except (StorageError, ValueError, TypeError, AttributeError) as error:
            raise VerificationError(
                f"unreadable: {error}",
                path=self._documents.place(name),
                way_out="restore it, or remove it: sync then publishes what was rolled back from",
            ) from None

    def set_held(self, tree: str, channel: str, snapshots: Collection[str]) -> None:
        held = {name: sorted(names) for name, names in self.held(tree).items()}
        held[channel] = sorted(snapshots)
        self._write_json(_tree_document(tree, "held"), held)

    def record_run(self, tree: str, run: LastRun) -> None:
        # Not lasting: every run writes it, and a lost one is only news of yesterday.
        data = json.dumps(run).encode()
        self._documents.write(_tree_document(tree, "run"), data, lasting=False)

    def last_run(self, tree: str) -> LastRun | None:
        try:
            return LastRun(*json.loads(self._documents.read(_tree_document(tree, "run")) or b""))
        except (StorageError, ValueError, TypeError):
            return None

    def note(self, name: str) -> bytes | None:
        return self._documents.read(_NOTES + name)

    def set_note(self, name: str, data: bytes | None) -> None:
        if data is None:
            self._documents.remove(_NOTES + name)
        else:
            self._documents.write(_NOTES + name, data, private=True)

    def _write_json(self, name: str, document: object) -> None:
        self._documents.write(name, json.dumps(document, indent=1).encode(), private=True)

    def _unreadable(self, name: str, reason: object) -> VerificationError:
        return VerificationError(
            f"unreadable: {reason}",
            path=self._documents.place(name),
            way_out="restore it, or remove it to accept upstream afresh (rollback is not noticed"
            " then)",
        )


_SNAPSHOT = re.compile(r"([0-9a-f]+)\.json")


def _tree_document(tree: str, kind: str) -> str:
    return f"{_TREES}{tree.replace('/', '%')}.{kind}"


def _snapshot_document(tree: str, snapshot_id: str) -> str:
    return f"snapshots/{tree}/{snapshot_id}.json"


def _acquired(descriptor: int, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
