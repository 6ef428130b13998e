"""`tuxmirror sync` when all is well: what it fetches, publishes, says, and leaves alone."""

import fcntl
import json
import re
import subprocess

import pytest

from tests.support.mirror import (
    OS_DIR,
    TREE,
    MirrorSite,
    age_generations,
    difference,
    sha256,
)
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

HOUR = 3600
DAY_ONE = 1_700_000_000.0


def good(run):
    assert run.status == 0, run
    return run


def test_first_sync_publishes_upstream_byte_for_byte(site, tiny_upstream):
    good(site.sync())
    shown = site.view()
    wanted = {
        f"{OS_DIR}/{path.relative_to(tiny_upstream.os_dir('BaseOS', 'x86_64'))}": sha256(path)
        for path in tiny_upstream.os_dir("BaseOS", "x86_64").rglob("*")
        if path.is_file()
    }
    assert {path: shown.get(path) for path in wanted} == wanted
    assert set(shown) - set(wanted) == {
        f"{TREE}/{name}" for name in ("SNAPSHOT.json", "TIME", "almalinux-test.asc")
    }
    assert site.view("candidate") == shown


def test_published_files_are_hard_links_into_the_pool(site):
    good(site.sync())
    package = site.public / "vetted" / OS_DIR / "Packages/alpha-1.0-1.el9.x86_64.rpm"
    digest = sha256(package)
    assert package.samefile(site.store / "pool" / digest[:2] / digest)
    assert package.stat().st_mode & 0o777 == 0o644


def test_private_state_is_readable_by_the_owner_alone(site):
    good(site.sync())
    assert (site.store / "state").stat().st_mode & 0o777 == 0o700


def test_unchanged_sync_costs_one_conditional_request_a_repository(site, upstream):
    good(site.sync())
    before, pool = site.fingerprint(), site.content()
    upstream.reset()
    run = good(site.sync("--json"))
    [request] = upstream.requests
    assert request.path.endswith("/repodata/repomd.xml")
    assert request.status == 304
    assert {"if-none-match", "if-modified-since"} & set(request.headers)
    assert site.fingerprint() == before
    assert site.content() == pool
    assert [event["event"] for event in run.events] == ["unchanged", "done"]


def test_time_ticking_alone_is_nothing_changed(site, tiny_upstream):
    good(site.sync())
    before = site.fingerprint()
    tiny_upstream.tick(4_000_000_000)
    assert good(site.sync("--json")).named("unchanged")
    assert site.fingerprint() == before


def test_server_without_validators_costs_no_new_snapshot(site, upstream, tiny_upstream):
    good(site.sync())
    before = site.fingerprint()
    repomd = tiny_upstream.os_dir("BaseOS", "x86_64") / "repodata/repomd.xml"
    upstream.fault("*/repomd.xml", "swap", body=repomd.read_bytes())
    assert good(site.sync("--json")).named("unchanged")
    assert site.fingerprint() == before


def test_standard_tree_moves_to_its_second_state(tmp_path, httpd, keys, standard_upstream):
    server = httpd(standard_upstream.root)
    site = MirrorSite(tmp_path)
    site.add_tree(
        TREE, keys.almalinux, upstream=f"{server.url}/9.2", repos="BaseOS AppStream CRB extras"
    )
    [first] = good(site.sync("--json")).named("snapshot")
    total = sum(
        len(standard_upstream.packages(repo, arch)) for repo, arch in standard_upstream.repositories
    )
    assert (first["packages"], first["added"], first["removed"]) == (total, total, 0)
    assert first["advisories"] == ["ALBA-2023:2600", "ALSA-2023:2645"]

    server.reset()
    standard_upstream.advance()
    run = good(site.sync("--json"))
    [second] = run.named("snapshot")
    new = set(second["advisories"])
    assert {"ALSA-2023:5763", "ALSA-2023:7877", "ALSA-2023:5765"} <= new
    assert "CVE-2023-38545" in second["cves"]
    assert second["removed"] == 1, "tzdata-2023c left"
    assert second["added"] == len(server.paths("*.rpm")) == second["packages"] - total + 1
    [done] = run.named("done")
    assert done["packages"] == second["added"]
    assert done["bytes"] > 0

    server.reset()
    assert good(site.sync("--json")).named("unchanged")[0]["repositories"] == 4
    assert len(server.requests) == 4


def test_trees_of_two_releases_are_published_side_by_side(tmp_path, httpd, keys, tiny_tree_master):
    site = MirrorSite(tmp_path)
    for release in ("9.2", "9.4"):
        server = httpd(tiny_tree_master.copy(tmp_path / f"up-{release}").root)
        site.add_tree(f"almalinux/{release}", keys.almalinux, upstream=f"{server.url}/9.2")
    good(site.sync())
    shown = site.view()
    assert "almalinux/9.4/BaseOS/x86_64/os/repodata/repomd.xml.asc" in shown
    assert len([path for path in shown if path.endswith(".rpm")]) == 6
    target = (site.public / "vetted").readlink()
    assert not target.is_absolute()


def test_named_tree_alone_is_synced(site, keys, upstream):
    site.add_tree("almalinux/9.4", keys.almalinux, upstream=f"{upstream.url}/9.2")
    run = good(site.sync("--json", "almalinux/9.4"))
    assert {event["tree"] for event in run.events if "tree" in event} == {"almalinux/9.4"}
    assert not (site.public / "vetted" / TREE).exists()


def test_good_tree_is_published_beside_a_failing_one(site, keys, upstream):
    site.add_tree("almalinux/9.4", keys.almalinux, upstream=f"{upstream.url}/nowhere")
    run = site.sync("--json")
    assert run.status == 3, run
    assert run.error["tree"] == "almalinux/9.4"
    assert len(site.packages()) == 3


def test_gravest_failure_decides_the_exit_status(site, keys, upstream):
    site.add_tree("almalinux/9.4", keys.almalinux, upstream=f"{upstream.url}/nowhere")
    site.add_tree("almalinux/9.6", keys.stranger, upstream=f"{upstream.url}/9.2")
    run = site.sync("--json")
    assert run.status == 4, run
    assert [error["exit_status"] for error in run.named("error")] == [3, 4]
    assert run.events[-1] == {**run.events[-1], "event": "done", "exit_status": 4}


def test_local_tree_is_made_into_a_repository(tmp_path, keys, tuxcare_rpms):
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    site.add_local("tuxcare/9.2/fips", keys.tuxcare, tuxcare_rpms / "fips")
    good(site.sync())
    names = sorted(path.name for path in (tuxcare_rpms / "fips").rglob("*.rpm"))
    assert site.packages("tuxcare/9.2/fips/x86_64") == names
    before = site.fingerprint()
    assert good(site.sync("--json")).named("unchanged")
    assert site.fingerprint() == before


def test_local_tree_follows_its_folder(tmp_path, keys, tuxcare_rpms):
    site = MirrorSite(tmp_path / "mirror", main={"grace": "0s"})
    site.root.mkdir()
    source = tuxcare_rpms / "esu"
    site.add_local("tuxcare/9.2/esu", keys.tuxcare, source)
    good(site.sync())
    gone = next(source.rglob("httpd-2*.rpm"))
    gone.unlink()
    [snapshot] = good(site.sync("--json")).named("snapshot")
    assert (snapshot["added"], snapshot["removed"]) == (0, 1)
    assert gone.name not in site.packages("tuxcare/9.2/esu/x86_64")


def test_dry_run_says_what_would_come_and_changes_nothing(site, tiny_upstream):
    run = good(site.sync("--dry-run", "--json"))
    [plan] = run.named("plan")
    assert (plan["packages"], plan["added"], plan["removed"]) == (3, 3, 0)
    assert plan["advisories"] == ["ALSA-2023:0001"]
    assert site.fingerprint() == {}
    assert site.content() == {}
    good(site.sync())
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("delta")])
    tiny_upstream.publish()
    with site.harmless():
        [plan] = good(site.sync("--dry-run", "--json")).named("plan")
    assert (plan["packages"], plan["added"]) == (1, 1)


def test_dry_run_of_an_unchanged_upstream_says_so(site):
    good(site.sync())
    with site.harmless():
        run = good(site.sync("--dry-run"))
    assert "nothing" in run.stdout


def test_no_publish_makes_a_snapshot_and_shows_nothing(site):
    run = good(site.sync("--no-publish", "--json"))
    [snapshot] = run.named("snapshot")
    assert not run.named("published")
    assert site.fingerprint() == {}
    [shown] = {event["snapshot"] for event in good(site.sync("--json")).named("published")}
    assert shown == snapshot["snapshot"]
    assert len(site.packages()) == 3


def test_json_is_one_object_a_line_ending_with_done(site):
    run = good(site.sync("--json"))
    assert [json.loads(line)["event"] for line in run.stdout.splitlines()] == [
        "fetching", "snapshot", "published", "published", "done",
    ]  # fmt: skip
    done = run.events[-1]
    assert done.keys() >= {"exit_status", "packages", "bytes", "seconds"}
    assert (done["exit_status"], done["packages"]) == (0, 3)
    assert run.stderr == ""


def test_summary_for_people(site):
    run = good(site.sync())
    assert "almalinux/9.2: snapshot " in run.stdout
    assert "3 packages, 3 added, 0 removed; 1 new advisories fixing 1 CVEs" in run.stdout
    assert re.search(r"done in \d+\.\d s: 3 packages, .* fetched", run.stdout)
    assert "\r" not in run.stdout, "progress is for terminals"


def test_quiet_run_says_nothing_when_all_is_well(site):
    run = good(site.sync("-q"))
    assert run.stdout + run.stderr == ""


@pytest.mark.parametrize("flags", [(), ("-q",)])
def test_errors_are_told_to_people_on_stderr(site, flags):
    site.trees[TREE]["upstream"] = "http://127.0.0.1:9/9.2"
    site.limits = {"attempts": 1}
    run = site.sync(*flags)
    assert run.status == 3
    assert f"error: {TREE} BaseOS/x86_64" in run.stderr
    assert "http://127.0.0.1:9/9.2/BaseOS/x86_64/os/repodata/repomd.xml" in run.stderr


def test_second_run_says_who_holds_the_lock(site, upstream):
    upstream.fault("*/gamma-*.rpm", "stall")
    first = site.start_sync("-q")
    while not upstream.paths("*/gamma-*.rpm"):
        assert first.poll() is None
    second = site.sync("--json")
    assert second.status == 7, second
    assert second.error["found"] == f"process {first.pid}"
    assert TREE in second.error["message"]
    upstream.release()
    assert first.communicate(timeout=30) == ("", "")
    assert first.returncode == 0
    assert len(site.packages()) == 3


def test_publishing_waits_for_the_publish_of_another_tree(site):
    good(site.sync("--no-publish"))
    with (site.store / "state/locks/publish").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = site.start_sync("-q")
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=2)
        assert site.fingerprint().get("vetted") is None
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0
    assert len(site.packages()) == 3


def test_lock_of_a_killed_run_is_free(site, upstream):
    upstream.fault("*/gamma-*.rpm", "stall", times=1)
    first = site.start_sync("-q")
    while not upstream.paths("*/gamma-*.rpm"):
        assert first.poll() is None
    first.kill()
    first.communicate()
    good(site.sync())
    assert len(site.packages()) == 3


def test_published_tree_is_one_switch_away_from_the_old_one(site, tiny_upstream):
    good(site.sync())
    before = site.fingerprint()
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("delta")])
    tiny_upstream.publish()
    good(site.sync())
    after = site.fingerprint()
    changed = {path for path in before if before[path] != after.get(path)}
    assert changed == {"vetted", "candidate"}, difference(before, after)
    assert before["vetted"].startswith("link .generations/vetted/")


def test_repositories_of_a_tree_switch_together(tmp_path, httpd, keys, standard_upstream):
    """A client between two requests sees one state: the symlink resolves to one generation."""
    server = httpd(standard_upstream.root)
    site = MirrorSite(tmp_path, main={"grace": "0s"})
    site.add_tree(TREE, keys.almalinux, upstream=f"{server.url}/9.2", repos="BaseOS AppStream")
    good(site.sync())
    old_generation = (site.public / "vetted").resolve()
    old = site.view()
    standard_upstream.advance()
    good(site.sync())
    assert site.view() != old
    assert {
        str(path.relative_to(old_generation))
        for path in old_generation.rglob("*")
        if path.is_symlink()
    } == {TREE}
    resolved = old_generation / TREE
    assert (
        sha256(resolved / "BaseOS/x86_64/os/repodata/repomd.xml")
        == old[f"{OS_DIR}/repodata/repomd.xml"]
    ), "who resolved the channel before the switch still reads the old state"


def test_what_left_upstream_stays_for_the_grace_time(site, tiny_upstream, upstream):
    site.main["grace"] = "48h"
    site.now = DAY_ONE
    good(site.sync())
    old_primary = tiny_upstream.metadata_path("BaseOS", "x86_64", "primary").name
    tiny_upstream.remove("BaseOS", "x86_64", "alpha-*")
    tiny_upstream.publish()
    site.now = DAY_ONE + HOUR
    good(site.sync())
    repodata = site.public / "vetted" / OS_DIR / "repodata"
    assert "alpha-1.0-1.el9.x86_64.rpm" in site.packages()
    assert (repodata / old_primary).is_file()
    assert b"alpha" not in (repodata / "repomd.xml").read_bytes()

    site.now = DAY_ONE + 48 * HOUR
    assert good(site.sync("--json")).named("unchanged"), "47 of 48 hours are over"
    assert "alpha-1.0-1.el9.x86_64.rpm" in site.packages()

    site.now = DAY_ONE + 50 * HOUR
    upstream.reset()
    good(site.sync())
    assert len(upstream.requests) == 1, "upstream did not change"
    assert "alpha-1.0-1.el9.x86_64.rpm" not in site.packages()
    assert not (repodata / old_primary).exists()
    assert len(site.packages()) == 2


def test_grace_survives_a_second_change(site, tiny_upstream):
    site.main["grace"] = "48h"
    for step, gone in enumerate(("", "alpha-*", "beta-*")):
        site.now = DAY_ONE + step * HOUR
        if gone:
            tiny_upstream.remove("BaseOS", "x86_64", gone)
            tiny_upstream.publish()
        good(site.sync())
    assert len(site.packages()) == 3
    site.now = DAY_ONE + 49.5 * HOUR
    good(site.sync())
    assert [name.split("-")[0] for name in site.packages()] == ["beta", "gamma"]


def test_package_that_comes_back_is_published_for_good(site, tiny_upstream, tmp_path):
    site.main["grace"] = "48h"
    site.now = DAY_ONE
    good(site.sync())
    alpha = tiny_upstream.package("alpha-*")
    kept = tmp_path / alpha.name
    kept.write_bytes(alpha.read_bytes())
    tiny_upstream.remove("BaseOS", "x86_64", "alpha-*")
    tiny_upstream.publish()
    site.now += HOUR
    good(site.sync())
    tiny_upstream.add_files("BaseOS", "x86_64", [kept])
    tiny_upstream.publish()
    site.now += HOUR
    good(site.sync())
    site.now += 100 * HOUR
    good(site.sync())
    assert len(site.packages()) == 3


def test_many_publishes_leave_few_generations(site, tiny_upstream):
    site.main["grace"] = "0s"
    for number in range(6):
        tiny_upstream.add("BaseOS", "x86_64", [RpmSpec(f"extra{number}")])
        tiny_upstream.publish()
        good(site.sync())
        age_generations(site.public)
    assert len(list((site.public / ".generations/vetted").iterdir())) == 3
    assert len(list((site.public / ".publications" / TREE).iterdir())) == 3
    assert len(list((site.store / "publications" / TREE).iterdir())) == 3
    assert len(site.packages()) == 9


def test_dnf_installs_and_upgrades_from_the_published_tree(
    tmp_path, httpd, keys, standard_upstream, tuxcare_rpms, host
):
    server = httpd(standard_upstream.root)
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    site.add_tree(
        TREE, keys.almalinux, upstream=f"{server.url}/9.2", repos="BaseOS AppStream CRB extras"
    )
    site.add_local("tuxcare/9.2/esu", keys.tuxcare, tuxcare_rpms / "esu")
    good(site.sync())
    public = httpd(site.public / "vetted")
    for repo in ("BaseOS", "AppStream"):
        host.add_repo(
            f"vetted-{repo}",
            f"{public.url}/{TREE}/{repo}/x86_64/os/",
            repo_gpgcheck=1,
            gpgkey=f"{public.url}/{TREE}/almalinux-test.asc",
        )
    ours = ("--disablerepo=*", "--enablerepo=vetted-*")
    host.dnf(*ours, "install", "curl", "openssl", "httpd")
    assert "openssl-libs-1:3.0.7-16.el9_2.x86_64" in host.rpmdb()
    host.dnf(*ours, "module", "install", "nodejs:18")

    standard_upstream.advance()
    good(site.sync())
    fixes = host.dnf(*ours, "updateinfo", "list", "--refresh").stdout
    assert "ALSA-2023:5763 Important/Sec. curl-7.76.1-23.el9_2.4.x86_64" in fixes
    host.dnf(*ours, "upgrade")
    assert "curl-7.76.1-23.el9_2.4.x86_64" in host.rpmdb()
    host.add_repo(
        "esu",
        f"{public.url}/tuxcare/9.2/esu/x86_64/",
        gpgkey=f"{public.url}/tuxcare/9.2/esu/tuxcare-test.asc",
        module_hotfixes=1,
    )
    host.dnf("--disablerepo=*", "--enablerepo=esu", "upgrade", "httpd")
    assert "httpd-2.4.53-11.el9_2.6.tuxcare.els1.x86_64" in host.rpmdb()


def test_repository_added_to_the_configuration_is_fetched(tmp_path, httpd, keys, standard_upstream):
    server = httpd(standard_upstream.root)
    site = MirrorSite(tmp_path)
    site.add_tree(TREE, keys.almalinux, upstream=f"{server.url}/9.2")
    good(site.sync())
    base = site.packages()
    site.trees[TREE]["repos"] = "BaseOS AppStream"
    server.reset()
    good(site.sync())
    assert site.packages() == base
    assert site.packages(f"{TREE}/AppStream/x86_64/os")
    assert not server.paths("*/BaseOS/*.rpm")
    site.trees[TREE]["repos"] = "AppStream"
    site.main["grace"] = "0s"
    good(site.sync())
    assert site.packages() == []


def test_narrowed_keys_verify_everything_again(site, keys, upstream):
    """What was accepted under other keys is looked at afresh."""
    good(site.sync())
    site.trees[TREE]["gpgkey"] = keys.stranger.public
    with site.harmless():
        run = site.sync("--json")
    assert run.status == 4, run
