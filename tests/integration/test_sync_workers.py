"""Sync by Dask workers into a bucket: the same result, whatever happens to them."""

import pytest

from tests.integration.test_sync_s3 import in_bucket, next_state, packages, shown, upstreams
from tests.support.dask import Dask, wait_until
from tests.support.mirror import run as run_anew
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)


@pytest.fixture
def dask(s3_service):
    with Dask(s3_service.environment) as cluster:
        yield cluster


@pytest.fixture
def bucket_site(site, s3_service):
    return in_bucket(site, s3_service)


@pytest.fixture
def spread_site(bucket_site, dask):
    bucket_site.main["workers"] = dask.address
    return bucket_site


def refuses_a_strangers_package(site, tiny_upstream, keys):
    """What a worker refuses is told here, kept there, and nothing of it is published."""
    before = shown(site)
    next_state(tiny_upstream, 1)
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("evil")], signed_by=keys.stranger)
    tiny_upstream.publish()
    refused = site.sync("--json")
    assert refused.status == 4, refused
    assert refused.error["path"].endswith("evil-1.0-1.el9.x86_64.rpm")
    assert shown(site) == before


def test_workers_make_what_one_process_makes(spread_site, dask, upstream, tiny_upstream, keys,
                                             synced_master):  # fmt: skip
    site = spread_site
    run = site.sync("--json")
    assert run.status == 0, (run, dask.said())
    assert upstreams(shown(site)) == upstreams(synced_master.view())
    assert site.sync("--json").named("unchanged")

    refuses_a_strangers_package(site, tiny_upstream, keys)
    assert any(name.startswith("quarantine/") for name in site.place.kept())

    # The other package of that batch is there already.
    tiny_upstream.remove("BaseOS", "x86_64", "evil-*")
    tiny_upstream.publish(timestamp=tiny_upstream.timestamp + 60)
    upstream.reset()
    assert site.sync().status == 0
    assert upstream.paths("*/fresh-1.1*") == []
    assert "fresh-1.1-1.el9.x86_64.rpm" in packages(site)


def test_a_killed_worker_and_a_new_scheduler_delay_a_run_and_no_more(
    spread_site, dask, upstream, tiny_upstream
):
    site = spread_site
    upstream.fault("*/Packages/*", "stall", times=2)
    process = site.start_sync("--json")
    wait_until(lambda: upstream.paths("*/Packages/*"))
    dask.kill_worker()
    wait_until(lambda: len(upstream.paths("*/Packages/*")) >= 2)
    dask.restart_scheduler()
    upstream.release()
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-1500:]
    assert len(packages(site)) == 3


@pytest.mark.full
def test_processes_of_this_machine_make_what_one_process_makes(
    bucket_site, upstream, tiny_upstream, keys, synced_master
):
    site = bucket_site
    site.runner = run_anew
    site.main["workers"] = "local:2"
    run = site.sync("--json")
    assert run.status == 0, run
    assert upstreams(shown(site)) == upstreams(synced_master.view())
    refuses_a_strangers_package(site, tiny_upstream, keys)


def test_a_scheduler_that_is_not_there_is_told(bucket_site):
    bucket_site.main["workers"] = "tcp://127.0.0.1:9"
    bucket_site.backoff = 1
    run = bucket_site.sync("--json")
    assert run.status == 3, run
    assert "tcp://127.0.0.1:9" in run.error["expected"]
    assert "workers =" in run.error["way_out"]
    assert shown(bucket_site) == {}
