"""`tuxmirror snapshot` and `tuxmirror diff`."""

import json

import pytest

from tests.support.mirror import TREE, run
from tests.support.repodata import Advisory
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)


def ask(site, *arguments, status=0):
    done = run(site.command(*arguments), site.environment)
    assert done.status == status, done
    return done


def document(site, *arguments):
    return json.loads(ask(site, *arguments, "--json").stdout)


def ids(site):
    [tree] = document(site, "snapshot", "list", TREE)["trees"]
    return [snapshot["id"] for snapshot in tree["snapshots"]]


@pytest.fixture
def two(site, tiny_upstream):
    """A mirror with two snapshots: delta comes, gamma goes, with an advisory."""
    assert site.sync().status == 0
    delta = RpmSpec("delta", "2.0", epoch=3)
    tiny_upstream.add("BaseOS", "x86_64", [delta])
    tiny_upstream.remove("BaseOS", "x86_64", "gamma-*")
    fix = Advisory("ALSA-2023:0002", "delta update", (delta,), "security", "Critical", ("CVE-9",))
    tiny_upstream.add_advisories("BaseOS", "x86_64", [fix])
    tiny_upstream.publish()
    assert site.sync().status == 0
    return site


def test_before_the_first_sync_there_are_none(site):
    site.write_conf()
    assert ids(site) == []
    assert "none" in ask(site, "snapshot", "list").stdout


def test_the_list_is_oldest_first_and_says_who_shows_what(two):
    [tree] = document(two, "snapshot", "list")["trees"]
    old, new = tree["snapshots"]
    assert (old["packages"], old["channels"], old["last_verified"]) == (3, [], False)
    assert (new["channels"], new["last_verified"]) == (["candidate", "vetted"], True)
    text = ask(two, "snapshot", "list").stdout
    assert text.index(old["id"]) < text.index(new["id"])


def test_a_snapshot_is_shown_with_what_signed_it(two, keys):
    _, new = ids(two)
    shown = document(two, "snapshot", "show", TREE, new)
    assert shown["id"] == new
    repository = shown["repositories"]["BaseOS/x86_64"]
    assert repository["signed_by"] == keys.almalinux.fingerprint
    assert repository["signed_by"] in ask(two, "snapshot", "show", TREE, new).stdout


def test_a_channel_or_the_beginning_of_an_id_will_do(two):
    old, new = ids(two)
    assert document(two, "snapshot", "show", TREE, "vetted")["id"] == new
    assert document(two, "snapshot", "show", TREE, old[:10])["id"] == old


@pytest.mark.parametrize("name", ["ffffffff", "../../state", ""])
def test_an_unknown_snapshot_is_an_error_that_names_the_known(two, name):
    done = ask(two, "snapshot", "show", TREE, name, status=2)
    assert ids(two)[0] in done.stderr


def test_diff_speaks_of_packages_advisories_and_cves(two):
    old, new = ids(two)
    found = document(two, "diff", TREE, old, "vetted")
    assert (found["from"], found["to"]) == (old, new)
    assert [entry["nevra"] for entry in found["added"]] == ["delta-3:2.0-1.el9.x86_64"]
    assert [entry["nevra"] for entry in found["removed"]] == ["gamma-0.5~rc1-1.el9.noarch"]
    assert found["cves"] == ["CVE-9"]
    assert found["severities"] == {"Critical": 1}
    assert found["bytes_added"] > 0
    text = ask(two, "diff", TREE, old, new).stdout
    assert "+ delta-3:2.0-1.el9.x86_64  (BaseOS/x86_64)" in text
    assert "ALSA-2023:0002 Critical CVE-9" in text


def test_the_way_back_is_the_reverse(two):
    old, new = ids(two)
    there, back = document(two, "diff", TREE, old, new), document(two, "diff", TREE, new, old)
    assert there["added"] == back["removed"]
    assert there["advisories_added"] == back["advisories_removed"]


def test_diff_of_a_snapshot_with_itself_is_empty(two):
    found = document(two, "diff", TREE, "vetted", "candidate")
    assert found["added"] == found["removed"] == found["changed"] == []


def test_diff_of_what_the_pool_has_lost_says_so(two):
    for path in (two.store / "pool").glob("??/*"):
        if path.read_bytes().startswith(b"\x1f\x8b"):
            path.unlink()
    old, new = ids(two)
    done = ask(two, "diff", TREE, old, new, status=6)
    assert "missing in the pool" in done.stderr
    assert "verify --repair" in done.stderr
