"""`tuxmirror prune`: what nobody needs goes, and nothing else."""

import fcntl
import json
import os
import time

import pytest

from tests.support.mirror import OS_DIR, TREE, age_generations, difference, run, sha256
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

DAY = 86400


def prune(site, *arguments, status=0):
    site.write_conf()
    done = run(site.command("prune", "--json", *arguments), site.environment)
    assert done.status == status, done
    return done


def pruned(site, *arguments):
    [event] = prune(site, *arguments).named("pruned")
    return event


def ids(site):
    done = run(site.command("snapshot", "list", TREE, "--json"), site.environment)
    return [snapshot["id"] for snapshot in json.loads(done.stdout)["trees"][0]["snapshots"]]


@pytest.fixture
def aged(synced, tiny_upstream):
    """Four snapshots without grace time, the middle two never shown.

    Each has a package of its own that is gone from the next.
    """
    synced.main["grace"] = "0s"
    for number in range(3):
        tiny_upstream.remove("BaseOS", "x86_64", "week*")
        tiny_upstream.add("BaseOS", "x86_64", [RpmSpec(f"week{number}")])
        tiny_upstream.publish()
        assert synced.sync(*(["--no-publish"] if number < 2 else [])).status == 0
    assert len(ids(synced)) == 4
    return synced


def pool(site):
    return {path.name for path in (site.store / "pool").glob("??/*")}


def test_a_mirror_that_keeps_little_has_nothing_to_prune(synced):
    with synced.harmless():
        event = pruned(synced)
    assert (event["snapshots"], event["files"]) == ([], 0)


def test_old_snapshots_go_with_what_only_they_name(aged):
    before, kept, known = aged.fingerprint(), pool(aged), ids(aged)
    event = pruned(aged, "--keep", "1")
    # The first is still linked by an earlier generation: readers may be in it.
    assert event["snapshots"] == known[1:3]
    assert ids(aged) == [known[0], known[3]]
    assert event["files"] == len(kept) - len(pool(aged)) > 0
    assert aged.fingerprint() == before, difference(before, aged.fingerprint())
    verified = run(aged.command("verify"), aged.environment)
    assert verified.status == 0, verified
    again = pruned(aged, "--keep", "1")
    assert (again["snapshots"], again["files"]) == ([], 0)
    assert aged.sync().status == 0


def test_the_newest_stay_and_can_be_published(aged):
    known = ids(aged)
    pruned(aged, "--keep", "2")
    assert ids(aged) == [known[0], *known[2:]]
    done = run(aged.command("publish", TREE, "--snapshot", known[2]), aged.environment)
    assert done.status == 0, done


def test_a_dry_run_says_the_same_and_changes_nothing(aged):
    with aged.harmless():
        planned = pruned(aged, "--dry-run", "--keep", "1")
        plain = run(aged.command("prune", "--dry-run", "--keep", "1"), aged.environment)
    assert "nothing was changed" in plain.stdout
    done = pruned(aged, "--keep", "1")
    assert {**planned, "dry_run": False} == done


def test_what_a_channel_shows_stays_however_old(aged):
    oldest = ids(aged)[1]
    shown = run(
        aged.command("publish", TREE, "--snapshot", oldest, "--channel", "canary"),
        aged.environment,
    )
    assert shown.status == 0, shown
    view = aged.view("canary")
    pruned(aged, "--keep", "0")
    assert oldest in ids(aged)
    assert aged.view("canary") == view
    assert run(aged.command("verify"), aged.environment).status == 0


def test_what_the_grace_time_needs_stays(synced, tiny_upstream):
    gone = next((synced.public / "vetted" / OS_DIR).rglob("gamma-*.rpm"))
    digest = sha256(gone)
    tiny_upstream.remove("BaseOS", "x86_64", "gamma-*")
    tiny_upstream.publish()
    assert synced.sync().status == 0
    pruned(synced, "--keep", "0")
    assert digest in pool(synced)
    assert any("gamma" in name for name in synced.packages())


def test_a_tree_that_is_not_configured_any_more_keeps_what_it_shows(aged, keys, tuxcare_rpms):
    aged.add_local("tuxcare/9.2/esu", keys.tuxcare, tuxcare_rpms / "esu" / "x86_64")
    assert aged.sync().status == 0
    view = aged.view()
    del aged.trees["tuxcare/9.2/esu"]
    pruned(aged, "--keep", "0")
    kept = pool(aged)
    for path in (aged.public / "vetted/tuxcare").resolve().parent.rglob("esu/**/*.rpm"):
        assert sha256(path) in kept
    assert aged.view() == view


def test_nothing_goes_while_a_tree_is_synced(aged):
    with (aged.store / "state/locks" / TREE.replace("/", "%")).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with aged.harmless():
            prune(aged, "--keep", "1", status=7)


def test_where_it_cannot_be_read_what_is_needed_nothing_goes(aged):
    newest = ids(aged)[-1]
    (aged.store / "snapshots" / TREE / f"{newest}.json").write_text("{}")
    with aged.harmless():
        prune(aged, "--keep", "1", status=4)


def test_a_shown_snapshot_whose_record_is_lost_stops_it(aged):
    newest = ids(aged)[-1]
    (aged.store / "snapshots" / TREE / f"{newest}.json").unlink()
    with aged.harmless():
        done = prune(aged, "--keep", "1", status=5)
    assert newest in done.error["message"]


def test_leftovers_go_after_a_week(synced):
    incoming = synced.store / "incoming" / TREE
    incoming.mkdir(parents=True, exist_ok=True)
    old, young = incoming / "old.part", incoming / "young.part"
    for path, age in ((old, 8), (young, 6)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age * DAY,) * 2)
    assert pruned(synced)["leftovers"] == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_to_keep_less_than_nothing_is_an_error(synced):
    prune(synced, "--keep", "-1", status=2)


def test_by_age_the_young_stay_and_the_number_counts_only_when_asked(aged):
    known = ids(aged)
    aged.now = time.time() + 91 * DAY
    assert pruned(aged, "--older-than", "92d", "--dry-run")["snapshots"] == []
    assert pruned(aged, "--older-than", "90d", "--keep", "3", "--dry-run")["snapshots"] == []
    assert pruned(aged, "--older-than", "90d")["snapshots"] == known[1:3]
    assert "--older-than 90" in prune(aged, "--older-than", "90", status=2).error["message"]


def test_of_one_channel_only_what_it_showed_goes(aged, tiny_upstream):
    _, second, third, last = ids(aged)
    for snapshot in (second, last):
        run(aged.command("publish", TREE, "--snapshot", snapshot, "--channel", "canary"),
            aged.environment)  # fmt: skip
    # Readers of the last three generations keep what they read.
    for number in range(3):
        tiny_upstream.add("BaseOS", "x86_64", [RpmSpec(f"more{number}")])
        tiny_upstream.publish()
        assert aged.sync().status == 0
        age_generations(aged.public)
        done = run(aged.command("publish", TREE, "--channel", "canary"), aged.environment)
        assert done.status == 0, done
    event = pruned(aged, "--channel", "canary", "--keep", "1", "--dry-run")
    assert second in event["snapshots"]
    assert third not in event["snapshots"], "it was never shown there"
    error = prune(aged, "--channel", "canari", status=2).error
    assert "canary" in error["way_out"]


def test_what_would_empty_a_channel_is_refused(aged):
    first, second, third, last = ids(aged)
    with aged.harmless():
        error = prune(aged, "--snapshot", last, status=5).error
        assert "would be empty" in error["message"]
        assert f"tuxmirror publish {TREE}" in error["way_out"]
        assert "reading" in prune(aged, "--snapshot", first, status=5).error["found"]
        prune(aged, "--snapshot", "feedfeed", status=2)
    assert pruned(aged, "--snapshot", second[:9])["snapshots"] == [second]
    assert ids(aged) == [first, third, last]


def test_of_named_trees_alone(aged, keys, tuxcare_rpms):
    aged.add_local("tuxcare/9.2/esu", keys.tuxcare, tuxcare_rpms / "esu" / "x86_64")
    assert aged.sync().status == 0
    assert pruned(aged, "tuxcare/9.2/esu", "--keep", "0", "--dry-run")["snapshots"] == []
    assert pruned(aged, TREE, "--keep", "0", "--dry-run")["snapshots"]
    assert "9.2/esu" in prune(aged, "tuxcare/9.2/es", status=2).error["way_out"]
