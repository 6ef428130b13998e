"""`tuxmirror status`: what is published, how old it is, what needs a person."""

import json

from tests.support.mirror import OS_DIR, TREE, run
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


def test_a_page_and_metrics_follow_what_changes(site, tmp_path, tiny_upstream, keys):
    site.main["status_page"] = page = tmp_path / "status.html"
    site.main["metrics_file"] = metrics = tmp_path / "tuxmirror.prom"
    assert site.sync().status == 0
    assert b"1 tree: 1 well" in page.read_bytes()
    found = samples(metrics)
    assert found["tuxmirror_tree_level", TREE, None] == 0
    assert found["tuxmirror_snapshot_packages", TREE, "vetted"] == 3
    assert found["tuxmirror_last_sync_exit_status", TREE, None] == 0
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("alien")], signed_by=keys.stranger)
    tiny_upstream.publish()
    assert site.sync().status == 4
    assert b"1 needs you" in page.read_bytes()
    assert samples(metrics)["tuxmirror_quarantined_files", TREE, None] == 1
    assert samples(metrics)["tuxmirror_last_sync_exit_status", TREE, None] == 4
    assert oct(metrics.stat().st_mode & 0o777) == "0o644"


def samples(path):
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, sample.labels.get("tree"), sample.labels.get("channel")): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def test_what_the_last_verify_found_is_remembered(site, tmp_path):
    site.main["metrics_file"] = metrics = tmp_path / "tuxmirror.prom"
    assert site.sync().status == 0
    assert document(site)["last_verify"] is None
    assert "never verified" in status(site)
    for package in (site.public / "vetted" / OS_DIR).glob("Packages/[ab]*.rpm"):
        package.write_bytes(b"rotten")
    assert site.run("verify").status == 4
    found = document(site)["last_verify"]
    assert found["damaged"] >= 2
    assert "alpha" in " ".join(found["named"])
    assert document(site)["level"] == "trouble"
    assert "1 needs you" in status(site)
    assert "tuxmirror verify --repair" in status(site)
    assert samples(metrics)["tuxmirror_verify_damaged", TREE, None] == found["damaged"]
    # A sync looks at no old content: it changes nothing about that.
    assert site.sync().status == 0
    assert document(site)["level"] == "trouble"
    assert site.run("verify", "--repair").status == 0
    found = document(site)["last_verify"]
    assert (found["damaged"], found["named"]) == (0, [])
    assert found["repaired"] >= 2
    assert "1 tree: 1 well" in status(site)
    assert f"{found['repaired']} repaired" in status(site)
    assert samples(metrics)["tuxmirror_verify_damaged", TREE, None] == 0
    assert samples(metrics)["tuxmirror_verify_repaired", TREE, None] == found["repaired"]
    assert samples(metrics)["tuxmirror_last_verify_timestamp_seconds", TREE, None] == found["time"]


def test_on_request_they_are_written_into_the_store(site):
    assert site.sync().status == 0
    assert not (site.store / "status").exists()
    assert status(site, "--write") == ""
    assert b"<!DOCTYPE html>" in (site.store / "status/index.html").read_bytes()
    assert samples(site.store / "status/tuxmirror.prom")


def test_a_page_that_cannot_be_written_fails_no_sync(site, tmp_path):
    site.main["status_page"] = tmp_path / "none" / "status.html"
    done = site.sync()
    assert done.status == 0
    assert "none/status.html" in done.stderr


def test_what_only_the_operator_should_see_is_not_served(site):
    site.main["status_page"] = site.public / "status.html"
    site.write_conf()
    done = run(site.command("status"), site.environment)
    assert done.status == 2
    assert "would be served" in done.stderr


def test_a_rollback_that_stands_is_shown(site, tiny_upstream):
    assert site.sync().status == 0
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("worse")])
    tiny_upstream.publish()
    assert site.sync().status == 0
    assert run(site.command("rollback", TREE), site.environment).status == 0
    tree = document(site)
    assert tree["level"] == "attention"
    assert tree["candidate"]["snapshot"] in tree["held"]["vetted"]
    assert "is held" in status(site)
    assert "\x1b[" not in status(site)
