"""However a sync ends, customers see exactly the state before it or the state after it.

A sync from state N to N+1 is killed, or its system calls fail, at every point where it changes
store or public. Each time: both channels show N or N+1 to the byte, the pool holds nothing half
made, and the next run arrives at N+1 without fetching again what had been verified.
"""

import dataclasses
import random
import subprocess

import pytest

from tests.support import CHECKOUT
from tests.support.crash import FALLIBLE, damaged, fail_at, kill_at, leftovers, points
from tests.support.httpd import Httpd
from tests.support.mirror import TREE, MirrorSite, difference
from tests.support.rpms import RpmSpec

BEFORE = 1_700_000_000.0
AFTER = BEFORE + 3600
SAMPLE = 25
LEAST = 100


class CrashLab:
    """A mirror in state N before an upstream in state N+1, as often as one wants."""

    def __init__(self, directory, tree, server, key):
        self._directory = directory
        self._number = 0
        self.server = server
        self._master = MirrorSite(directory / "master", main={"parallel": 1}, now=BEFORE)
        self._master.root.mkdir()
        self._master.add_tree(TREE, key, upstream=f"{server.url}/9.2")
        self._run(self._master)
        tree.add("BaseOS", "x86_64", [RpmSpec("delta", size=3000), RpmSpec("epsilon")])
        tree.remove("BaseOS", "x86_64", "alpha-*")
        tree.publish()
        done = self.site()
        self._run(done)
        self.states = [self._master.view(), done.view()]
        assert self.states[0] != self.states[1]
        self.points = points(self.site())

    def site(self):
        """A mirror of its own in state N."""
        self._number += 1
        root = self._directory / f"site{self._number:04}"
        subprocess.run(["cp", "-a", self._master.root, root], check=True)
        return dataclasses.replace(self._master, root=root, now=AFTER)

    def violations(self, site):
        """What is wrong with what customers of this mirror see now."""
        found = []
        for channel in ("vetted", "candidate"):
            shown = site.view(channel)
            if shown not in self.states:
                found.append(f"{channel}: {difference(self.states[0], shown)}")
        return found + [f"damaged in the pool: {name}" for name in damaged(site)]

    def check_recovery(self, site):
        """The next run arrives at N+1 and fetches nothing that is in the pool."""
        there = {path.rpartition("/")[2] for path in site.content()}
        self.server.reset()
        self._run(site)
        assert site.view() == site.view("candidate") == self.states[1]
        fetched = {path.rpartition("/")[2] for path in self.server.paths("*.rpm")}
        packages = site.public / "vetted" / TREE / "BaseOS/x86_64/os/Packages"
        known = {p.name for p in packages.iterdir() if self._digest(p.name) in there}
        assert not fetched & known
        assert not leftovers(site)

    def _digest(self, name):
        return self.states[1][f"{TREE}/BaseOS/x86_64/os/Packages/{name}"]

    @staticmethod
    def _run(site):
        run = site.sync("--json")
        assert run.status == 0, run


@pytest.fixture(scope="module")
def lab(tmp_path_factory, keys, tiny_tree_master):
    directory = tmp_path_factory.mktemp("crash")
    tree = tiny_tree_master.copy(directory / "upstream")
    with Httpd(tree.root) as server:
        yield CrashLab(directory, tree, server, keys.almalinux)


def some(found, number=SAMPLE):
    """A sample that changes with every commit, and is the same for one."""
    command = ["git", "-C", CHECKOUT, "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return random.Random(done.stdout).sample(found, min(number, len(found)))


def fallible(lab, error):
    return [point for point in lab.points if point.call in FALLIBLE[error]]


def killed_everywhere(lab, chosen, record):
    hit = 0
    for point in chosen:
        site = lab.site()
        run = kill_at(site, point)
        hit += run.status == -9
        assert run.status in (-9, 0), f"{point}\n{run}"
        assert not lab.violations(site), f"killed at {point}"
        lab.check_recovery(site)
    record("killed", f"at {hit} of {len(chosen)} calls, {len(lab.points)} found")
    assert hit >= 0.9 * len(chosen)


def failed_everywhere(lab, chosen, error, record):
    missed = 0
    for point in chosen:
        site = lab.site()
        run = fail_at(site, point, error)
        if point.call == "openat" and ("importlib" in run.stderr or run.status == 2):
            missed += 1  # its neighbour was hit, which reads a module or the configuration
        else:
            assert run.status in (0, 6), f"{error} at {point}\n{run}"
        assert not lab.violations(site), f"{error} at {point}"
        lab.check_recovery(site)
    hit = len(chosen) - missed
    record(error, f"at {hit} of {len(chosen)} calls, {len(fallible(lab, error))} found")
    assert missed <= len(chosen) // 10


def test_enough_points_are_found(lab):
    assert len(lab.points) >= LEAST
    assert {"rename", "mkdir", "symlink", "write", "writev", "openat", "fsync"} <= {
        point.call for point in lab.points
    }


def test_killed_at_some_points(lab, record_property):
    killed_everywhere(lab, some(lab.points), record_property)


@pytest.mark.parametrize("error", FALLIBLE)
def test_disk_fails_at_some_points(lab, error, record_property):
    failed_everywhere(lab, some(fallible(lab, error), 12), error, record_property)


@pytest.mark.full
def test_killed_at_every_point(lab, record_property):
    killed_everywhere(lab, lab.points, record_property)


@pytest.mark.full
@pytest.mark.parametrize("error", FALLIBLE)
def test_disk_fails_at_every_point(lab, error, record_property):
    failed_everywhere(lab, fallible(lab, error), error, record_property)


def test_switch_itself_is_among_the_points(lab, record_property):
    """The two calls that matter most, whatever the sample is."""
    switches = [p for p in lab.points if p.call.startswith("rename") and "/.new-vetted" in p.line]
    assert len(switches) == 1
    killed_everywhere(lab, switches, record_property)
    for error in FALLIBLE:
        failed_everywhere(lab, switches, error, record_property)


def test_checker_notices_a_publisher_that_copies_in_place(lab):
    """Proof that a broken publish does not get past these tests."""
    copying = lab.site()
    copying.publisher = "copying"
    found = [p for p in points(copying) if p.call == "unlink" and "/repodata/" in p.line]
    assert len(found) >= 2, "both channels"
    site = lab.site()
    site.publisher = "copying"
    assert kill_at(site, found[0]).status == -9
    assert lab.violations(site)
