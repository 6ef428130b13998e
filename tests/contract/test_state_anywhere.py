"""What every state and log promise (ports.State, ports.Journal), in a folder and in a bucket; what
the folder does besides is in test_state."""

import os
import time

import pytest

from tests.contract.test_state import MEMORY, TREE, snapshot
from tuxmirror.core.errors import LockedError, RefusedError, SignatureError, VerificationError
from tuxmirror.core.snapshot import Snapshot
from tuxmirror.ports import LastRun

RECORD = "state/trees/almalinux%9.2.json"


def test_what_was_accepted_is_remembered(place):
    state = place.state
    assert (state.memory(TREE), state.candidate(TREE), state.upstream_time(TREE)) == (
        {},
        None,
        None,
    )
    state.accept(TREE, "id1", MEMORY)
    again = place.again().state
    assert (again.memory(TREE), again.candidate(TREE)) == (MEMORY, "id1")
    assert again.memory("almalinux/9.4") == {}
    assert state.set_upstream_time(TREE, 5, 6) == again.upstream_time(TREE) == (5, 6)
    state.record_run(TREE, LastRun(7, None))
    assert again.last_run(TREE) == LastRun(7, None)
    state.set_held(TREE, "vetted", ["id1"])
    assert again.held(TREE) == {"vetted": {"id1"}}


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b"[]", b'{"upstream": {"a": {}}}'])
def test_damaged_memory_is_refused_not_forgotten(place, damage):
    """Forgetting would let an attacker roll back whoever loses a file."""
    place.state.accept(TREE, "id1", MEMORY)
    place.damage(RECORD, damage)
    with pytest.raises(VerificationError) as caught:
        place.state.memory(TREE)
    assert RECORD in caught.value.path
    assert caught.value.way_out


def test_snapshots_are_kept_once_and_found_again(place):
    state, first, second = place.state, snapshot(), snapshot("0" * 64)
    state.save_snapshot(first)
    time.sleep(1.1)  # services tell times in seconds
    state.save_snapshot(second)
    state.save_snapshot(Snapshot(TREE, 2000, first.repositories))
    again = place.again().state
    assert again.snapshots(TREE) == [first.id, second.id]
    assert again.snapshot(TREE, first.id) == first
    assert again.trees() == [TREE]
    with pytest.raises(RefusedError) as caught:
        again.snapshot(TREE, "0" * 16)
    assert first.id in caught.value.expected
    again.remove_snapshot(TREE, first.id)
    assert state.snapshots(TREE) == [second.id]


def test_damaged_snapshot_is_refused(place):
    place.state.save_snapshot(snapshot())
    [name] = [name for name in place.kept() if name.startswith("snapshots/")]
    place.damage(name, place.kept()[name].replace(b'"c', b'"d'))
    with pytest.raises(VerificationError):
        place.state.snapshot(TREE, snapshot().id)


def test_lock_is_exclusive_and_names_its_holder(place):
    with place.state.lock(TREE):
        with pytest.raises(LockedError) as caught, place.again().state.lock(TREE):
            pass
        assert f"process {os.getpid()}" in caught.value.found
        with place.again().state.lock("almalinux/9.4"):
            pass
    with place.again().state.lock(TREE, wait=1):
        pass


def test_quarantine_keeps_file_and_reason(place):
    bad = place.state.incoming(TREE) / f"{'a' * 64}.part"
    bad.write_bytes(b"evil")
    place.state.quarantine(TREE, bad, SignatureError("unsigned", path="Packages/evil.rpm"))
    assert place.kept()[f"quarantine/{TREE}/{'a' * 64}.rpm"] == b"evil"
    assert not bad.exists()
    [kept] = place.again().state.quarantined(TREE)
    assert (kept["message"], kept["path"]) == ("unsigned", "Packages/evil.rpm")


def test_the_log_is_a_chain_that_others_go_on_with(place):
    place.journal.append(1, "sync", tree=TREE)
    place.again().journal.append(2, "rollback", tree=TREE, reason=None)
    entries = place.journal.entries()
    assert [(e["time"], e["action"]) for e in entries] == [(1, "sync"), (2, "rollback")]
    log = place.kept()["state/log.jsonl"]
    place.damage("state/log.jsonl", log.replace(b'"sync"', b'"sink"'))
    with pytest.raises(VerificationError):
        place.journal.entries()


# -- between machines: leases in a bucket ----------------------------------------------------------


def test_another_machine_waits_for_the_lock_and_is_told_who_has_it(store_in_bucket):
    place = store_in_bucket
    with place.state.lock(TREE):
        other = place.again("elsewhere").state
        with pytest.raises(LockedError) as caught, other.lock(TREE):
            pass
        assert f"process {os.getpid()} on " in caught.value.found
    with other.lock(TREE):
        pass


def test_a_lease_that_is_not_renewed_ends_by_the_services_clock(store_in_bucket, monkeypatch):
    """And whose it was accepts nothing any more."""
    place = store_in_bucket
    other = place.again("elsewhere").state
    for state in (place.state, other):
        state._leases._seconds = 3.0
    monkeypatch.setattr("tuxmirror.adapters.s3_leases.Lease._renew", lambda self: None)
    monkeypatch.setattr("tuxmirror.adapters.s3_leases._is_dead", lambda process: False)
    with place.state.lock(TREE):
        place.state.accept(TREE, "id1", MEMORY)
        with other.lock(TREE, wait=60):
            other.accept(TREE, "id2", MEMORY)
            with pytest.raises(LockedError):
                place.state.accept(TREE, "id3", MEMORY)
    assert place.state.candidate(TREE) == "id2"


def test_what_is_renewed_does_not_end(store_in_bucket):
    place = store_in_bucket
    other = place.again("elsewhere").state
    for state in (place.state, other):
        state._leases._seconds = 4.0
    with place.state.lock(TREE):
        with pytest.raises(LockedError), other.lock(TREE, wait=9):
            pass
        place.state.accept(TREE, "id1", MEMORY)


def test_a_lock_that_somebody_else_wrote_is_nobodys_for_a_while(store_in_bucket):
    place = store_in_bucket
    with place.state.lock(TREE):
        pass
    place.damage("state/locks/almalinux%9.2", b"not ours")
    with pytest.raises(LockedError) as caught, place.state.lock(TREE):
        pass
    assert "somebody" in caught.value.found
