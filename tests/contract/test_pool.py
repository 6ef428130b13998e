"""What every pool promises (ports.Pool), shown on the one in files."""

import hashlib
import os

import pytest

from tuxmirror.adapters.pool import FilePool
from tuxmirror.core.errors import DigestError, StorageError

DATA = b"content"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def pool(tmp_path):
    return FilePool(tmp_path / "pool")


def test_added_content_can_be_read(pool):
    assert pool.missing([SHA]) == {SHA}
    assert pool.add(DATA) == SHA
    assert pool.missing([SHA]) == set()
    assert pool.read(SHA) == DATA
    assert pool.path(SHA).read_bytes() == DATA


def test_adding_again_keeps_the_file(pool):
    pool.add(DATA)
    before = pool.path(SHA).stat()
    pool.add(DATA)
    assert pool.path(SHA).stat().st_ino == before.st_ino


def test_adopted_file_is_moved(pool, tmp_path):
    source = tmp_path / "incoming"
    source.write_bytes(DATA)
    source.chmod(0o600)
    pool.adopt(source, SHA)
    assert not source.exists()
    assert pool.read(SHA) == DATA
    assert pool.path(SHA).stat().st_mode & 0o777 == 0o644


def test_content_survives_a_new_object_over_the_same_folder(pool, tmp_path):
    pool.add(DATA)
    again = FilePool(tmp_path / "pool")
    assert again.read(SHA) == DATA
    assert again.missing([SHA, "0" * 64]) == {"0" * 64}


def test_damage_is_noticed_when_it_is_read(pool):
    pool.add(DATA)
    pool.path(SHA).write_bytes(b"c0ntent")
    with pytest.raises(DigestError) as caught:
        pool.read(SHA)
    assert (caught.value.expected, caught.value.path) == (SHA, str(pool.path(SHA)))


def test_missing_content_is_named(pool):
    with pytest.raises(StorageError) as caught:
        pool.read(SHA)
    assert SHA in caught.value.path


def test_adopting_a_file_that_is_gone_is_a_storage_error(pool, tmp_path):
    with pytest.raises(StorageError):
        pool.adopt(tmp_path / "none", SHA)


def test_nothing_half_made_has_the_name_of_content(pool, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fchmod", _disk_full)
    with pytest.raises(StorageError):
        pool.add(DATA)
    assert pool.missing([SHA]) == {SHA}
    assert [path for path in (tmp_path / "pool").rglob("*") if path.is_file()] == []


def test_what_killed_runs_left_goes_after_a_day(pool, tmp_path):
    folder = tmp_path / "pool"
    (folder / ".new-old").write_bytes(b"half")
    (folder / ".new-now").write_bytes(b"half")
    os.utime(folder / ".new-old", (1, 1))
    FilePool(folder)
    assert [path.name for path in folder.iterdir()] == [".new-now"]


def _disk_full(*_):
    raise OSError(28, "No space left on device")


def test_free_space_and_flush(pool):
    pool.add(DATA)
    pool.flush()
    assert pool.free_bytes() > 0
