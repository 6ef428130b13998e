"""Whatever an operator does, in whatever order, and wherever it is killed: each channel shows
exactly one snapshot, whole, and what was published within the grace time beside it.

Hypothesis chooses the order. What is true is not asked of the program: the model keeps what each
snapshot contained when it was made, and what each channel showed.
"""

import json
import shutil
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.crash import damaged, killed
from tests.support.httpd import Httpd
from tests.support.mirror import OS_DIR, TREE, MirrorSite, sha256, view
from tests.support.rpms import RpmSpec
from tuxmirror.adapters import publisher
from tuxmirror.cli import main

CALLS = ("rename", "link", "symlink", "unlink", "syncfs", "mkdir")
CHANNELS = ("vetted", "canary")
NAMES = ("one", "two", "three", "four", "five", "six")


class Operator(RuleBasedStateMachine):
    """`upstream` and `keys` are set by the test."""

    upstream = keys = None

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tuxmirror-machine-"))
        self.tree = self.upstream.copy(self.folder / "upstream")
        self.server = Httpd(self.tree.root).__enter__()
        self.site = MirrorSite(self.folder / "mirror", main={"parallel": 1, "grace": "1h"})
        self.site.root.mkdir()
        self.site.add_tree(TREE, self.keys.almalinux, upstream=f"{self.server.url}/9.2")
        self.site.write_conf()
        self.known = {}  # snapshot -> its files, as they were when a channel first showed them
        self.shown = {}  # channel -> snapshot
        self.past = {}  # channel -> snapshots before it
        self.added = 0
        self.do("sync")
        self.learn("vetted")

    def teardown(self):
        if hasattr(self, "server"):
            self.server.__exit__(None, None, None)
            shutil.rmtree(self.folder)

    # -- what an operator does -------------------------------------------------------------------

    @rule()
    def upstream_moves(self):
        name = NAMES[self.added % len(NAMES)]
        if self.added >= len(NAMES):
            self.tree.remove("BaseOS", "x86_64", f"{name}-*")
        else:
            self.tree.add("BaseOS", "x86_64", [RpmSpec(name)])
        self.added += 1
        self.tree.publish()

    @rule()
    def sync(self):
        self.do("sync")
        self.learn("vetted")

    @rule(channel=st.sampled_from(CHANNELS), which=st.integers(0, 9))
    def publish(self, channel, which):
        wanted = self.choose(which)
        assert self.do("publish", TREE, "--snapshot", wanted, "--channel", channel) == 0
        self.learn(channel)
        assert self.shown[channel] == wanted

    @precondition(lambda self: any(self.past.get(c) for c in CHANNELS))
    @rule(channel=st.sampled_from(CHANNELS))
    def rollback(self, channel):
        status = self.do("rollback", TREE, "--channel", channel)
        before = self.past.get(channel)
        if status == 0:
            assert before, "there was nothing to go back to"
            expected = before[-1]
            self.learn(channel)
            assert self.shown[channel] == expected
        else:
            assert status == 5
            # Pruned, or there was none: it says so and changes nothing.
            assert not before or before[-1] not in self.ids()

    @rule(keep=st.integers(0, 2))
    def prune(self, keep):
        assert self.do("prune", "--keep", str(keep)) == 0
        assert self.do("verify") == 0

    @rule(call=st.sampled_from(CALLS), ordinal=st.integers(1, 25))
    def sync_is_killed(self, call, ordinal):
        killed(self.site, call, ordinal, "sync", "-q")
        self.learn("vetted")

    @rule(
        channel=st.sampled_from(CHANNELS),
        which=st.integers(0, 9),
        call=st.sampled_from(CALLS),
        ordinal=st.integers(1, 15),
    )
    def publish_is_killed(self, channel, which, call, ordinal):
        wanted = self.choose(which)
        before = self.shown.get(channel)
        killed(
            self.site, call, ordinal, "publish", TREE, "--snapshot", wanted, "--channel", channel
        )
        self.learn(channel)
        assert self.shown.get(channel) in (before, wanted)

    @rule(call=st.sampled_from(("unlink", "rename", "rmdir")), ordinal=st.integers(1, 12))
    def prune_is_killed(self, call, ordinal):
        killed(self.site, call, ordinal, "prune", "--keep", "0")

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def each_channel_shows_exactly_one_snapshot(self):
        for channel in ("candidate", *CHANNELS):
            found = self.look(channel)
            if found is None:
                assert channel not in self.shown
                continue
            snapshot, files = found
            own = self.known.setdefault(snapshot, files["named"])
            assert files["named"] == own, f"{channel}: {snapshot} is not what it was"
            # Beside it only packages and hashed metadata of other snapshots.
            others = set().union(*(known.items() for known in self.known.values()))
            strange = {
                item for item in files["beside"].items() if item not in others | self.offered
            }
            assert not strange, f"{channel}: {strange}"
            if channel in self.shown:
                assert snapshot == self.shown[channel], f"{channel} moved by itself"

    @invariant()
    def nothing_half_made_is_kept_as_whole(self):
        assert damaged(self.site) == []

    # -- how it is looked at ---------------------------------------------------------------------

    @property
    def offered(self):
        """What upstream ever showed, by path: the bytes that a path may have."""
        if not hasattr(self, "_offered"):
            self._offered = set()
        root = self.tree.root / "9.2/BaseOS/x86_64/os"
        for path in root.rglob("*"):
            if path.is_file():
                name = str(path.relative_to(root))
                if "repomd.xml" not in name:
                    self._offered.add((name, sha256(path)))
        return self._offered

    def look(self, channel):
        """The snapshot that a client of the channel finds, and the files below its repository:
        those that its repomd.xml and primary name, and those beside them."""
        public = self.site.public / channel
        if not (public / TREE).exists():
            return None
        document = json.loads((public / TREE / "SNAPSHOT.json").read_bytes())
        files = view(public / OS_DIR)
        expected = self.listed(document)
        listed = {path: files.pop(path, None) for path in expected}
        wrong = {path for path, digest in expected.items() if listed[path] != digest}
        assert not wrong, f"{channel}: {wrong}"
        return document["id"], {"named": listed, "beside": files}

    def listed(self, document):
        digest = document["repositories"]["BaseOS/x86_64"]["files"]
        lines = (self.site.store / "pool" / digest[:2] / digest).read_text().splitlines()
        return {path: digest for digest, _, path in (line.split(" ", 2) for line in lines)}

    def learn(self, channel):
        """What the channel shows from now on."""
        for name in (channel, *(c for c in CHANNELS if c != channel)):
            found = self.look(name)
            if found is None:
                continue
            before = self.shown.get(name)
            if before != found[0]:
                assert name == channel, f"{name} moved with {channel}"
                past = self.past.setdefault(name, [])
                if past and past[-1] == found[0]:
                    past.pop()
                elif before:
                    past.append(before)
                self.shown[name] = found[0]

    def ids(self):
        return [path.stem for path in (self.site.store / "snapshots" / TREE).glob("*.json")]

    def choose(self, which):
        names = sorted(self.ids())
        return names[which % len(names)]

    def do(self, *arguments):
        """In this process: a hundred of them would else be a minute of starting Python."""
        with redirect_stdout(StringIO()):
            return main(["-c", str(self.site.conf), *arguments])


def run_machine(tiny_tree_master, keys, examples, steps, **more):
    class Machine(Operator):
        upstream = tiny_tree_master

    Machine.keys = keys
    case = Machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )
    case("runTest").debug()


def test_a_client_sees_exactly_one_snapshot(tiny_tree_master, keys):
    run_machine(tiny_tree_master, keys, 2, 9, derandomize=True)


@pytest.mark.full
def test_a_client_sees_exactly_one_snapshot_long(tiny_tree_master, keys):
    run_machine(tiny_tree_master, keys, 40, 25)


def _forgets_one(whole):
    return lambda folder, files, pool: whole(folder, sorted(files)[:-1], pool)


def _mixes_two(whole):
    """A package's name leads to another one's bytes."""

    def link(folder, files, pool):
        first, second, *rest = sorted(files, key=lambda file: not file.path.endswith(".rpm"))
        whole(folder, [first._replace(sha256=second.sha256), second, *rest], pool)

    return link


@pytest.mark.parametrize("mutant", [_forgets_one, _mixes_two])
def test_it_sees_a_publisher_that_shows_less_or_something_else(
    tiny_tree_master, keys, monkeypatch, mutant
):
    monkeypatch.setattr(publisher, "link_files", mutant(publisher.link_files))
    with pytest.raises(AssertionError):
        run_machine(tiny_tree_master, keys, 1, 2, derandomize=True)
