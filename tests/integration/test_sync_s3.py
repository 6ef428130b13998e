"""The same mirror with its store, or what it serves, in a bucket."""

import functools
import json
import shutil

import pytest

from tests.support.mirror import TREE
from tests.support.rpms import RpmSpec
from tests.support.storage import Place

pytest_plugins = ("tests.support.mirror_fixtures",)


MIXED = pytest.mark.full
# One of each in the full run alone; the contract suites have every combination.
KINDS = pytest.mark.parametrize(
    "kind",
    ["s3", pytest.param("store-s3", marks=MIXED), pytest.param("public-s3", marks=MIXED)],
)


@pytest.fixture
def bucket_site(site, s3_service, kind):
    """A mirror with one of them, or both, in a bucket; never synced."""
    return in_bucket(site, s3_service, kind)


def in_bucket(site, service, kind="s3"):
    name = service.bucket()
    if kind in ("s3", "store-s3"):
        site.main["local"] = site.main.pop("store", site.store)
        site.main["store"] = f"s3://{name}/store"
    if kind in ("s3", "public-s3"):
        site.main["public"] = f"s3://{name}/public"
    # A service, workers, and others at work on this machine.
    site.sync = functools.partial(site.sync, timeout=300)
    site.place = Place(kind, site.root / "looking", service)
    site.place.bucket = name
    site.place.config = site.place.config_in(name, site.store, site.public)
    return site


def command(site, *arguments, status=0):
    done = site.run(*arguments, timeout=300)
    assert done.status == status, done
    return done


def shown(site, channel="vetted"):
    return site.place.shown(channel)


def upstreams(view):
    """Without what says when it was made."""
    return {path: sha for path, sha in view.items() if not path.endswith(("TIME", ".json"))}


def packages(site, channel="vetted"):
    return sorted(p.rpartition("/")[2] for p in shown(site, channel) if p.endswith(".rpm"))


def next_state(tree, number):
    tree.remove("BaseOS", "x86_64", "fresh-*")
    tree.add("BaseOS", "x86_64", [RpmSpec("fresh", version=f"1.{number}")])
    tree.publish(timestamp=tree.timestamp + 60)


@KINDS
def test_all_that_a_mirror_does(bucket_site, tiny_upstream, synced_master):
    site = bucket_site
    first = site.sync("--json")
    assert first.status == 0, first
    [snapshot] = first.named("snapshot")
    # What is in it decides its name, wherever it lies.
    [folder] = [path.stem for path in (synced_master.store / "snapshots").rglob("*.json")]
    assert snapshot["snapshot"] == folder
    assert upstreams(shown(site)) == upstreams(synced_master.view())

    assert site.sync("--json").named("unchanged")
    assert command(site, "verify", "--json").named("verified")[0]["damaged"] == 0

    next_state(tiny_upstream, 1)
    second = site.sync("--json")
    assert second.status == 0, second
    assert "fresh-1.1-1.el9.x86_64.rpm" in packages(site)
    # What expired is still served.
    assert {k for k in synced_master.view() if k.endswith(".rpm")} < set(shown(site))

    command(site, "rollback", TREE)
    assert "fresh-1.1-1.el9.x86_64.rpm" not in command(site, "diff", TREE, folder, folder).stdout
    status = json.loads(command(site, "status", "--json").stdout)
    assert folder in json.dumps(status["trees"][0])
    [listed] = json.loads(command(site, "snapshot", "list", "--json").stdout)["trees"]
    assert len(listed["snapshots"]) == 2
    assert site.sync("--json").named("held")
    log = json.loads(command(site, "log", "--json").stdout)
    assert [e["action"] for e in log["entries"]] == ["sync", "sync", "sync", "sync", "rollback"]

    command(site, "prune", "--keep", "1")
    assert command(site, "verify", "--json").named("verified")[0]["damaged"] == 0


@KINDS
def test_damage_is_found_and_repaired(bucket_site):
    site = bucket_site
    assert site.sync().status == 0
    before = shown(site)
    wanted = next(sha for path, sha in before.items() if path.endswith(".rpm"))
    site.place.damage(f"pool/{wanted[:2]}/{wanted}", b"other bytes")
    found = command(site, "verify", "--json", status=4)
    assert any(wanted in str(event) for event in found.named("damaged"))
    command(site, "verify", "--repair")
    assert command(site, "verify", "--json").named("verified")[0]["damaged"] == 0
    assert shown(site) == before


@KINDS
def test_nothing_unverified_is_published(bucket_site, upstream, tiny_upstream):
    site = bucket_site
    assert site.sync().status == 0
    before = shown(site)
    next_state(tiny_upstream, 1)
    upstream.fault("*/fresh-1.1*", "swap", body=b"evil")
    assert site.sync().status == 4
    assert shown(site) == before
    upstream.heal()
    assert site.sync().status == 0
    assert "fresh-1.1-1.el9.x86_64.rpm" in packages(site)


def test_the_machine_is_not_needed_any_more(site, s3_service):
    """Another machine goes on with the same bucket."""
    in_bucket(site, s3_service)
    assert site.sync().status == 0
    shutil.rmtree(site.store)
    assert site.sync("--json").named("unchanged")
