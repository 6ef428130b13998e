"""Leases, in a folder that is said to be in memory, by a clock that is turned."""

import threading
import time

import pytest

from tests.support.serve_app import NOW, Clock
from tuxmirror.adapters.leases import Leases
from tuxmirror.core.errors import ConfigError

SLOT = NOW // 10
TOKEN = "t" * 43
BASEOS = ("almalinux", "9.2", "BaseOS")
ESU = ("tuxcare", "9.2", "esu")


def mounts(tmp_path, kind):
    file = tmp_path / f"mounts-{kind}"
    file.write_text(f"/dev/root / ext4 rw 0 0\nx {tmp_path} {kind} rw 0 0\n")
    return file


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "leases"


@pytest.fixture
def leases(tmp_path, folder, clock):
    for tree in ("almalinux/9.2", "tuxcare/9.2/esu"):
        (tmp_path / "public" / "vetted" / tree).mkdir(parents=True)
    return Leases(folder, tmp_path / "public", clock, mounts(tmp_path, "tmpfs"))


def swept(folder, *slots):
    """Whether soon, for it is nothing that a host waits for, these are what is left."""
    deadline = time.monotonic() + 60
    while {path.name for path in folder.iterdir()} != {str(slot) for slot in slots}:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_leases_lie_in_memory_or_nowhere(tmp_path):
    with pytest.raises(ConfigError, match="not on a tmpfs"):
        Leases(tmp_path / "leases", tmp_path, mounts=mounts(tmp_path, "ext4"))


def test_a_lease_is_one_link_that_ends_by_the_clock(tmp_path, folder, leases, clock):
    leases.add(TOKEN, BASEOS, "vetted")
    leases.add(TOKEN, ESU, "vetted")
    leases.add(TOKEN, ESU, "vetted")
    leases.add("../../etc", BASEOS, "vetted")
    # In the next slot nginx still remembers the answer of this one, and asks nobody.
    for slot in (folder / str(SLOT), folder / str(SLOT + 1)):
        links = {
            str(p.relative_to(slot)): str(p.readlink()) for p in slot.rglob("*") if p.is_symlink()
        }
        assert links == {
            f"almalinux/9.2/{TOKEN}": f"{tmp_path}/public/vetted/almalinux/9.2",
            f"tuxcare/9.2/{TOKEN}/esu": f"{tmp_path}/public/vetted/tuxcare/9.2/esu",
        }
    for _ in range(4):
        clock.now += 10
        leases.add(TOKEN, BASEOS, "vetted")
    assert swept(folder, SLOT + 3, SLOT + 4, SLOT + 5)


def test_a_clock_that_was_set_back_does_not_come_to_old_leases_again(folder, leases, clock):
    leases.add(TOKEN, BASEOS, "vetted")
    clock.now -= 300
    leases.add("u" * 43, BASEOS, "vetted")
    assert swept(folder, SLOT - 30, SLOT - 29)


def test_what_is_over_goes_also_when_nothing_more_can_be_written(folder, leases, clock):
    """Or a folder that was full once would stay so."""
    leases.add(TOKEN, BASEOS, "vetted")
    clock.now += 100
    for slot in (SLOT + 10, SLOT + 11):
        (folder / str(slot)).write_bytes(b"in the way")
    leases.add(TOKEN, BASEOS, "vetted")
    assert swept(folder, SLOT + 10, SLOT + 11)


def test_no_request_waits_for_what_is_swept(folder, leases, clock, mocker):
    begun, may_end = threading.Event(), threading.Event()

    def slow(*_args, **_kwargs):
        begun.set()
        assert may_end.wait(60)

    leases.add(TOKEN, BASEOS, "vetted")
    clock.now += 100
    mocker.patch("tuxmirror.adapters.leases.shutil.rmtree", slow)
    leases.add(TOKEN, BASEOS, "vetted")
    assert (folder / str(SLOT + 10) / "almalinux" / "9.2" / TOKEN).is_symlink()
    assert begun.wait(60)
    may_end.set()


def test_where_no_thread_is_to_be_had_leases_are_written_all_the_same(folder, leases, mocker):
    start = mocker.patch.object(threading.Thread, "start", side_effect=RuntimeError("no thread"))
    leases.add(TOKEN, BASEOS, "vetted")
    assert start.called
    assert (folder / str(SLOT) / "almalinux" / "9.2" / TOKEN).is_symlink()


def test_what_nobody_published_takes_no_room(folder, leases):
    """A licence for all releases opens every name, and there are more names than memory."""
    for segments, channel in (
        (("made-up", "1", "x"), "vetted"),
        (("almalinux", "1", "x"), "vetted"),
        (BASEOS, "none"),
    ):
        leases.add(TOKEN, segments, channel)
    assert list(folder.rglob("*")) == []
