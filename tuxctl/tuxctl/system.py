"""The one door to files, processes and facts of the machine.

Commands never open, write or start anything themselves. Tests give a System a root directory of
their own, or derive from it. Paths given here are real ones (already under the root); symbolic
links are followed as the host itself would follow them: an absolute one starts at the root.
"""

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import platform
import shutil
import signal
import socket
import stat
import subprocess
import sys
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from tuxcare.errors import LockHeld, StorageError

_MAX_LINKS = 40
_MAX_FILE = 16 * 1024 * 1024
_CHUNK = 1024 * 1024


class Attributes(NamedTuple):
    """What a file has besides its bytes. `mode` holds permission bits; `xattrs` values are hex."""

    mode: int
    uid: int
    gid: int
    mtime_ns: Optional[int] = None
    xattrs: Mapping[str, str] = {}


class Content(NamedTuple):
    """A regular file: bytes and attributes."""

    data: bytes
    attributes: Attributes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class Outcome(NamedTuple):
    """How a process ended."""

    status: int
    stdout: str
    stderr: str


class System:
    """A host, or the root directory of an image."""

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.realpath(root)

    # -- facts -------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        """Whether this is the running host, not an image."""
        return self.root == "/"

    def euid(self) -> int:
        return os.geteuid()

    def owner(self) -> int:
        """Whom new files belong to: root, or whoever works on an image without being root."""
        return self.euid()

    def machine(self) -> str:
        """The architecture as `uname -m` names it."""
        return platform.machine()

    def host_name(self) -> str:
        return socket.gethostname()

    def on_terminal(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def is_separate(self, path: str) -> bool:
        """Whether a directory lies on another file system than the root."""
        with _storage(path):
            return os.stat(path).st_dev != os.stat(self.root).st_dev

    def free_bytes(self, path: str) -> int:
        """What root may still write to the file system that `path` is on."""
        with _storage(path):
            found = os.statvfs(path)
            return found.f_bavail * found.f_frsize

    def size(self, path: str) -> Optional[int]:
        """Bytes of a file, None where there is none."""
        with _storage(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return os.stat(self.resolve(path)).st_size
        return None

    # -- files -------------------------------------------------------------------------------

    def resolve(self, path: str) -> str:
        """The real path behind symbolic links, which never lead out of the root.

        Raises StorageError for a loop.
        """
        done = self.root
        todo = [part for part in os.path.relpath(path, self.root).split(os.sep) if part]
        links = 0
        while todo:
            part = todo.pop(0)
            if part == os.curdir:
                continue
            if part == os.pardir:
                done = done if done == self.root else os.path.dirname(done)
                continue
            candidate = os.path.join(done, part)
            if not os.path.islink(candidate):
                done = candidate
                continue
            links += 1
            if links > _MAX_LINKS:
                raise StorageError("{}: too many symbolic links".format(path))
            target = os.readlink(candidate)
            if target.startswith(os.sep):
                done = self.root
            todo = [piece for piece in target.split(os.sep) if piece] + todo
        return done

    def read(self, path: str) -> Optional[bytes]:
        """The bytes of a file, None where there is none. Raises StorageError."""
        content = self.capture(path)
        return None if content is None else content.data

    def capture(self, path: str) -> Optional[Content]:
        """A file's bytes and attributes, None where there is none.

        Raises StorageError where it is not a regular file, too large or cannot be read.
        """
        with _storage(path):
            real = self.resolve(path)
            try:
                descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except (FileNotFoundError, NotADirectoryError):
                return None
            with os.fdopen(descriptor, "rb") as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise StorageError("{}: not a regular file".format(path))
                if status.st_size > _MAX_FILE:
                    raise StorageError("{}: larger than {} bytes".format(path, _MAX_FILE))
                attributes = Attributes(
                    stat.S_IMODE(status.st_mode),
                    status.st_uid,
                    status.st_gid,
                    status.st_mtime_ns,
                    _read_xattrs(stream.fileno()),
                )
                return Content(stream.read(), attributes)

    def write(self, path: str, data: bytes, attributes: Attributes) -> None:
        """Put a file in place, whole or not at all: also across a crash. Raises StorageError."""
        with _storage(path):
            real = self.resolve(path)
            temporary = _temporary(real)
            # Of a run that was cut off: whoever changes files holds the lock.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    _apply(stream.fileno(), attributes)
                    os.fsync(stream.fileno())
                os.rename(temporary, real)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
                raise
            _sync_directory(os.path.dirname(real))

    def remove_leftover(self, path: str) -> None:
        """Remove what a write to `path` that was cut off may have left beside it."""
        with _storage(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(_temporary(self.resolve(path)))

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is fine. Raises StorageError."""
        with _storage(path):
            real = self.resolve(path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(real)
                _sync_directory(os.path.dirname(real))

    def missing_directories(self, path: str) -> List[str]:
        """The directories, outermost first, that a file at `path` still needs."""
        missing: List[str] = []
        directory = os.path.dirname(self.resolve(path))
        while not os.path.isdir(directory):
            missing.insert(0, directory)
            directory = os.path.dirname(directory)
        return missing

    def make_directory(self, path: str, mode: int = 0o755) -> None:
        with _storage(path), contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)
            os.chmod(path, mode)

    def remove_directory(self, path: str) -> None:
        """Remove a directory if it is there and empty."""
        try:
            os.rmdir(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise StorageError("{}: {}".format(path, _reason(error))) from error

    def names(self, pattern: str) -> List[str]:
        """Paths that match a shell pattern, sorted."""
        return sorted(glob.glob(pattern))

    def entries(self, directory: str) -> List[str]:
        """Paths of everything in a directory, sorted; nothing if it is not there."""
        with _storage(directory), contextlib.suppress(FileNotFoundError):
            return [os.path.join(directory, name) for name in sorted(os.listdir(directory))]
        return []

    def links(self, directory: str) -> Dict[str, Optional[str]]:
        """What each name in a directory links to, None for what is no link; empty for no
        directory."""
        return {
            os.path.basename(path): os.readlink(path) if os.path.islink(path) else None
            for path in self.entries(directory)
        }

    def files_below(self, directory: str) -> List[str]:
        """Paths of the regular files in a directory and those below it, sorted."""
        found: List[str] = []
        for folder, _directories, names in os.walk(directory):
            paths = [os.path.join(folder, name) for name in names]
            found += [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]
        return sorted(found)

    def contains(self, path: str, text: bytes) -> bool:
        """Whether a file, of whatever size, has `text` in it; False where it cannot be read."""
        try:
            with open(self.resolve(path), "rb") as stream:
                end = b""
                for chunk in iter(lambda: stream.read(_CHUNK), b""):
                    if text in end + chunk:
                        return True
                    end = chunk[-len(text) :]
        except OSError:
            return False
        return False

    def read_end(self, path: str, size: int) -> Optional[bytes]:
        """The last lines of a file, `size` bytes at most; None where it cannot be read."""
        try:
            with open(self.resolve(path), "rb") as stream:
                whole = stream.seek(0, os.SEEK_END)
                stream.seek(max(0, whole - size))
                data = stream.read(size)
        except OSError:
            return None
        return data if whole <= size else data[data.find(b"\n") + 1 :]

    def export(self, path: str, data: bytes) -> None:
        """Write a new file of the machine that tuxctl runs on, whatever the root; for its owner
        alone, and never over one that is there. Raises StorageError."""
        with _storage(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                raise

    def is_writable(self, path: str) -> bool:
        """Whether `path`, or what would have to be made for it, can be written to."""
        real = self.resolve(path)
        while not os.path.lexists(real):
            real = os.path.dirname(real)
        return os.access(real, os.W_OK)

    @contextlib.contextmanager
    def lock(self, directory: str) -> Iterator[None]:
        """Hold a directory for one run alone; leaves nothing behind. Raises LockHeld."""
        with _storage(directory):
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LockHeld(
                    "another run of tuxctl is changing this host",
                    "Wait for it to end, then run this command again.",
                ) from error
            yield
        finally:
            os.close(descriptor)

    # -- processes ---------------------------------------------------------------------------

    def has_program(self, name: str) -> bool:
        return shutil.which(name) is not None

    def run(
        self,
        argv: Sequence[str],
        timeout: Optional[float] = 120,
        environment: Mapping[str, str] = {},
        shielded: bool = False,
    ) -> Outcome:
        """Run a program to its end with a plain environment. Raises StorageError if it cannot run.

        `shielded`: it is not to be cut off half-way (rpm, the boot loader): being told to end
        takes effect after it. Arguments are seen by every user of the machine: never pass a
        secret.
        """
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        try:
            with contextlib.ExitStack() as stack:
                if shielded:
                    stack.enter_context(_signals_deferred())
                done = subprocess.run(
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**plain, "LC_ALL": "C.UTF-8", **environment},
                    timeout=timeout,
                    check=False,
                    # Ctrl-C goes to all processes of the terminal's session.
                    start_new_session=shielded,
                )
        except OSError as error:
            raise StorageError("cannot run {}: {}".format(argv[0], _reason(error))) from error
        except subprocess.TimeoutExpired as error:
            raise StorageError(
                "{} did not end within {:.0f} seconds".format(argv[0], timeout or 0)
            ) from error
        return Outcome(
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Being told to end takes effect when the body is through."""
    told: List[int] = []

    def remember(number: int, _frame: Any) -> None:
        told.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if told:
        raise KeyboardInterrupt


def join(system: System, path: str) -> str:
    """A path of the host, absolute as it reads there, under the system's root."""
    return os.path.join(system.root, path.lstrip("/"))


def text_of(system: System, path: str) -> str:
    """The text of a file of the host, empty where there is none. Raises StorageError."""
    return (system.read(join(system, path)) or b"").decode("utf-8", "replace")


def _temporary(path: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, ".{}.tuxctl-new".format(name))


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


@contextlib.contextmanager
def _storage(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = {
            errno.ENOSPC: "Free some space, then run this command again.",
            errno.EDQUOT: "Free some space, then run this command again.",
            errno.EROFS: "Make the file system writable, then run this command again.",
            errno.EACCES: "Run this command as root.",
            errno.EPERM: "Run this command as root.",
        }.get(error.errno or 0)
        raise StorageError("{}: {}".format(path, _reason(error)), hint) from error


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_xattrs(descriptor: int) -> Dict[str, str]:
    """Extended attributes, the SELinux label among them; none where the file system has none."""
    try:
        names = os.listxattr(descriptor)
        return {name: os.getxattr(descriptor, name).hex() for name in names}
    except OSError:
        return {}


def _apply(descriptor: int, attributes: Attributes) -> None:
    """Give an open file its owner, mode, labels and time; the owner only where that is allowed."""
    status = os.fstat(descriptor)
    if (status.st_uid, status.st_gid) != (attributes.uid, attributes.gid):
        os.fchown(descriptor, attributes.uid, attributes.gid)
    os.fchmod(descriptor, attributes.mode)
    for name, value in attributes.xattrs.items():
        # A label that the file system or policy refuses is no reason to fail.
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, name, bytes.fromhex(value))
    if attributes.mtime_ns is not None:
        os.utime(descriptor, ns=(attributes.mtime_ns, attributes.mtime_ns))
