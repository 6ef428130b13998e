"""What every state promises (ports.State), shown on the one in files."""

import json
import os
import subprocess
import sys
import time

import pytest

from tuxmirror.adapters.state import FileState
from tuxmirror.core.errors import (
    LockedError,
    RefusedError,
    SignatureError,
    StorageError,
    VerificationError,
)
from tuxmirror.core.snapshot import Repository, Snapshot
from tuxmirror.ports import RepositoryMemory, Validators

TREE = "almalinux/9.2"
MEMORY = {
    "BaseOS/x86_64": RepositoryMemory(
        "http://u/9.2", Validators('"tag"', "Mon"), "a" * 64, 17, "trust"
    ),
    "AppStream/x86_64": RepositoryMemory("http://v/9.2", Validators(), "b" * 64, 18, "trust"),
}


def snapshot(files="c" * 64):
    repository = Repository(files, "d" * 64, 17, 1, 10, "F" * 40, "keys", "e" * 64)
    return Snapshot(TREE, 1000, {"BaseOS/x86_64": repository})


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def state(store):
    return FileState(store)


def test_nothing_is_known_at_first(state):
    assert state.memory(TREE) == {}
    assert state.candidate(TREE) is None
    assert state.snapshots(TREE) == []
    assert state.upstream_time(TREE) is None


def test_what_was_accepted_is_remembered(state, store):
    state.accept(TREE, "id1", MEMORY)
    again = FileState(store)
    assert again.memory(TREE) == MEMORY
    assert again.candidate(TREE) == "id1"
    assert again.memory("almalinux/9.4") == {}


def test_private_files_are_private(state, store):
    state.accept(TREE, "id1", MEMORY)
    assert (store / "state").stat().st_mode & 0o777 == 0o700
    for path in (store / "state/trees").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b"null x"])
def test_damaged_memory_is_refused_not_forgotten(state, store, damage):
    """Forgetting would let an attacker roll back whoever loses a file."""
    state.accept(TREE, "id1", MEMORY)
    [path] = (store / "state/trees").glob("*.json")
    path.write_bytes(damage)
    for ask in (state.memory, state.candidate):
        with pytest.raises(VerificationError) as caught:
            ask(TREE)
        assert caught.value.path == str(path)
        assert caught.value.way_out


@pytest.mark.parametrize("damage", [b"[]", b'"x"', b'{"upstream": []}', b'{"upstream": {"a": {}}}'])
def test_memory_of_another_shape_is_refused(state, store, damage):
    state.accept(TREE, "id1", MEMORY)
    [path] = (store / "state/trees").glob("*.json")
    path.write_bytes(damage)
    with pytest.raises(VerificationError):
        state.memory(TREE)


def test_snapshots_come_back_oldest_first(state, store):
    first, second = snapshot(), snapshot("0" * 64)
    state.save_snapshot(first)
    os.utime(next((store / "snapshots").rglob("*.json")), (1, 1))
    state.save_snapshot(second)
    assert state.snapshots(TREE) == [first.id, second.id]
    assert state.snapshot(TREE, first.id) == first


def test_a_snapshot_is_signed_again_and_stays_what_it_was(state):
    state.save_snapshot(snapshot(), b"first")
    state.set_signature(TREE, snapshot().id, b"second")
    assert state.signature(TREE, snapshot().id) == b"second"
    assert state.snapshot(TREE, snapshot().id) == snapshot()


def test_saved_snapshot_is_never_written_again(state):
    state.save_snapshot(snapshot())
    later = Snapshot(TREE, 2000, snapshot().repositories)
    state.save_snapshot(later)
    assert state.snapshot(TREE, later.id).created == 1000


def test_unknown_snapshot_names_those_there_are(state):
    state.save_snapshot(snapshot())
    with pytest.raises(RefusedError) as caught:
        state.snapshot(TREE, "0" * 16)
    assert caught.value.expected == snapshot().id


def test_damaged_snapshot_is_refused(state, store):
    state.save_snapshot(snapshot())
    [path] = (store / "snapshots").rglob("*.json")
    path.write_bytes(path.read_bytes().replace(b'"c', b'"d'))
    with pytest.raises(VerificationError):
        state.snapshot(TREE, snapshot().id)


def test_upstream_time(state):
    assert state.set_upstream_time(TREE, 5, 6) == state.upstream_time(TREE) == (5, 6)


def test_lock_is_exclusive_and_names_its_holder(state, store):
    with state.lock(TREE):
        with pytest.raises(LockedError) as caught, FileState(store).lock(TREE):
            pass
        assert caught.value.found == f"process {os.getpid()}"
        with FileState(store).lock("almalinux/9.4"):
            pass
    with FileState(store).lock(TREE):
        pass


def test_lock_can_be_waited_for(state, store):
    with state.lock(TREE):
        started = time.monotonic()
        with pytest.raises(LockedError), FileState(store).lock(TREE, wait=0.3):
            pass
        assert time.monotonic() - started >= 0.3


def test_lock_is_not_inherited_by_children(state):
    with state.lock(TREE):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with state.lock(TREE):
            pass
    finally:
        child.kill()
        child.wait()


def test_lock_that_cannot_be_made_is_a_storage_error(state, store):
    (store / "state/locks/x").mkdir()
    with pytest.raises(StorageError), state.lock("x"):
        pass


def test_quarantine_keeps_file_and_reason(state, store, tmp_path):
    bad = state.incoming(TREE) / f"{'a' * 64}.part"
    bad.write_bytes(b"evil")
    state.quarantine(TREE, bad, SignatureError("unsigned", path="Packages/evil.rpm"))
    kept = store / "quarantine" / TREE / f"{'a' * 64}.rpm"
    assert kept.read_bytes() == b"evil"
    assert not bad.exists()
    reason = json.loads(kept.with_suffix(".json").read_text())
    assert (reason["message"], reason["path"]) == ("unsigned", "Packages/evil.rpm")


def test_trees_do_not_share_a_folder_for_what_is_not_verified(state):
    assert state.incoming(TREE).is_dir()
    assert state.incoming(TREE) != state.incoming("almalinux/9.4")
