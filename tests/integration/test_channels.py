"""`tuxmirror publish`, `rollback` and `log`: what a person decided is shown at once, and stands."""

import fcntl
import itertools
import json
import shutil
import time

import pytest

from tests.support.mirror import OS_DIR, TREE, difference, run
from tests.support.rpms import RpmSpec
from tuxmirror.cli import read_config
from tuxmirror.cli.wiring import make_mirror
from tuxmirror.usecases.sync import Options, sync

pytest_plugins = ("tests.support.mirror_fixtures",)

DAY = 86400


class Silent:
    def event(self, name, **fields):
        pass


def call(site, *arguments, status=0, **environment):
    site.write_conf()
    done = run(site.command(*arguments), {**site.environment, **environment})
    assert done.status == status, done
    return done


def ids(site):
    [tree] = json.loads(call(site, "snapshot", "list", TREE, "--json").stdout)["trees"]
    return [snapshot["id"] for snapshot in tree["snapshots"]]


def shown(site, channel="vetted"):
    return json.loads((site.public / channel / TREE / "SNAPSHOT.json").read_text())["id"]


def names(site, channel="vetted"):
    return {name.partition("-")[0] for name in site.packages(channel=channel)}


def grow(site, upstream, name, *arguments):
    upstream.add("BaseOS", "x86_64", [RpmSpec(name)])
    upstream.publish()
    assert site.sync(*arguments).status == 0
    return ids(site)[-1]


def repomd(site, channel="vetted"):
    return (site.public / channel / OS_DIR / "repodata/repomd.xml").read_bytes()


@pytest.fixture
def bad(synced, tiny_upstream):
    """A mirror whose second snapshot has a package that should not have come."""
    synced.good = ids(synced)[0]
    synced.before = synced.view()
    synced.bad = grow(synced, tiny_upstream, "bad")
    return synced


def test_rollback_shows_the_state_before_and_keeps_what_clients_may_ask_for(bad):
    call(bad, "rollback", TREE)
    assert shown(bad) == bad.good
    view = bad.view()
    assert {path: view.get(path) for path in bad.before} == bad.before, difference(bad.before, view)
    # Who read the other repomd.xml a moment ago still finds what it names.
    assert "bad" in names(bad)
    assert shown(bad, "candidate") == bad.bad


def test_a_sync_does_not_bring_back_what_was_rolled_back_from(bad):
    call(bad, "rollback", TREE)
    done = bad.sync("--json")
    assert done.status == 0, done
    assert shown(bad) == bad.good
    [held] = done.named("held")
    assert (held["channel"], held["snapshot"]) == ("vetted", bad.bad)
    assert f"publish {TREE} --snapshot {bad.bad}" in bad.sync().stdout


def test_a_channel_that_stays_still_loses_what_expired(bad):
    call(bad, "rollback", TREE)
    bad.main["max_age"] = "never"
    bad.now = bad.conf.stat().st_mtime + 3 * DAY
    assert bad.sync().status == 0
    assert shown(bad) == bad.good
    assert "bad" not in names(bad)


def test_what_upstream_brings_later_is_published_again(bad, tiny_upstream):
    call(bad, "rollback", TREE)
    tiny_upstream.remove("BaseOS", "x86_64", "bad-*")
    fixed = grow(bad, tiny_upstream, "fixed")
    assert shown(bad) == fixed


def test_to_name_it_ends_the_hold(bad):
    call(bad, "rollback", TREE)
    call(bad, "publish", TREE, "--snapshot", bad.bad)
    assert shown(bad) == bad.bad
    done = bad.sync("--json")
    assert done.named("held") == []
    assert shown(bad) == bad.bad


def test_an_older_snapshot_that_was_published_by_name_stays(bad):
    call(bad, "publish", TREE, "--snapshot", bad.good)
    assert bad.sync().status == 0
    assert shown(bad) == bad.good


def test_several_steps_back_and_no_further_than_the_first(bad, tiny_upstream):
    worse = grow(bad, tiny_upstream, "worse")
    assert shown(bad) == worse
    before = bad.fingerprint()
    done = call(bad, "rollback", TREE, "--steps", "3", status=5)
    assert "at most 2 steps" in done.stderr
    assert "tuxmirror publish" in done.stderr
    assert bad.fingerprint() == before
    call(bad, "rollback", TREE, "--steps", "2")
    assert shown(bad) == bad.good
    assert bad.sync().status == 0
    assert shown(bad) == bad.good
    call(bad, "rollback", TREE, status=5)


def test_publish_makes_a_channel_and_leaves_the_others(bad):
    vetted = repomd(bad)
    call(bad, "publish", TREE, "--channel", "canary", "--snapshot", bad.good[:8])
    assert shown(bad, "canary") == bad.good
    assert repomd(bad) == vetted
    call(bad, "publish", TREE, "--channel", "canary")
    assert shown(bad, "canary") == bad.bad
    call(bad, "rollback", TREE, "--channel", "canary")
    assert (shown(bad, "canary"), shown(bad)) == (bad.good, bad.bad)


def test_without_publishing_a_sync_leaves_the_decision_to_a_person(synced, tiny_upstream):
    before = shown(synced)
    new = grow(synced, tiny_upstream, "new", "--no-publish")
    assert shown(synced) == before
    done = call(synced, "publish", TREE, "--json")
    assert [event["event"] for event in done.events] == ["published", "done"]
    assert shown(synced) == new


def test_to_publish_what_is_shown_already_changes_nothing(synced):
    before = synced.fingerprint()
    done = call(synced, "publish", TREE)
    assert "already" in done.stdout
    assert synced.fingerprint() == before


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("publish", TREE, "--snapshot", "feed"), 2),
        (("publish", TREE, "--channel", "../x"), 2),
        (("publish", TREE, "--channel", "candidate"), 2),
        (("publish", "almalinux/9.9"), 2),
        (("rollback", TREE), 5),
        (("rollback", TREE, "--channel", "canary"), 5),
        (("rollback", TREE, "--channel", "candidate"), 2),
        (("rollback", TREE, "--steps", "0"), 2),
    ],
)
def test_what_makes_no_sense_is_refused_and_harms_nothing(synced, arguments, status):
    with synced.harmless():
        done = call(synced, *arguments, status=status)
    assert done.stderr.startswith("tuxmirror: error:")


def test_nothing_can_be_published_before_the_first_sync(site):
    assert "tuxmirror sync" in call(site, "publish", TREE, status=5).stderr


def test_a_rollback_never_waits_for_a_sync(bad):
    with (bad.store / "state/locks" / TREE.replace("/", "%")).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call(bad, "rollback", TREE)
    assert shown(bad) == bad.good


def test_rebuilt_bytes_under_a_published_name_need_a_word_also_on_the_way_back(
    synced, tiny_upstream
):
    good = shown(synced)
    tiny_upstream.remove("BaseOS", "x86_64", "alpha-*")
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("alpha", summary="rebuilt", size=3100)])
    tiny_upstream.publish()
    assert synced.sync("--allow-mass-change").status == 0
    done = call(synced, "rollback", TREE, status=5)
    assert "--allow-mass-change" in done.stderr
    call(synced, "rollback", TREE, "--allow-mass-change")
    assert shown(synced) == good


def test_the_log_says_who_did_what_and_holds(bad):
    call(bad, "rollback", TREE, SUDO_USER="alice")
    found = json.loads(call(bad, "log", "--json").stdout)
    last = found["entries"][-1]
    assert (last["action"], last["channel"]) == ("rollback", "vetted")
    assert (last["before"], last["snapshot"]) == (bad.bad, bad.good)
    assert last["sudo_user"] == "alice"
    assert last["user"]
    assert last["sha256"] == found["head"]
    assert "alice as" in call(bad, "log", TREE).stdout
    assert (bad.store / "state/log.jsonl").stat().st_mode & 0o777 == 0o600


def test_an_unchanged_sync_is_no_entry(bad):
    log = bad.store / "state/log.jsonl"
    before = log.read_bytes()
    assert bad.sync().status == 0
    assert log.read_bytes() == before


def test_an_altered_log_is_told_and_no_rollback_goes_by_it(bad):
    log = bad.store / "state/log.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"sync"', b'"sunk"', 1))
    assert "line 1" in call(bad, "log", status=4).stderr
    with bad.harmless():
        assert "--snapshot ID" in call(bad, "rollback", TREE, status=4).stderr
    call(bad, "publish", TREE, "--snapshot", bad.good)
    assert shown(bad) == bad.good


def test_what_cannot_be_logged_is_not_published(bad):
    log = bad.store / "state/log.jsonl"
    log.unlink()
    log.mkdir()
    with bad.harmless():
        call(bad, "publish", TREE, "--snapshot", bad.good, status=6)


def test_an_entry_cut_short_by_a_crash_is_passed_over(bad):
    log = bad.store / "state/log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"time": 17')
    call(bad, "rollback", TREE)
    assert log.read_bytes().startswith(whole)
    call(bad, "log")


def test_a_lost_file_of_the_pool_stops_a_rollback_before_anything_shows(bad, tiny_upstream):
    bad.main["grace"] = "0s"
    for number in range(4):
        grow(bad, tiny_upstream, f"more{number}")
    path = bad.store / "snapshots" / TREE / f"{bad.good}.json"
    files = json.loads(path.read_text())["repositories"]["BaseOS/x86_64"]["files"]
    (bad.store / "pool" / files[:2] / files).unlink()
    before = bad.view()
    call(bad, "rollback", TREE, "--steps", "5", status=6)
    assert bad.view() == before


def test_a_rollback_to_what_was_removed_says_what_is_kept(bad):
    path = bad.store / "snapshots" / TREE / f"{bad.good}.json"
    shutil.move(path, bad.root)
    done = call(bad, "rollback", TREE, status=5)
    assert bad.bad in done.stderr


def test_channels_that_show_the_same_share_one_publication(synced, tiny_upstream):
    """However long it takes from one to the next: what expires does so at one moment."""
    tiny_upstream.remove("BaseOS", "x86_64", "alpha-*")
    tiny_upstream.publish()
    synced.write_conf()
    config = read_config(synced.conf)
    seconds = itertools.count(time.time(), 100)
    mirror = make_mirror(config, Silent())._replace(clock=lambda: next(seconds))
    assert sync(mirror, list(config.trees.values()), Options()) == 0
    places = [(synced.public / channel / TREE).resolve() for channel in ("candidate", "vetted")]
    assert places[0] == places[1]
