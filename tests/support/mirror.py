"""A mirror under test: configuration, store and public tree of its own, the program as a process.

    site = MirrorSite(tmp_path)
    site.add_tree("almalinux/9.2", key, upstream=f"{httpd.url}/9.2")
    run = site.sync("--json")
    assert run.status == 0, run
    assert "alpha-1.0-1.el9.x86_64.rpm" in site.packages()

    <root>/mirror.conf
    <root>/store/       pool, snapshots, state
    <root>/public/      what customers see

What a test may not do by waiting (time-outs, clocks) is set by `limits` and `now`: the program then
runs with other values wired in, everything else is the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

from . import CHECKOUT
from .keys import SigningKey

TREE = "almalinux/9.2"
OS_DIR = f"{TREE}/BaseOS/x86_64/os"
# Connection limits for tests of a server that fails: as patient as a test can afford.
IMPATIENT = {"connect": 2, "stall": 1, "min_rate": 2000, "attempts": 3, "backoff": 0.02}

Tree = Mapping[str, str]


class Run(NamedTuple):
    """How a process ended, and what it said. `max_rss` in bytes, the largest of its children too.

    `events` are the JSON objects of stdout; empty without --json.
    """

    argv: Sequence[str]
    status: int
    stdout: str
    stderr: str
    max_rss: int

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of that name."""
        return [event for event in self.events if event["event"] == name]

    @property
    def error(self) -> dict[str, Any]:
        """The one error event of a --json run."""
        [error] = self.named("error")
        return error

    def __repr__(self) -> str:
        # pytest cuts representations in its own way, and an end is what one wants to see.
        return f"exit {self.status}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"


@dataclass
class MirrorSite:
    """One mirror below `root`.

    Attributes:
        main: keys of [main] besides store and public; sections of the trees by name in `trees`.
        limits: fields of the transport's Limits to set, see IMPATIENT; None is the real ones.
        now: what the program takes for the time, in seconds since the epoch; None is the real one.
        publisher: "copying" is a bad one, see tuned_mirror.
        ca_file: the one authority that upstreams' certificates may come from; None is the system's.
        backoff: the longest wait before a store or a scheduler is asked again, in seconds; None is
            the real one.
        skew: by how much this machine's clock is ahead of the store's, in seconds.
        runner: runs commands, `run` or `forked.Forked.run`; without it `usual_runner` does.
    """

    root: Path
    main: dict[str, object] = field(default_factory=dict)
    trees: dict[str, dict[str, object]] = field(default_factory=dict)
    limits: dict[str, float] | None = None
    now: float | None = None
    publisher: str | None = None
    ca_file: Path | None = None
    backoff: float | None = None
    skew: float | None = None
    runner: Callable[..., Run] | None = None

    @property
    def conf(self) -> Path:
        return self.root / "mirror.conf"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def public(self) -> Path:
        return self.root / "public"

    def add_tree(self, name: str, key: SigningKey | Path, **options: object) -> None:
        """A [tree] section. Unless told otherwise: BaseOS and x86_64, from `upstream`, and its
        advisories in no other format than their own, so that trees alone are shown."""
        public = key if isinstance(key, Path) else key.public
        given = {"repos": "BaseOS", "arches": "x86_64", "gpgkey": public, "feeds": "no"}
        section = {**given, **options}
        self.trees[name] = {k: v for k, v in section.items() if v is not None}

    def add_local(self, name: str, key: SigningKey | Path, source: Path, **options: object) -> None:
        """A tree of our own packages."""
        self.add_tree(name, key, type="local", repos=None, source=source, **options)

    def write_conf(self) -> None:
        sections = {"main": {"store": self.store, "public": self.public, **self.main}, **self.trees}
        lines = []
        for section, items in sections.items():
            lines += [f"[{section}]", *(f"{key} = {value}" for key, value in items.items()), ""]
        self.conf.write_text("\n".join(lines))

    def command(self, *arguments: str) -> list[str]:
        """The program with this mirror's configuration, to be run with `environment`."""
        module = ["tuxmirror"]
        tuned = {
            "limits": self.limits,
            "now": self.now,
            "publisher": self.publisher,
            "ca_file": str(self.ca_file) if self.ca_file else None,
            "backoff": self.backoff,
            "skew": self.skew,
        }
        if any(value is not None for value in tuned.values()):
            settings = json.dumps(tuned)
            module = ["tests.support.tuned_mirror", settings]
        return [sys.executable, "-m", *module, "-c", str(self.conf), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        roots = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "mirror")])
        return {**os.environ, "PYTHONPATH": roots, "LC_ALL": "C.UTF-8"}

    def sync(self, *arguments: str, timeout: float = 60) -> Run:
        """`tuxmirror sync ARGUMENTS`."""
        return self.run("sync", *arguments, timeout=timeout)

    def run(self, *arguments: str, timeout: float = 60) -> Run:
        """`tuxmirror ARGUMENTS`."""
        self.write_conf()
        runner = self.runner or usual_runner
        return runner(self.command(*arguments), self.environment, timeout)

    def start_sync(self, *arguments: str) -> subprocess.Popen[str]:
        """The same, not waited for."""
        self.write_conf()
        return subprocess.Popen(
            self.command("sync", *arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a shell starts in the background ignores Ctrl-C, and so do its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def fingerprint(self) -> Tree:
        """Everything below public: kind and mode, and a symlink's target or a file's SHA-256."""
        return fingerprint(self.public)

    def content(self) -> Tree:
        """The pool, in the same way."""
        return fingerprint(self.store / "pool")

    def view(self, channel: str = "vetted") -> Tree:
        """What a client of a channel finds: SHA-256 by URL path."""
        return view(self.public / channel)

    def packages(self, os_dir: str = OS_DIR, channel: str = "vetted") -> list[str]:
        """File names of a repository's published packages, sorted."""
        return sorted(path.name for path in (self.public / channel / os_dir).rglob("*.rpm"))

    def memory(self, tree: str = TREE) -> bytes | None:
        """What is remembered of upstream."""
        path = self.store / "state" / "trees" / (tree.replace("/", "%") + ".json")
        return path.read_bytes() if path.exists() else None

    def quarantined(self, tree: str = TREE) -> list[Path]:
        return sorted((self.store / "quarantine" / tree).glob("*.rpm"))

    @contextlib.contextmanager
    def harmless(self, gained: Collection[Path] = ()) -> Iterator[None]:
        """What happens in here changes nothing that is published, accepted or in the pool.

        Args:
            gained: files whose content the pool may (and must) have won; never lost or changed.
        """
        before = (self.fingerprint(), self.memory(), self.content())
        yield
        public, memory, pool = self.fingerprint(), self.memory(), self.content()
        assert public == before[0], difference(before[0], public)
        assert memory == before[1]
        # The two hex digits of a shard are no content.
        new = {path: kind for path, kind in pool.items() if path not in before[2]}
        won = {path.rpartition("/")[2] for path, kind in new.items() if not kind.startswith("dir")}
        assert won == {sha256(path) for path in gained}
        assert {path: pool.get(path) for path in before[2]} == before[2]


def run(argv: Sequence[str], environment: Mapping[str, str], timeout: float = 60) -> Run:
    """A process to its end.

    Raises TimeoutError after `timeout` seconds; the process is killed then.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )
        expired: list[bool] = []
        timer = Timer(timeout, lambda: (expired.append(True), process.kill()))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(0)
        result = Run(
            argv,
            process.returncode,
            stdout.read().decode(errors="replace"),
            stderr.read().decode(errors="replace"),
            usage.ru_maxrss * 1024,
        )
    if expired:
        raise TimeoutError(f"{' '.join(argv)} took more than {timeout} s; {result}")
    return result


# What runs commands where a site does not say; a test run sets it to what costs less.
usual_runner: Callable[..., Run] = run


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(root: Path) -> Tree:
    """Kind, mode and content of everything below a folder, by path; symlinks are not followed."""
    found: dict[str, str] = {}
    if not root.exists():
        return found
    for folder, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(folder, name)
            found[str(path.relative_to(root))] = _describe(path)
    return found


def view(root: Path) -> Tree:
    """SHA-256 of every file below a folder by path, symlinks followed."""
    found = {}
    for folder, _, files in os.walk(root, followlinks=True):
        for name in files:
            path = Path(folder, name)
            found[str(path.relative_to(root))] = sha256(path)
    return found


def age_generations(public: Path, seconds: float = 3600) -> None:
    """What the channels showed until now, they showed so long ago."""
    for generation in (public / ".generations").glob("*/*"):
        made = generation.stat().st_mtime - seconds
        os.utime(generation, (made, made))


def difference(before: Tree, after: Tree) -> str:
    """For assertion messages."""
    changed = [path for path in {*before, *after} if before.get(path) != after.get(path)]
    return "\n".join(f"{p}: {before.get(p)} -> {after.get(p)}" for p in sorted(changed)[:20])


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link {path.readlink()}"
    mode = path.stat().st_mode & 0o7777
    return f"dir {mode:o}" if path.is_dir() else f"file {mode:o} {sha256(path)}"
