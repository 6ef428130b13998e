"""Rules that need a person: mass changes, an upstream that stands still. Interrupts, full disks."""

import signal
import subprocess
import time

import pytest

from tests.support import requires
from tests.support.mirror import TREE
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

REPO = ("BaseOS", "x86_64")
HOUR = 3600
NOW = 1_900_000_000.0


def test_mass_removal_needs_a_word(synced, tiny_upstream):
    synced.main["mass_change"] = "10% and 1 packages"
    synced.main["grace"] = "0s"
    tiny_upstream.remove(*REPO, "alpha-*")
    tiny_upstream.remove(*REPO, "beta-*")
    tiny_upstream.publish()
    with synced.harmless():
        run = synced.sync("--json")
    assert run.status == 5, run
    assert "2 of 3 packages are removed" in run.error["message"]
    assert "Packages/alpha-" in run.error["found"]
    assert "--allow-mass-change" in run.error["way_out"]
    assert synced.sync("-q", "--allow-mass-change").status == 0
    assert len(synced.packages()) == 1


def test_removal_within_the_limit_passes(synced, tiny_upstream):
    synced.main["mass_change"] = "10% and 1 packages"
    tiny_upstream.remove(*REPO, "alpha-*")
    tiny_upstream.publish()
    assert synced.sync("-q").status == 0


@pytest.fixture
def aging(synced, tiny_upstream):
    """A mirror whose upstream's TIME is NOW and whose clock the test sets."""
    tiny_upstream.tick(int(NOW))
    synced.main["max_age"] = "10h"
    synced.now = NOW
    assert synced.sync("-q").status == 0
    return synced


def test_upstream_that_stands_still_is_warned_of_then_refused(aging):
    aging.now = NOW + 9 * HOUR
    assert not aging.sync("--json").named("warning")
    aging.now = NOW + 11 * HOUR
    run = aging.sync("--json")
    assert run.status == 0, run
    [warning] = run.named("warning")
    assert "11 h old" in warning["message"]
    aging.now = NOW + 41 * HOUR
    with aging.harmless():
        run = aging.sync("--json")
    assert run.status == 5, run
    assert "41 h old" in run.error["found"]


def test_upstream_that_ticks_again_is_fine_again(aging, tiny_upstream):
    aging.now = NOW + 41 * HOUR
    assert aging.sync("-q").status == 5
    tiny_upstream.tick(int(NOW + 41 * HOUR))
    run = aging.sync("--json")
    assert run.status == 0, run
    assert not run.named("warning")


def test_hiding_time_does_not_help(aging, tiny_upstream):
    (tiny_upstream.root / "TIME").unlink()
    aging.now = NOW + 41 * HOUR
    assert aging.sync("-q").status == 5


def test_time_from_the_future_does_not_blind_for_ever(aging, tiny_upstream):
    tiny_upstream.tick(int(NOW + 10_000 * HOUR))
    aging.now = NOW + 2 * HOUR
    assert aging.sync("-q").status == 0
    tiny_upstream.tick(int(NOW))
    aging.now = NOW + 50 * HOUR
    assert aging.sync("-q").status == 5


def test_tree_that_upstream_closed_can_say_so(aging):
    aging.trees[TREE]["max_age"] = "never"
    aging.now = NOW + 10_000 * HOUR
    assert aging.sync("-q").status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_sync_harms_nothing_and_goes_on_later(synced, tiny_upstream, upstream, number):
    good = tiny_upstream.add(*REPO, [RpmSpec("delta"), RpmSpec("epsilon", size=200_000)])[1]
    tiny_upstream.publish()
    synced.limits = None
    upstream.fault(f"*/{good.name}", "stall", after=1000)
    before = synced.fingerprint()
    process = synced.start_sync()
    deadline = time.monotonic() + 30
    while not upstream.paths(f"*/{good.name}") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=15)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGTERM)
    assert "Traceback" not in stderr
    assert synced.fingerprint() == before
    upstream.heal()
    assert synced.sync("-q").status == 0
    assert len(synced.packages()) == 5


@pytest.fixture
def mount(tmp_path):
    """`mount(options)`: a tmpfs with these options."""
    requires("root")
    mounted = []

    def make(options):
        folder = tmp_path / f"tmpfs{len(mounted)}"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "test", folder], check=True)
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def test_disk_too_small_is_noticed_before_anything_is_fetched(site, upstream, mount):
    site.root = mount("size=20m")
    run = site.sync("--json")
    assert run.status == 6, run
    assert "not enough space" in run.error["message"]
    assert "MiB free" in run.error["expected"] and "MiB free" in run.error["found"]
    assert not upstream.paths("*.rpm")
    assert site.fingerprint() == {}


def test_disk_that_runs_full_is_survived(synced, tiny_upstream, mount):
    """Of inodes, which no calculation foresees."""
    tiny_upstream.add(*REPO, [RpmSpec(f"many{number}") for number in range(40)])
    tiny_upstream.publish()
    folder = mount("size=300m,nr_inodes=130")
    subprocess.run(f"cp -a {synced.root}/. {folder}", shell=True, check=True)
    synced.root = folder
    before = synced.view()
    run = synced.sync("--json")
    assert run.status == 6, run
    assert "No space left on device" in run.error["message"]
    assert synced.view() == before
    subprocess.run(["mount", "-o", "remount,nr_inodes=4000", folder], check=True)
    assert synced.sync("-q").status == 0
    assert len(synced.packages()) == 43


def test_read_only_disk_is_a_storage_error(synced, tiny_upstream, mount):
    tiny_upstream.add(*REPO, [RpmSpec("delta")])
    tiny_upstream.publish()
    folder = mount("size=300m")
    subprocess.run(f"cp -a {synced.root}/. {folder}", shell=True, check=True)
    synced.root = folder
    synced.write_conf()
    synced.write_conf = lambda: None
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    with synced.harmless():
        run = synced.sync("--json")
    assert run.status == 6, run
    assert "Read-only file system" in run.error["message"]
