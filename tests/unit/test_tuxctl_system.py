"""The door to the machine: links stay in the root, writes are whole, children learn little."""

import os
import stat

import pytest

from tuxcare.errors import StorageError
from tuxctl.system import Attributes, System


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"outside")
    return tmp_path / "root"


@pytest.fixture
def system(root):
    return System(str(root))


@pytest.mark.parametrize(
    ("target", "real"),
    [
        ("/etc/real", "etc/real"),
        ("real", "etc/real"),
        ("../../../../outside", "outside"),
        ("/../outside", "outside"),
        ("./../etc/./real", "etc/real"),
    ],
)
def test_links_never_lead_out_of_the_root(system, root, target, real):
    (root / "etc/link").symlink_to(target)
    assert system.resolve(str(root / "etc/link")) == str(root / real)
    assert system.read(str(root / "etc/link")) is None


def test_links_to_directories_are_followed_inside(system, root):
    (root / "srv/repos").mkdir(parents=True)
    (root / "etc/yum.repos.d").symlink_to("/srv/repos")
    system.write(str(root / "etc/yum.repos.d/a.repo"), b"x", Attributes(0o644, 0, 0))
    assert (root / "srv/repos/a.repo").read_bytes() == b"x"


def test_a_loop_of_links_is_an_error(system, root):
    (root / "etc/a").symlink_to("b")
    (root / "etc/b").symlink_to("a")
    with pytest.raises(StorageError, match="too many symbolic links"):
        system.read(str(root / "etc/a"))


def test_what_is_no_file_is_not_read(system, root):
    os.mkfifo(str(root / "etc/pipe"))
    for name, reason in (("etc/pipe", "not a regular file"), ("etc", "Is a directory")):
        with pytest.raises(StorageError, match=reason):
            system.read(str(root / name))


def test_a_write_is_whole_or_nothing(system, root, monkeypatch):
    path = root / "etc/file"
    path.write_bytes(b"before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="No space left") as caught:
        system.write(str(path), b"after", Attributes(0o644, 0, 0))
    assert "Free some space" in caught.value.hint
    assert path.read_bytes() == b"before"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_secret_is_never_readable_while_it_is_written(system, root, monkeypatch):
    seen = []
    real = os.rename

    def rename(source, target):
        seen.append(stat.S_IMODE(os.stat(source).st_mode))  # noqa: PTH116
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    umask = os.umask(0)
    try:
        system.write(str(root / "etc/token"), b"x", Attributes(0o600, os.getuid(), os.getgid()))
    finally:
        os.umask(umask)
    assert seen == [0o600]


def test_leftovers_of_a_cut_off_write_are_replaced(system, root):
    path = root / "etc/file"
    left = root / "etc/.file.tuxctl-new"
    left.symlink_to("/etc/elsewhere")
    system.write(str(path), b"after", Attributes(0o644, os.getuid(), os.getgid()))
    assert path.read_bytes() == b"after"
    assert not (root / "etc/elsewhere").exists()


def test_children_get_a_plain_environment(system, monkeypatch):
    monkeypatch.setenv("TUXCTL_SECRET", "x")
    done = system.run(["env"])
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert names - {"_", "PWD", "SHLVL"} == {"PATH", "HOME", "LC_ALL"}


def test_a_program_that_is_not_there_is_named(system):
    with pytest.raises(StorageError, match="cannot run no-such-program: No such file"):
        system.run(["no-such-program"])


def test_a_program_that_hangs_is_ended(system):
    with pytest.raises(StorageError, match="sleep did not end"):
        system.run(["sleep", "30"], timeout=0.05)


def test_a_shielded_program_ends_before_being_told_to_end_takes_effect(tmp_path):
    """Twice, as people do; the program itself is not hit by Ctrl-C of the terminal."""
    script = 'kill -TERM "$PPID"; kill -INT "$PPID"; sleep 0.2; echo done > "$0"'
    with pytest.raises(KeyboardInterrupt):
        System().run(["sh", "-c", script, str(tmp_path / "mark")], shielded=True)
    assert (tmp_path / "mark").read_text() == "done\n"


def test_a_shielded_program_has_a_session_of_its_own():
    done = System().run(["sh", "-c", "ps -o sid= -p $$"], shielded=True)
    assert int(done.stdout) != os.getsid(0)


def test_a_programs_environment_is_plain_and_what_is_given(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    done = System().run(["sh", "-c", "echo $SECRET,$AGREED,$LC_ALL"], environment={"AGREED": "1"})
    assert done.stdout == ",1,C.UTF-8\n"
