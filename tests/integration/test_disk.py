"""A disk that fails in the background: the kernel accepted the bytes, and loses them later."""

import subprocess

import pytest

from tests.support import requires
from tuxmirror.adapters.pool import FilePool
from tuxmirror.core.errors import StorageError


@pytest.fixture
def failing_disk(tmp_path):
    """An ext4 of 64 MB behind which there is room for a few of them."""
    requires("root")
    backing, mount = tmp_path / "backing", tmp_path / "mount"
    image = backing / "image"
    backing.mkdir()
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "t", backing], check=True)
    try:
        with image.open("wb") as file:
            file.truncate(64 << 20)
        options = ["-E", "lazy_itable_init=1,nodiscard", "-O", "^has_journal"]
        subprocess.run(["mkfs.ext4", "-q", "-m0", *options, image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mount], check=True)
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", mount], check=False)
        subprocess.run(["umount", "--lazy", backing], check=False)


def test_what_the_kernel_lost_before_the_flush_is_an_error_of_the_flush(failing_disk):
    pool = FilePool(failing_disk)
    pool.add(b"small")
    pool.flush()
    pool.add(b"large" * (4 << 20))
    # Anyone's sync, or the kernel's own: it is told, and nobody who opens the disk after it.
    assert subprocess.run(["sync", "-f", failing_disk], check=False).returncode
    with pytest.raises(StorageError) as caught:
        pool.flush()
    # As the kernel noticed it: when it wrote, or already when it looked for room.
    words = ("Input/output error", "No space left on device")
    assert any(word in str(caught.value) for word in words)


def test_writing_beside_the_work_does_not_take_the_news(failing_disk):
    pool = FilePool(failing_disk)
    pool.add(b"large" * (4 << 20))
    pool._disk.begin()
    pool._disk._background.join()
    with pytest.raises(StorageError):
        pool.flush()
