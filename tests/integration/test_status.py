"""`tuxmirror status`: what is published, how old it is, what needs a person."""

import json

from tests.support.mirror import TREE, run
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

HOUR = 3600


def status(site, *arguments):
    done = run(site.command("status", *arguments), site.environment)
    assert done.status == 0, done
    return done.stdout


def document(site):
    [tree] = json.loads(status(site, "--json"))["trees"]
    return tree


def test_before_the_first_sync_there_is_nothing_and_it_says_so(site):
    site.write_conf()
    text = status(site)
    assert TREE in text
    assert "never" in text
    assert document(site)["candidate"] is None


def test_after_a_sync_it_shows_the_snapshot_and_its_age(site):
    assert site.sync().status == 0
    tree = document(site)
    shown = tree["channels"]["vetted"]
    assert shown["packages"] == 3
    assert shown["snapshot"] == tree["candidate"]["snapshot"]
    assert tree["last_error"] is None
    assert tree["upstream_time"]
    assert shown["snapshot"] in status(site)
    assert "s ago" in status(site)


def test_a_refused_package_is_shown_with_file_and_reason(site, tiny_upstream, keys):
    assert site.sync().status == 0
    vetted = document(site)["channels"]["vetted"]["snapshot"]
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("alien")], signed_by=keys.stranger)
    tiny_upstream.publish()
    assert site.sync().status == 4
    tree = document(site)
    [refused] = tree["quarantine"]
    assert refused["path"].endswith("alien-1.0-1.el9.x86_64.rpm")
    assert refused["file"].endswith(".rpm")
    assert tree["last_error"]["exit_status"] == 4
    assert tree["channels"]["vetted"]["snapshot"] == vetted
    text = status(site)
    assert "failed" in text
    assert "alien" in text


def test_an_unreadable_record_is_said_in_its_place(site):
    assert site.sync().status == 0
    snapshot = document(site)["candidate"]["snapshot"]
    (site.store / "snapshots" / TREE / f"{snapshot}.json").write_text("{}")
    assert "damaged snapshot" in status(site)


def test_an_unknown_tree_is_an_error(site):
    site.write_conf()
    done = run(site.command("status", "almalinux/9.3"), site.environment)
    assert done.status == 2
    assert "did you mean 'almalinux/9.2'" in done.stderr
