"""Interrupts, and disks that are full, too small or read-only."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import requires
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

REPO = ("BaseOS", "x86_64")


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


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_standard_output_on_a_full_disk_is_told(site, flags):
    site.write_conf()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            site.command("sync", *flags),
            env=site.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 6
    # JSON says its errors there too.
    assert flags or "standard output: No space left on device" in done.stderr
    assert site.sync("-q").status == 0


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
