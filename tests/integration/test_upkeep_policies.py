"""Upkeep where policies and channels decide: what comes next is kept, what waits is said."""

import json
import os

import pytest

from tests.support.bundles import call
from tests.support.mirror import TREE
from tests.support.rpms import RpmSpec
from tuxmirror.cli import main
from tuxmirror.usecases import prune, verify_closure

pytest_plugins = ("tests.support.mirror_fixtures",)

DAY = 86400


def ids(site):
    [tree] = json.loads(call(site, "snapshot", "list", TREE, "--json").stdout)["trees"]
    return [snapshot["id"] for snapshot in tree["snapshots"]]


def shown(site, channel):
    [tree] = json.loads(call(site, "status", "--json").stdout)["trees"]
    state = tree["channels"].get(channel)
    return state and state["snapshot"]


def add(tree, name, **more):
    tree.add("BaseOS", "x86_64", [RpmSpec(name, **more)])
    tree.publish()


@pytest.fixture
def signing(site, keys):
    site.main.update(
        signing_key=keys.operator.fingerprint,
        gnupghome=keys.operator.homedir,
        max_age="never",
        grace="0s",
    )
    return site


def test_what_soaks_for_the_next_channel_is_not_pruned(signing, tiny_upstream, monkeypatch):
    site = signing
    site.trees["channel/canary"] = {"follows": "candidate"}
    site.trees["channel/vetted"] = {"follows": "canary", "soak": "7d"}
    begin = site.now = tiny_upstream.timestamp + 3600
    for day in range(6):
        site.now = begin + day * DAY
        if day:
            add(tiny_upstream, f"day{day}")
        # Nobody reads these any more.
        for generation in site.public.glob(".generations/*/*"):
            os.utime(generation, (0, 0))
        assert site.sync().status == 0
    known = ids(site)
    assert len(known) == 6
    [event] = call(site, "prune", "--keep", "0", "--json").named("pruned")
    assert event["snapshots"] == []
    assert "will show it next" in call(site, "prune", "--snapshot", known[1], status=5).stderr
    site.now = begin + 8.5 * DAY
    assert site.sync().status == 0
    assert shown(site, "vetted") == known[1]
    # The mutant that forgets them takes what vetted would get next.
    site.now = None
    monkeypatch.setattr(prune, "_coming", lambda *_: set())
    assert main(["-c", str(site.conf), "prune", "-q", "--keep", "0"]) == 0
    assert known[2] not in ids(site)


def test_what_waits_for_approval_is_said_and_kept(signing, tiny_upstream):
    site = signing
    site.trees["policy/late"] = {"soak": "30d"}
    site.trees["channel/vetted"] = {
        **{"follows": "candidate", "policy": "late", "approval": "required"}
    }
    site.now = tiny_upstream.timestamp + 3600
    assert site.sync().status == 0
    [tree] = json.loads(call(site, "status", "--json").stdout)["trees"]
    waiting = tree["policy"]["vetted"]["waiting"]
    assert waiting in ids(site)
    assert f"tuxmirror plan {TREE} --channel vetted" in call(site, "status").stdout
    call(site, "prune", "--keep", "0")
    assert waiting in ids(site)
    call(site, "publish", TREE, "--snapshot", waiting)
    add(tiny_upstream, "late")
    assert site.sync().status == 0
    [tree] = json.loads(call(site, "status", "--json").stdout)["trees"]
    assert tree["policy"]["vetted"]["held"] >= 1
    assert "kept back from vetted" in call(site, "status").stdout
    call(site, "status", "--write")
    metrics = (site.store / "status/tuxmirror.prom").read_text()
    assert 'tuxmirror_policy_held_packages{channel="vetted"' in metrics


def test_a_filtered_snapshot_that_lacks_something_is_damage(signing, tiny_upstream, monkeypatch):
    """The policy's own check let it through once: verify looks again."""
    site = signing
    tiny_upstream.add(
        "BaseOS", "x86_64", [RpmSpec("user", requires=("library",)), RpmSpec("library")]
    )
    tiny_upstream.publish()
    site.trees["policy/some"] = {"exclude": "gamma"}
    site.trees[TREE]["policy"] = "some"
    assert site.sync().status == 0
    call(site, "verify")
    whole = verify_closure._packages

    def without(mirror, tree, snapshot):
        found = whole(mirror, tree, snapshot)
        if snapshot.vetting is None:
            return found
        return {sha: nevra for sha, nevra in found.items() if not nevra.startswith("library")}

    monkeypatch.setattr(verify_closure, "_packages", without)
    assert main(["-c", str(site.conf), "verify", "-q"]) == 4
