"""What goes wrong with a bucket: the message, the exit status, and nothing that was published."""

import json
import os
import subprocess
import threading

import pytest

from tests.integration.test_sync_s3 import (
    command,
    in_bucket,
    next_state,
    packages,
    shown,
    upstreams,
)
from tests.support.mirror import TREE
from tests.support.s3 import surroundings
from tests.support.s3_faults import FaultyS3

pytest_plugins = ("tests.support.mirror_fixtures",)


@pytest.fixture
def faulty(s3_service):
    with FaultyS3(s3_service) as proxy, surroundings(proxy.environment):
        yield proxy


@pytest.fixture
def bucket_site(site, faulty):
    site.backoff = 0.2
    return in_bucket(site, faulty)


def fails(site, status, *words):
    run = site.sync("--json")
    assert run.status == status, run
    said = str(run.error)
    for word in words:
        assert word in said, (word, said)
    assert "Traceback" not in run.stderr
    return run.error


@pytest.mark.parametrize(
    ("code", "name", "status", "words"),
    [
        (403, "InvalidAccessKeyId", 2, ["does not know the access key", "AWS_ACCESS_KEY_ID"]),
        pytest.param(
            *(403, "SignatureDoesNotMatch", 2, ["secret key is wrong", "AWS_PROFILE"]),
            marks=pytest.mark.full,
        ),
        (403, "AccessDenied", 6, ["does not let these credentials", "s3:GetObject"]),
        pytest.param(
            *(404, "NoSuchBucket", 2, ["no such bucket", "make the bucket"]),
            marks=pytest.mark.full,
        ),
        (403, "RequestTimeTooSkewed", 6, ["clock", "chronyc"]),
        (507, "QuotaExceeded", 6, ["QuotaExceeded"]),
    ],
)
def test_what_the_service_refuses_is_told(bucket_site, faulty, code, name, status, words):
    faulty.fault("*", "*", "status", code=code, name=name)
    fails(bucket_site, status, *words)
    faulty.heal()
    assert shown(bucket_site) == {}


def test_no_credentials_and_no_service_are_told(bucket_site, faulty):
    with surroundings({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}):
        fails(bucket_site, 2, "no credentials", "AWS_ACCESS_KEY_ID")
    with surroundings({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}):
        fails(bucket_site, 6, "cannot be reached")


def test_a_bucket_that_is_not_there_is_told(bucket_site, faulty):
    bucket_site.main["store"] = "s3://tuxmirror-nowhere-at-all/store"
    fails(bucket_site, 2, "no such bucket", "tuxmirror-nowhere-at-all")
    # The one with the channels is there: hosts would get errors for all else.
    told = command(bucket_site, "serve", "--listen", "127.0.0.1:0", status=2)
    assert "no such bucket" in told.stderr


@pytest.mark.full
def test_a_store_that_is_overloaded_for_a_while_is_waited_for(bucket_site, faulty):
    faulty.fault("*", "*", "status", code=503, times=6)
    assert bucket_site.sync().status == 0
    assert len(packages(bucket_site)) == 3


@pytest.mark.full
def test_lost_packages_are_fetched_again_before_anything_names_them(bucket_site, faulty, upstream):
    faulty.fault("PUT", "*/store/pool/*", "lose", times=2)
    run = bucket_site.sync("--json")
    assert run.status == 0, run
    assert any("lost" in e["message"] for e in run.named("warning"))
    found = command(bucket_site, "verify", "--json").named("verified")
    assert found[0]["damaged"] == 0


@pytest.mark.parametrize(
    "where",
    [
        "*/pool/*",
        *(
            pytest.param(where, marks=pytest.mark.full)
            for where in ("*/snapshots/*", "*/state/trees/*", "*/channels/*")
        ),
    ],
)
def test_a_store_that_loses_all_of_a_kind_publishes_nothing_and_the_next_run_goes_on(
    bucket_site, faulty, tiny_upstream, where
):
    site = bucket_site
    assert site.sync().status == 0
    before = shown(site)
    next_state(tiny_upstream, 1)
    faulty.fault("PUT", where, "lose")
    fails(site, 6, "lose" if "pool" in where else "lost")
    assert shown(site, "vetted") == before
    faulty.heal()
    assert site.sync().status == 0
    assert "fresh-1.1-1.el9.x86_64.rpm" in packages(site)


@pytest.mark.full
def test_an_answer_that_is_lost_is_not_taken_for_anothers_publish(bucket_site, faulty):
    """The write happened; asked again under its condition, the service says no."""
    faulty.fault("PUT", "*/channels/vetted", "answer_lost", times=1)
    run = bucket_site.sync("--json")
    assert run.status == 0, run
    assert len(packages(bucket_site)) == 3


@pytest.mark.full
def test_what_somebody_else_writes_into_the_bucket_is_noticed(bucket_site, tiny_upstream):
    site = bucket_site
    assert site.sync().status == 0
    wanted = next(sha for path, sha in shown(site).items() if path.endswith(".rpm"))
    place = site.place
    place.damage(f"pool/{wanted[:2]}/{wanted}", b"other bytes")
    done = command(site, "verify", "--json", status=4)
    assert wanted in str(done.named("damaged"))
    command(site, "verify", "--repair")

    [snapshot] = [name for name in place.kept() if name.startswith("snapshots/")]
    good = place.kept()[snapshot]
    place.damage(snapshot, good.replace(b'"packages": 3', b'"packages": 4').replace(b'"a', b'"b'))
    next_state(tiny_upstream, 1)
    run = site.sync("--json")
    assert run.status in (0, 4), run
    place.damage(snapshot, good)

    place.damage_served("channels/vetted", b"{}")
    error = fails(site, 4, "channels/vetted", "somebody else writes")
    assert error["found"] == "KeyError('shown')"


@pytest.mark.full
def test_a_record_that_somebody_else_overwrote_or_removed_has_a_way_out(bucket_site):
    site = bucket_site
    assert site.sync().status == 0
    place = site.place
    before = shown(site)
    for damage in (b"{}", None):
        channels = [name for name in place.served() if name.startswith("channels/")]
        current = json.loads(place.served()["channels/vetted"])["shown"][0]
        record = f"publications/{TREE}/{current['trees'][TREE]}"
        place.damage_served(record, damage)
        fails(site, 4 if damage else 6, record, "remove it and the channels that show it")
        # It is followed to the letter.
        for name in (record, *channels) if damage else channels:
            place.damage_served(name, None)
        assert site.sync().status == 0
        assert upstreams(shown(site)) == upstreams(before)
        assert command(site, "verify", "--json").named("verified")[0]["damaged"] == 0


def test_of_two_machines_that_sync_at_once_one_waits_for_the_other(bucket_site, upstream, faulty):
    """The lock is in the bucket: another machine has another folder."""
    site = bucket_site
    upstream.fault("*/Packages/*", "stall", times=1)
    process = site.start_sync("--json")
    lock = f"*/locks/{TREE.replace('/', '%')}"
    _until(lambda: faulty.count("PUT", lock))
    _until(lambda: upstream.paths("*/Packages/*"))
    site.main["local"] = site.root / "another-machine"
    error = fails(site, 7, "another run is at work", f"process {process.pid}")
    assert "wait until it is done" in error["way_out"]
    upstream.release()
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert site.sync("--json").named("unchanged")


def current(site):
    """The snapshot that customers see."""
    return site.place.again().publisher.published("vetted", TREE).snapshot


def test_of_two_operators_who_publish_at_once_one_wins_and_the_other_is_told(
    bucket_site, faulty, tiny_upstream
):
    """The other one's clock is so far off, or his line so slow, that no lock kept them apart."""
    site = bucket_site
    assert site.sync().status == 0
    first = current(site)
    next_state(tiny_upstream, 1)
    [made] = site.sync("--no-publish", "--json").named("snapshot")
    before = shown(site)

    def other_publishes():
        channel = json.loads(site.place.served()["channels/vetted"])
        latest = dict(channel["shown"][0])
        latest["generation"] += 1
        channel["shown"].insert(0, latest)
        site.place.damage_served("channels/vetted", json.dumps(channel).encode())

    faulty.fault("PUT", "*/channels/vetted", "call", times=1, function=other_publishes)
    told = command(site, "publish", TREE, "--snapshot", made["snapshot"], status=7)
    assert "somebody else published to vetted at the same moment" in told.stderr
    assert "nothing of this run is shown" in told.stderr
    assert shown(site) == before
    assert current(site) == first
    command(site, "publish", TREE, "--snapshot", made["snapshot"])
    assert "fresh-1.1-1.el9.x86_64.rpm" in packages(site)


@pytest.mark.full
def test_publishes_of_two_machines_leave_one_state_that_the_log_tells(
    bucket_site, faulty, tiny_upstream
):
    site = bucket_site
    assert site.sync().status == 0
    old = current(site)
    next_state(tiny_upstream, 1)
    assert site.sync().status == 0
    new = current(site)
    running = []
    for machine, snapshot in (("one", old), ("two", new), ("three", old)):
        site.main["local"] = site.root / machine
        site.write_conf()
        conf = site.conf.rename(site.root / f"{machine}.conf")
        argv = [str(conf) if word == str(site.conf) else word for word in site.command("publish")]
        running.append(
            subprocess.Popen([*argv, TREE, "--snapshot", snapshot], env=site.environment)
        )
    statuses = [process.wait(200) for process in running]
    assert set(statuses) <= {0, 7}
    assert 0 in statuses
    site.main["local"] = site.root / "one"
    log = json.loads(command(site, "log", "--json").stdout)
    last = [entry for entry in log["entries"] if entry["action"] == "publish"][-1]
    assert current(site) in json.dumps(last)
    assert command(site, "verify", "--json").named("verified")[0]["damaged"] == 0


@pytest.mark.full
def test_a_real_service_refuses_what_is_wrong(site, ceph):
    """The words are those of the service, not of a fault of ours."""
    with surroundings(ceph.environment):
        in_bucket(site, ceph)
        with surroundings({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}):
            fails(site, 2, "does not know the access key", "AWS_ACCESS_KEY_ID")
        with surroundings({"AWS_SECRET_ACCESS_KEY": "wrong"}):
            fails(site, 2, "secret key is wrong", "AWS_PROFILE")
        for skew in (-7200, 7200):
            site.skew = skew
            fails(site, 6, "clock", "too far apart", "chronyc makestep")
        site.skew = None
        store = site.main["store"]
        site.main["store"] = "s3://tuxmirror-nowhere-at-all/store"
        fails(site, 2, "no such bucket")
        site.main["store"] = store
        assert site.sync().status == 0


def test_a_dead_runs_lock_does_not_stay(bucket_site, upstream):
    site = bucket_site
    upstream.fault("*/Packages/*", "stall", times=1)
    process = site.start_sync("--json")
    _until(lambda: upstream.paths("*/Packages/*"))
    process.kill()
    process.communicate()
    upstream.release()
    site.main["local"] = site.root / "another-folder"
    assert site.sync().status == 0


def _until(condition):
    event = threading.Event()
    for _ in range(1200):
        if condition():
            return
        event.wait(0.05)
    raise AssertionError(f"it did not happen (process {os.getpid()})")
