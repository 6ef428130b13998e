"""What the mirror knows beside the content.

<store>/snapshots/<tree>/<id>.json     SNAPSHOT.json of each snapshot
<store>/incoming/<tree>/               unverified files; resumed by the next run
<store>/scratch/<tree>/                0700, of one run: keyring, rpm database
<store>/quarantine/<tree>/             refused files, each with its reason beside it
<store>/state/                         0700
    locks/<tree>, locks/publish        flock(2); gone with the process that holds them
    trees/<tree>.json                  candidate and what was accepted from upstream
    trees/<tree>.held                  by channel: snapshots that sync does not publish there
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..core.errors import LockedError, MirrorError, RefusedError, VerificationError
from ..core.snapshot import Snapshot, decode, encode
from ..ports import LastRun, RepositoryMemory, UpstreamTime, Validators
from .files import fsync_directory, storage_errors, write_atomically


class FileState:
    """See `ports.State`."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._state = store / "state"
        with storage_errors(store):
            store.mkdir(parents=True, exist_ok=True)
            self._state.mkdir(mode=0o700, exist_ok=True)
            (self._state / "locks").mkdir(exist_ok=True)

    @contextlib.contextmanager
    def lock(self, name: str, wait: float = 0.0) -> Iterator[None]:
        path = self._state / "locks" / name.replace("/", "%")
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

    def _tree_file(self, tree: str) -> Path:
        return self._state / "trees" / (tree.replace("/", "%") + ".json")

    def _read_tree(self, tree: str) -> dict[str, Any]:
        path = self._tree_file(tree)
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        if not isinstance(document, dict):
            raise _unreadable(path, "not an object")
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
            raise _unreadable(self._tree_file(tree), error) from None

    def candidate(self, tree: str) -> str | None:
        value = self._read_tree(tree).get("candidate")
        return str(value) if value else None

    def accept(self, tree: str, candidate: str, memory: dict[str, RepositoryMemory]) -> None:
        path = self._tree_file(tree)
        with storage_errors(path):
            path.parent.mkdir(exist_ok=True)
        upstream = {name: fields._asdict() for name, fields in memory.items()}
        document = {"candidate": candidate, "upstream": upstream}
        write_atomically(path, json.dumps(document, indent=1).encode(), 0o600)

    def upstream_time(self, tree: str) -> UpstreamTime | None:
        try:
            value, looked = self._time_file(tree).read_text().split()
            return UpstreamTime(int(value), int(looked))
        except (OSError, ValueError):
            return None

    def set_upstream_time(self, tree: str, value: int, looked: int) -> UpstreamTime:
        path = self._time_file(tree)
        with storage_errors(path):
            path.parent.mkdir(exist_ok=True)
        write_atomically(path, f"{value} {looked}\n".encode(), 0o600)
        return UpstreamTime(value, looked)

    def _time_file(self, tree: str) -> Path:
        return self._state / "trees" / (tree.replace("/", "%") + ".time")

    def _snapshot_file(self, tree: str, snapshot_id: str) -> Path:
        return self._store / "snapshots" / tree / f"{snapshot_id}.json"

    def save_snapshot(self, snapshot: Snapshot) -> None:
        path = self._snapshot_file(snapshot.tree, snapshot.id)
        if path.exists():
            return
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encode(snapshot))

    def snapshot(self, tree: str, snapshot_id: str) -> Snapshot:
        path = self._snapshot_file(tree, snapshot_id)
        try:
            return decode(path.read_bytes(), str(path))
        except FileNotFoundError:
            raise RefusedError(
                f"there is no snapshot {snapshot_id}",
                tree=tree,
                expected=", ".join(self.snapshots(tree)) or "none was made yet",
            ) from None

    def snapshots(self, tree: str) -> list[str]:
        folder = self._store / "snapshots" / tree
        files = sorted(folder.glob("[0-9a-f]*.json"), key=lambda path: path.stat().st_mtime_ns)
        return [file.stem for file in files]

    def trees(self) -> list[str]:
        folder = self._store / "snapshots"
        return sorted({str(path.parent.relative_to(folder)) for path in folder.rglob("*.json")})

    def remove_snapshot(self, tree: str, snapshot_id: str) -> None:
        path = self._snapshot_file(tree, snapshot_id)
        with storage_errors(path):
            path.unlink(missing_ok=True)
            fsync_directory(path.parent)

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

    def _held_file(self, tree: str) -> Path:
        return self._state / "trees" / (tree.replace("/", "%") + ".held")

    def held(self, tree: str) -> dict[str, frozenset[str]]:
        path = self._held_file(tree)
        try:
            document = json.loads(path.read_bytes())
            return {channel: frozenset(names) for channel, names in document.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise VerificationError(
                f"unreadable: {error}",
                path=str(path),
                way_out="restore it, or remove it: sync then publishes what was rolled back from",
            ) from None

    def set_held(self, tree: str, channel: str, snapshots: Collection[str]) -> None:
        held = {name: sorted(names) for name, names in self.held(tree).items()}
        held[channel] = sorted(snapshots)
        path = self._held_file(tree)
        with storage_errors(path):
            path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(held, indent=1).encode(), 0o600)

    def record_run(self, tree: str, run: LastRun) -> None:
        path = self._run_file(tree)
        fresh = path.with_name(f".{path.name}")
        # No fsync: every run writes it, and a lost one is only news of yesterday.
        with storage_errors(path):
            path.parent.mkdir(exist_ok=True)
            fresh.write_text(json.dumps(run))
            fresh.rename(path)

    def last_run(self, tree: str) -> LastRun | None:
        try:
            return LastRun(*json.loads(self._run_file(tree).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def _run_file(self, tree: str) -> Path:
        return self._state / "trees" / (tree.replace("/", "%") + ".run")


def _unreadable(path: Path, reason: object) -> VerificationError:
    return VerificationError(
        f"unreadable: {reason}",
        path=str(path),
        way_out="restore it, or remove it to accept upstream afresh (rollback is not noticed then)",
    )


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
