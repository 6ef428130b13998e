"""What every pool promises (ports.Pool), shown on each; then what the one in files does besides."""

import hashlib
import os

import pytest

from tuxmirror.adapters.pool import FilePool
from tuxmirror.core.errors import DigestError, StorageError

DATA = b"content"
SHA = hashlib.sha256(DATA).hexdigest()
NAME = f"pool/{SHA[:2]}/{SHA}"


def test_added_content_can_be_read(place):
    pool = place.pool
    assert pool.missing([SHA]) == {SHA}
    assert pool.add(DATA) == SHA
    assert pool.missing([SHA]) == set()
    assert pool.read(SHA) == DATA
    assert pool.path(SHA).read_bytes() == DATA
    assert pool.digest(SHA) == SHA
    assert place.kept()[NAME] == DATA


def test_adopted_file_is_moved(place, tmp_path):
    source = tmp_path / "incoming"
    source.write_bytes(DATA)
    source.chmod(0o600)
    place.pool.adopt(source, SHA)
    assert place.pool.lost() == frozenset()
    assert not source.exists()
    assert place.again().pool.read(SHA) == DATA


def test_many_files_are_adopted(place, tmp_path):
    """More than are asked for one by one."""
    contents = {hashlib.sha256(b"%d" % n).hexdigest(): b"%d" % n for n in range(300)}
    for sha, data in contents.items():
        (tmp_path / sha).write_bytes(data)
        place.pool.adopt(tmp_path / sha, sha)
    assert place.pool.lost() == frozenset()
    again = place.again().pool
    assert again.missing([*contents, SHA]) == {SHA}
    assert dict(again.contents()) == {sha: len(data) for sha, data in contents.items()}


def test_a_file_of_the_pool_itself_may_be_adopted(place):
    place.pool.add(DATA)
    path = place.pool.path(SHA)
    assert place.pool.same(path, SHA)
    place.pool.adopt(path, SHA)
    assert place.pool.lost() == frozenset()
    assert place.pool.read(SHA) == DATA


def test_other_files_are_not_the_pools_own(place, tmp_path):
    place.pool.add(DATA)
    (tmp_path / "other").write_bytes(DATA)
    assert not place.pool.same(tmp_path / "other", SHA)
    assert not place.pool.same(tmp_path / "none", SHA)


def test_content_survives_a_new_object_over_the_same_folder(place):
    place.pool.add(DATA)
    again = place.again().pool
    assert again.read(SHA) == DATA
    assert again.missing([SHA, "0" * 64]) == {"0" * 64}


def test_damage_is_noticed_when_it_is_read(place):
    place.pool.add(DATA)
    place.damage(NAME, b"c0ntent")
    pool = place.again().pool
    assert pool.digest(SHA) == hashlib.sha256(b"c0ntent").hexdigest()
    with pytest.raises(DigestError) as caught:
        pool.read(SHA)
    assert caught.value.expected == SHA
    assert SHA in caught.value.path


def test_missing_content_is_named(place):
    with pytest.raises(StorageError) as caught:
        place.pool.read(SHA)
    assert SHA in caught.value.path
    assert place.pool.digest(SHA) is None


def test_adopting_a_file_that_is_gone_is_a_storage_error(place, tmp_path):
    with pytest.raises(StorageError):
        place.pool.adopt(tmp_path / "none", SHA)


def test_what_was_given_up_is_gone(place):
    place.pool.add(DATA)
    place.pool.add(b"other")
    place.pool.remove([SHA, "0" * 64])
    assert place.pool.missing([SHA]) == {SHA}
    assert [size for _, size in place.pool.contents()] == [5]


def test_damaged_content_is_set_aside_and_can_come_again(place):
    place.pool.add(DATA)
    place.damage(NAME, b"c0ntent")
    place.pool.set_aside(SHA)
    place.pool.set_aside("0" * 64)
    assert place.pool.missing([SHA]) == {SHA}
    [kept] = place.pool.leftovers(before=2**40)
    assert kept.read_bytes() == b"c0ntent"
    assert place.pool.leftovers(before=1) == []
    place.pool.add(DATA)
    assert place.pool.read(SHA) == DATA


def test_content_gets_a_name_outside(place, tmp_path):
    place.pool.add(DATA)
    place.pool.link(SHA, str(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == DATA
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
    with pytest.raises((StorageError, FileNotFoundError)):
        place.pool.link("0" * 64, str(tmp_path / "b"))


def test_a_contents_size_without_its_bytes(place, tmp_path):
    pool = place.pool
    sha = pool.add(b"three")
    assert pool.size(sha) == 5
    assert pool.size("0" * 64) is None
    path = tmp_path / "file"
    path.write_bytes(b"adopted")
    adopted = hashlib.sha256(b"adopted").hexdigest()
    pool.adopt(path, adopted)
    assert pool.size(adopted) == 7


def test_free_space_and_flush(place):
    place.pool.add(DATA)
    place.pool.flush()
    assert place.pool.free_bytes() > 0


@pytest.fixture
def pool(tmp_path):
    return FilePool(tmp_path / "pool")


def test_adding_again_keeps_the_file(pool):
    pool.add(DATA)
    before = pool.path(SHA).stat()
    pool.add(DATA)
    assert pool.path(SHA).stat().st_ino == before.st_ino


def test_everybody_may_read_an_adopted_file(pool, tmp_path):
    source = tmp_path / "incoming"
    source.write_bytes(DATA)
    source.chmod(0o600)
    pool.adopt(source, SHA)
    assert pool.path(SHA).stat().st_mode & 0o777 == 0o644


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
