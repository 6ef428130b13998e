"""The journal: whatever happens to a run, the host is as before it or as after it."""

import os
import stat

import pytest

from tests.support.faults import FaultySystem, Killed
from tuxcare.errors import LockHeld, StorageError
from tuxcare.host import HostPaths
from tuxctl.journal import Journal
from tuxctl.records import EDITED, OWNED, SECRET, Action
from tuxctl.system import System


class Host:
    """A small root with a file of somebody else's, and a journal on it."""

    def __init__(self, root):
        self.root = root
        self.file = root / "etc/a.repo"
        self.new = root / "etc/dnf/vars/token"
        self.own = root / "etc/fips.conf"
        self.file.parent.mkdir(parents=True)
        self.file.write_bytes(b"[a]\nx=1\ny=1\n")
        os.utime(str(self.file), ns=(10**18, 10**18))
        self.undone = []
        self.paths = HostPaths(str(root))

    def journal(self, system=None):
        return Journal(
            self.paths, system or System(str(self.root)), {"note": lambda d: self.undone.append(d)}
        )

    def change(self, journal):
        with journal.run("test") as run:
            run.put(str(self.file), b"[a]\nx=2\ny=1\n", EDITED)
            run.put(str(self.new), b"secret\n", SECRET, 0o600)
            run.put(str(self.own), b"mode\n", OWNED)

    def snapshot(self):
        found = {}
        for path in self.root.rglob("*"):
            status = path.lstat()
            data = (path.read_bytes(), status.st_mtime_ns) if path.is_file() else None
            found[str(path.relative_to(self.root))] = (stat.S_IMODE(status.st_mode), data)
        found.pop("var", None)
        found.pop("var/lib", None)
        found.pop("var/lib/tuxcare", None)
        return found


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """Hundreds of runs; what a power cut does to a disk is not told here."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path / "root")


def contents(host):
    return {
        name: path.read_bytes() if path.exists() else None
        for name, path in (("file", host.file), ("new", host.new), ("own", host.own))
    }


BEFORE = {"file": b"[a]\nx=1\ny=1\n", "new": None, "own": None}
AFTER = {"file": b"[a]\nx=2\ny=1\n", "new": b"secret\n", "own": b"mode\n"}


def test_a_run_makes_its_changes_and_reverting_takes_them_back_exactly(host):
    before = host.snapshot()
    host.change(host.journal())
    assert contents(host) == AFTER
    assert stat.S_IMODE(host.new.stat().st_mode) == 0o600
    assert host.journal().revert() == []
    assert host.snapshot() == before


def test_a_body_that_raises_leaves_nothing(host):
    before = host.snapshot()
    journal = host.journal()
    with pytest.raises(RuntimeError, match="step"), journal.run("test") as run:
        run.put(str(host.file), b"x\n", EDITED)
        run.put(str(host.new), b"x\n", SECRET, 0o600)
        raise RuntimeError("step")
    assert host.snapshot() == before
    assert journal.is_empty()


def test_a_change_that_stands_survives_a_failed_run(host):
    journal = host.journal()
    with pytest.raises(RuntimeError), journal.run("test") as run:
        run.put(str(host.new), b"new token\n", SECRET, 0o600, stands=True)
        run.put(str(host.file), b"x\n", EDITED)
        raise RuntimeError
    assert contents(host) == dict(BEFORE, new=b"new token\n")
    assert journal.revert() == []
    assert contents(host) == BEFORE


def test_a_change_that_stands_survives_a_kill(host):
    system = FaultySystem(str(host.root))
    with pytest.raises(Killed), host.journal(system).run("test") as run:
        run.put(str(host.new), b"new token\n", SECRET, 0o600, stands=True)
        run.put(str(host.file), b"x\n", EDITED)
        system.kill()
    assert host.file.read_bytes() == b"x\n"
    assert host.journal().recover() == "test"
    assert contents(host) == dict(BEFORE, new=b"new token\n")


def operations(host):
    system = FaultySystem(str(host.root))
    host.change(host.journal(system))
    return system.done


def test_disk_full_at_any_operation_leaves_the_host_as_it_was(tmp_path):
    count = operations(Host(tmp_path / "probe"))
    assert count > 10
    for number in range(1, count + 1):
        host = Host(tmp_path / str(number))
        before = host.snapshot()
        with pytest.raises(StorageError, match="No space left"):
            host.change(host.journal(FaultySystem(str(host.root), fail_at=number)))
        host.journal().recover()
        assert host.snapshot() == before, number


def test_a_kill_at_any_operation_is_undone_by_the_next_run(tmp_path):
    count = operations(Host(tmp_path / "probe"))
    seen = set()
    for number in range(1, count + 1):
        for after in (False, True):
            host = Host(tmp_path / "{}-{}".format(number, after))  # noqa: UP032
            before = host.snapshot()
            system = FaultySystem(str(host.root), kill_at=number, after=after)
            with pytest.raises(Killed):
                host.change(host.journal(system))
            host.journal().recover()
            if contents(host) == AFTER:
                seen.add("after")
                assert host.journal().revert() == []
            else:
                seen.add("before")
            assert host.snapshot() == before, (number, after)
    assert seen == {"before", "after"}


def test_a_kill_while_reverting_is_finished_by_reverting_again(tmp_path):
    probe = Host(tmp_path / "probe")
    probe.change(probe.journal())
    system = FaultySystem(str(probe.root))
    probe.journal(system).revert()
    for number in range(1, system.done + 1):
        host = Host(tmp_path / str(number))
        before = host.snapshot()
        host.change(host.journal())
        with pytest.raises(Killed):
            host.journal(FaultySystem(str(host.root), kill_at=number)).revert()
        host.journal().recover()
        host.journal().revert()
        assert host.snapshot() == before, number


def test_edits_after_ours_stay(host):
    host.change(host.journal())
    host.file.write_bytes(b"[a]\nx=2\ny=7\nz=1\n")
    assert host.journal().revert() == []
    assert host.file.read_bytes() == b"[a]\nx=1\ny=7\nz=1\n"


def test_edits_between_two_runs_stay(host):
    host.change(host.journal())
    host.file.write_bytes(b"[a]\nx=2\ny=1\nproxy=p\n")
    with host.journal().run("again") as run:
        run.put(str(host.file), b"[a]\nx=3\ny=1\nproxy=p\n", EDITED)
    assert host.journal().revert() == []
    assert host.file.read_bytes() == b"[a]\nx=1\ny=1\nproxy=p\n"


def test_an_edit_of_our_own_line_is_left_alone_and_told(host):
    host.change(host.journal())
    host.file.write_bytes(b"[a]\nx=mine\ny=1\n")
    assert host.journal().revert() == ["/etc/a.repo: was changed since at 'x=2', that stays"]
    assert host.file.read_bytes() == b"[a]\nx=mine\ny=1\n"


def test_a_file_that_was_removed_since_stays_removed(host):
    host.change(host.journal())
    host.file.unlink()
    assert host.journal().revert() == ["/etc/a.repo: was removed since, stays removed"]
    assert not host.file.exists()


def test_a_changed_file_of_ours_is_kept_aside(host):
    host.change(host.journal())
    host.own.write_bytes(b"mode\n# my comment\n")
    notes = host.journal().revert()
    assert notes == ["/etc/fips.conf: was changed since, kept as /etc/fips.conf.tuxsave"]
    assert not host.own.exists()
    assert host.own.with_name("fips.conf.tuxsave").read_bytes() == b"mode\n# my comment\n"


def test_a_changed_secret_goes_all_the_same(host):
    host.change(host.journal())
    host.new.write_bytes(b"another\n")
    assert host.journal().revert() == []
    assert not host.new.exists()
    assert not host.new.parent.exists()


def test_links_stay_links(host):
    real = host.root / "srv/a.repo"
    real.parent.mkdir()
    host.file.rename(real)
    host.file.symlink_to("/srv/a.repo")
    before = host.snapshot()
    host.change(host.journal())
    assert host.file.is_symlink()
    assert real.read_bytes() == AFTER["file"]
    assert host.journal().revert() == []
    assert host.file.is_symlink()
    assert host.snapshot() == before


def test_modes_and_attributes_come_back(host):
    host.file.chmod(0o640)
    try:
        os.setxattr(str(host.file), "user.label", b"etc_t")
    except OSError:
        pass
    else:
        host.change(host.journal())
        assert os.getxattr(str(host.file), "user.label") == b"etc_t"
        host.journal().revert()
        assert os.getxattr(str(host.file), "user.label") == b"etc_t"
    assert stat.S_IMODE(host.file.stat().st_mode) == 0o640


def test_nothing_secret_stays_in_the_journal(host):
    host.change(host.journal())
    with host.journal().run("again") as run:
        run.put(str(host.new), b"secret two\n", SECRET, 0o600)
    kept = [path.read_bytes() for path in (host.root / "var").rglob("*") if path.is_file()]
    assert kept
    assert not any(b"secret" in data and b"sha256" not in data for data in kept)
    journal = host.root / "var/lib/tuxcare/journal"
    assert stat.S_IMODE(journal.stat().st_mode) == 0o700
    files = [path for path in journal.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_actions_are_undone_in_reverse_when_a_run_fails(host):
    with pytest.raises(RuntimeError), host.journal().run("test") as run:
        run.act(Action("note", {"n": 1}), lambda: None)
        run.act(Action("note", {"n": 2}), lambda: None)
        raise RuntimeError
    assert host.undone == [{"n": 2}, {"n": 1}]


def test_actions_of_finished_runs_are_undone_by_reverting(host):
    with host.journal().run("test") as run:
        run.act(Action("note", {"n": 1}), lambda: None)
    host.journal().revert()
    assert host.undone == [{"n": 1}]
    assert host.journal().is_empty()


def test_actions_may_be_left_as_they_are(host):
    before = host.snapshot()
    with host.journal().run("test") as run:
        run.act(Action("note", {"n": 1}), lambda: None)
        run.put(str(host.new), b"x\n", SECRET, 0o600)
    assert host.journal().revert(keep_actions=True) == []
    assert host.undone == []
    assert host.snapshot() == before


def test_an_action_that_cannot_be_undone_does_not_keep_the_files(host):
    def fail(_detail):
        raise StorageError("the database is locked")

    journal = Journal(host.paths, System(str(host.root)), {"note": fail})
    with pytest.raises(StorageError, match="the database is locked"), journal.run("test") as run:
        run.put(str(host.file), b"x\n", EDITED)
        run.act(Action("note", {"n": 1}), lambda: None)
        raise RuntimeError
    assert contents(host) == BEFORE
    assert journal.pending() == "test"
    assert host.journal().recover() == "test"
    assert host.undone == [{"n": 1}]


def test_putting_the_same_bytes_is_no_change(host):
    with host.journal().run("test") as run:
        assert not run.put(str(host.file), BEFORE["file"], EDITED)
        assert not run.put(str(host.new), None, OWNED)
    assert host.journal().is_empty()


def test_a_damaged_journal_stops_with_its_name(host):
    host.change(host.journal())
    (host.root / "var/lib/tuxcare/journal/journal.json").write_bytes(b"{")
    with pytest.raises(StorageError, match=r"journal\.json: damaged journal"):
        host.journal().revert()
    assert contents(host) == AFTER


def test_a_damaged_original_stops_before_it_is_put_back(host):
    host.change(host.journal())
    for blob in (host.root / "var/lib/tuxcare/journal/blobs").iterdir():
        blob.write_bytes(b"rotten")
    with pytest.raises(StorageError, match="missing or damaged"):
        host.journal().revert()
    assert host.file.read_bytes() == AFTER["file"]


def test_two_runs_at_once_are_refused(host):
    first, second = System(str(host.root)), System(str(host.root))
    with first.lock(str(host.root)):
        lock = second.lock(str(host.root))
        with pytest.raises(LockHeld) as caught:
            lock.__enter__()
    assert caught.value.exit_status == 7
    with second.lock(str(host.root)):
        pass
