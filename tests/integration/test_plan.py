"""`plan`, `approve`, `hold`: looked at, decided, applied exactly, written down."""

import json

import pytest

from tests.support.mirror import TREE, difference
from tests.support.vetting import DAY, NOW
from tuxmirror import cli

pytest_plugins = ("tests.support.vetting_fixtures",)


@pytest.fixture
def site(vetted_site):
    return vetted_site


CURL = "curl-7.76.1-23.el9_2.4.x86_64.rpm"
OPENSSL = "openssl-3.0.7-24.el9_2.x86_64.rpm"
KERNEL = "kernel-core-5.14.0-284.30.1.el9_2.x86_64.rpm"


def test_plan_says_what_would_change_and_why_not_more(moved):
    before = moved.fingerprint()
    moved.trees["policy/default"]["fast_track"] = "Critical"
    plan = moved.plan()
    change = plan["difference"]
    assert "openssl-libs-1:3.0.7-24.el9_2.i686" in {e["nevra"] for e in change["added"]}
    assert [a["id"] for a in change["advisories_added"]] == ["ALSA-2023:7877"]
    assert change["cves"] == ["CVE-2023-5363"]
    assert change["severities"] == {"Critical": 1}
    [curl] = [note for note in plan["held"] if note["nevra"].startswith("curl-7.76.1-23.el9_2.4")]
    assert curl["reason"] == "younger than 7 d"
    assert curl["until"] == NOW + 8 * DAY
    assert curl["build"] == "curl-7.76.1-23.el9_2.4.src.rpm"
    assert [note["nevra"] for note in plan["kept"]] == ["tzdata-2023c-1.el9.noarch"]
    assert plan["affected"] == {"hosts": 0, "releases": {}}
    assert plan["mass_change"] is None
    assert moved.fingerprint() == before, difference(before, moved.fingerprint())
    assert moved.plan()["plan"] == plan["plan"]


def test_plan_for_people_ends_with_the_way_on(moved):
    text = moved.call("approve", "--packages", "curl", "--why", "looked at it").stdout
    assert "curl-7.76.1-23.el9_2.4.x86_64" in text
    text = moved.call("plan", TREE).stdout
    assert "  + curl-7.76.1-23.el9_2.4.x86_64  (BaseOS/x86_64, " in text
    assert "+ ALSA-2023:5763 Important CVE-2023-38545 CVE-2023-38546" in text
    assert "  waits       vim-8.2.2637-20.el9_2.1 (4 packages): younger than 7 d, until " in text
    assert text.splitlines()[-1].startswith("to apply exactly this: tuxmirror approve ")


def test_approve_shows_exactly_the_plan(moved, tmp_path):
    moved.trees["channel/vetted"] = {"approval": "required"}
    moved.call("approve", "--packages", "source:curl", "--why", "looked at it")
    done = moved.later(2)
    assert done.named("waiting")[0]["channel"] == "vetted"
    assert CURL not in moved.offered()
    file = tmp_path / "plan.json"
    file.write_text(moved.call("plan", TREE, "--json").stdout)
    plan = json.loads(file.read_text())
    moved.call("approve", str(file), "--why", "change 4711")
    assert CURL in moved.offered()
    assert KERNEL not in moved.offered()
    log = json.loads(moved.call("log", "--json").stdout)["entries"]
    assert log[-1]["action"] == "approve"
    assert log[-1]["plan"] == plan["plan"]
    assert log[-1]["why"] == "change 4711"
    # Nothing to wait for any more, and nothing that comes by itself.
    assert moved.later(3).named("waiting") == []
    assert moved.later(9).named("waiting") != []
    assert KERNEL not in moved.offered()


def test_approve_by_id(moved):
    moved.trees["policy/default"]["fast_track"] = "Critical"
    plan = moved.plan()
    moved.call("approve", plan["plan"][:6])
    shown = moved.manifest()
    assert shown["vetting"]["upstream"] == plan["source"]
    assert "openssl-3.0.7-24.el9_2.x86_64.rpm" in moved.offered()


@pytest.mark.parametrize("moves", ["source", "shown", "rules", "decisions"])
def test_stale_plan_is_refused(moved, moved_upstream, moves):
    moved.trees["policy/default"]["fast_track"] = "Critical"
    plan = moved.plan()
    if moves == "source":
        moved_upstream.remove("BaseOS", "x86_64", "tzdata-*")
        moved_upstream.publish()
        moved.later(1, "--no-publish")
    elif moves == "shown":
        moved.later(1)
    elif moves == "rules":
        moved.trees["policy/default"]["soak"] = "8d"
    else:
        moved.call("hold", "kernel*", "--why", "first the test hosts")
    before = moved.fingerprint()
    error = json.loads(moved.call("approve", plan["plan"], "--json", status=5).stdout)
    assert f"plan {plan['plan']} is stale" in error["message"]
    assert "tuxmirror plan" in error["way_out"]
    assert moved.fingerprint() == before


def test_altered_plan_is_refused(moved, tmp_path):
    plan = moved.plan()
    plan["held"] = plan["held"][1:]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    error = json.loads(moved.call("approve", str(file), "--json", status=4).stdout)
    assert "altered" in error["message"]


def test_plan_of_another_mirror_is_refused(moved, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(moved.call("plan", TREE, "--json").stdout)
    for path in (moved.store / "state/plans").iterdir():
        path.unlink()
    error = json.loads(moved.call("approve", str(file), "--json", status=5).stdout)
    assert "made no plan" in error["message"]


@pytest.mark.parametrize("text", ["", "0000", "nothing"])
def test_unknown_plan(moved, text):
    moved.plan()
    assert "tuxmirror plan" in moved.call("approve", text, status=2).stderr


def test_no_plan_for_a_mistyped_channel(site):
    error = site.call("plan", TREE, "--channel", "veted", status=2).stderr
    assert "did you mean 'vetted'?" in error


def test_hold_keeps_what_is_there_and_lets_nothing_new_in(moved):
    text = moved.call("hold", "kernel*", "--until", "30d", "--why", "driver is missing").stdout
    assert "means now: kernel-5.14.0-284.11.1.el9_2.x86_64" in text
    assert "driver is missing" in moved.call("hold", "--list").stdout
    moved.later(9)
    offered = moved.offered()
    assert CURL in offered
    assert KERNEL not in offered
    assert "kernel-core-5.14.0-284.11.1.el9_2.x86_64.rpm" in offered
    # Built with the kernel: they are held with it.
    assert "bpftool-7.0.0-284.30.1.el9_2.x86_64.rpm" not in offered
    [note] = [n for n in moved.plan()["held"] if n["nevra"].startswith("bpftool")]
    assert "driver is missing" in note["reason"]
    moved.later(30.9)
    assert KERNEL not in moved.offered()
    moved.later(32)
    assert KERNEL in moved.offered()


def test_release_lets_it_pass(moved):
    held = json.loads(moved.call("hold", "CVE-2023-38545", "--why", "see 12", "--json").stdout)
    assert "libcurl-7.76.1-23.el9_2.4.i686" in held["packages"]
    moved.later(9)
    assert CURL not in moved.offered()
    moved.call("hold", "--release", held["id"], "--why", "fixed")
    moved.later(10)
    assert CURL in moved.offered()
    actions = [e["action"] for e in json.loads(moved.call("log", "--json").stdout)["entries"]]
    assert "hold packages" in actions
    assert "release" in actions


@pytest.mark.full
def test_the_later_decision_counts(moved):
    moved.call("hold", "source:curl", "--why", "wait")
    moved.now += 10
    moved.call("approve", "--packages", "ALSA-2023:5763", "--why", "it is exploited")
    moved.later(2)
    assert CURL in moved.offered()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["*", "--why", "x"], "names no packages"),
        (["kernel*"], "--why is missing"),
        (["kernel*", "--why", " "], "--why"),
        (["kernel*", "--why", "x", "--until", "tomorrow"], "2026-12-01"),
        (["kernel*", "--why", "x", "--until", "2001-01-01"], "over already"),
        (["kernel*", "--why", "x", "--tree", "almalinux/9.3"], "almalinux/9.2"),
        (["kernel*", "--why", "x", "--channel", "vettet"], "did you mean 'vetted'?"),
        (["--release", "kernel*"], "nothing was decided"),
        ([], "PATTERN, --list or --release"),
    ],
)
def test_what_cannot_be_held(site, arguments, told):
    assert told in site.call("hold", *arguments, status=2).stderr


def test_policy_that_breaks_what_packages_need_publishes_nothing(moved):
    moved.trees["policy/default"]["exclude"] = "openssl-libs"
    before = moved.view()
    done = moved.later(9, status=5)
    assert "without what they need" in done.error["message"]
    assert "needs openssl-libs" in done.error["found"]
    assert done.error["way_out"]
    assert moved.view() == before
    assert CURL in moved.offered("candidate")


@pytest.mark.full
def test_urgent_fix_passes_where_what_is_there_already_is_enough_for_it(moved):
    moved.trees["policy/default"]["fast_track"] = "CVE-2024-0553"  # gnutls, needs nettle >= 3.8
    moved.call("hold", "source:nettle", "--why", "broken")
    moved.later(1)
    assert "gnutls-3.7.6-25.el9_2.x86_64.rpm" in moved.offered()


def test_rollback_holds_what_the_policy_would_choose_again(moved):
    moved.trees["policy/default"]["fast_track"] = "Critical"
    moved.later(1)
    first = moved.manifest()["id"]
    assert "openssl-3.0.7-24.el9_2.x86_64.rpm" in moved.offered()
    moved.call("rollback", TREE)
    assert "openssl-3.0.7-24.el9_2.x86_64.rpm" not in moved.offered()
    done = moved.later(9)
    assert [e["channel"] for e in done.named("held")] == ["vetted"]
    assert CURL not in moved.offered()
    assert moved.manifest()["id"] != first
    moved.call("rollback", TREE, status=5)
    moved.call("publish", TREE)
    assert CURL in moved.offered()


def test_canary_first_and_vetted_after_a_soak(moved):
    del moved.trees[TREE]["policy"]
    moved.trees["channel/canary"] = {"policy": "default"}
    moved.trees["channel/vetted"] = {"follows": "canary", "soak": "2d"}
    moved.later(1)
    assert "vetting" in moved.manifest("canary")
    moved.later(9)
    assert CURL in moved.offered("canary")
    assert CURL not in moved.offered()
    moved.later(10.9)
    assert CURL not in moved.offered()
    moved.later(11)
    assert CURL in moved.offered()
    assert moved.manifest()["id"] == moved.manifest("canary")["id"]


def test_urgent_fixes_do_not_wait_for_a_channels_soak(site, standard_upstream):
    del site.trees[TREE]["policy"]
    site.trees["channel/canary"] = {}
    site.trees["channel/vetted"] = {"follows": "canary", "soak": "2d", "fast_track": "Critical"}
    site.later(0)
    standard_upstream.advance()
    site.later(3)
    assert CURL in site.offered("canary")
    assert OPENSSL in site.offered()
    assert CURL not in site.offered()
    vetting = site.manifest()["vetting"]
    assert (vetting["policy"], vetting["upstream"]) == (
        "of channel vetted", site.manifest("canary")["id"],
    )  # fmt: skip
    assert site.later(4).named("published") == []
    plan = site.plan()
    [curl] = {(n["reason"], n["until"]) for n in plan["held"] if n["nevra"].startswith("curl-7")}
    assert curl == ("younger than 2 d", NOW + 5 * DAY)
    site.later(5)
    # The very snapshot, once it has soaked; nothing is kept back any more.
    assert site.manifest() == site.manifest("canary")
    [tree] = json.loads(site.call("status", "--json").stdout)["trees"]
    assert tree["policy"]["vetted"]["held"] == 0


def test_no_channel_goes_back_because_the_one_that_it_follows_did(site, standard_upstream):
    site.trees["channel/canary"] = {}
    site.trees["channel/vetted"] = {"follows": "canary"}
    site.trees["policy/default"]["fast_track"] = "Critical"
    site.later(0)
    standard_upstream.advance()
    site.later(1)
    before = site.manifest()["id"]
    assert site.manifest("canary")["id"] == before
    site.call("rollback", TREE, "--channel", "canary")
    done = site.later(2)
    assert [(e["channel"], e["follows"]) for e in done.named("behind")] == [("vetted", "canary")]
    assert site.manifest()["id"] == before
    assert site.manifest("canary")["id"] != before


def test_what_canary_was_taken_back_from_never_reaches_vetted(moved):
    moved.trees["channel/canary"] = {"policy": "default"}
    moved.trees["channel/vetted"] = {"follows": "canary", "soak": "2d"}
    moved.later(1)
    moved.later(9)
    assert CURL in moved.offered("canary")
    moved.call("rollback", TREE, "--channel", "canary")
    moved.later(20)
    assert CURL not in moved.offered("canary")
    assert CURL not in moved.offered()


def test_approving_a_stale_plan_would_show_it_without_the_gate(moved, monkeypatch):
    """Mutant: with nothing that looks whether it is stale, a plan of yesterday is applied."""
    moved.trees["policy/default"]["fast_track"] = "Critical"
    plan = moved.plan()
    moved.call("hold", "openssl*", "--why", "not yet")
    approve = ["-c", str(moved.conf), "approve", plan["plan"]]
    assert cli.main(approve) == 5
    assert OPENSSL not in moved.offered()
    monkeypatch.setattr("tuxmirror.core.policy.plan.check_current", lambda *_: None)
    assert cli.main(approve) == 0
    assert OPENSSL in moved.offered()


def test_a_policy_that_takes_much_away_needs_consent(moved):
    """By an edit of the policy; what upstream removes is looked at when it is verified."""
    moved.main["mass_change"] = "1% and 5 packages"
    moved.trees["policy/default"]["exclude"] = "kernel* glibc*"
    before = moved.offered()
    plan = moved.plan()
    assert len(plan["difference"]["removed"]) > 5
    assert plan["mass_change"]["packages"] > plan["mass_change"]["allowed"] == 5
    text = moved.call("plan", TREE).stdout
    assert f"! takes {plan['mass_change']['packages']} of " in text
    assert text.splitlines()[-1].endswith(f"approve {plan['plan']} --allow-mass-change")
    for _ in range(2):  # asked once, and from what was remembered of that
        done = moved.later(1, status=5)
        assert "vetted: the policy would take" in done.error["message"]
        assert "--allow-mass-change" in done.error["way_out"]
        assert moved.offered() == before
    for command in (["approve", plan["plan"]], ["publish", TREE]):
        assert "the policy would take" in moved.call(*command, status=5).stderr
        assert moved.offered() == before
    moved.call("approve", plan["plan"], "--allow-mass-change", "--why", "no kernels here")
    assert not [name for name in moved.offered() if name.startswith("kernel")]
    moved.later(1)


@pytest.mark.full
def test_a_policy_that_nobody_guards_is_noticed(moved):
    """Mutant of the test above: with a limit that lets all through, the packages are gone."""
    moved.main["mass_change"] = "100% and 5 packages"
    moved.trees["policy/default"]["exclude"] = "kernel* glibc*"
    moved.later(1)
    assert not [name for name in moved.offered() if name.startswith("kernel")]


def test_explain_says_why_a_package_is_shown_or_not(moved):
    moved.trees["policy/default"].update(fast_track="Critical", exclude="curl-minimal")
    found = json.loads(moved.call("explain", TREE, "curl", "--json").stdout)
    assert (found["channel"], found["policy"]) == ("vetted", "default")
    later, earlier = (
        next(b for b in found["builds"] if b["build"].startswith(f"curl-7.76.1-23.el9_2.{n}"))
        for n in (4, 1)
    )
    assert (later["passes"], later["reason"], later["until"], later["seen"]) == (
        False, "younger than 7 d", NOW + 8 * DAY, NOW + DAY,
    )  # fmt: skip
    assert [a["id"] for a in later["advisories"]] == ["ALSA-2023:5763"]
    assert (earlier["passes"], earlier["kind"], earlier["seen"]) == (True, "shown", None)
    assert {p["shown"] for p in earlier["packages"]} == {True}
    text = moved.call("explain", TREE, "CVE-2023-5363").stdout
    assert "openssl-3.0.7-24.el9_2\n  passes      fast track: ALSA-2023:7877 (Critical)" in text
    assert "tzdata-2023c-1.el9.noarch  (BaseOS/x86_64; shown, upstream took it away)" in (
        moved.call("explain", TREE, "tzdata").stdout
    )
    assert "did you mean 'curl'?" in moved.call("explain", TREE, "crl", status=2).stderr


@pytest.mark.parametrize("approved", [False, True])
def test_a_snapshot_says_of_its_packages_why(moved, approved):
    moved.trees["policy/default"].update(fast_track="Critical", exclude="libkcapi-hmaccalc")
    if approved:
        moved.trees["channel/vetted"] = {"approval": "required"}
        moved.call("approve", moved.plan()["plan"])
    else:
        moved.later(1)
    assert "waits" not in moved.call("snapshot", "show", TREE, "vetted").stdout
    shown = moved.call("snapshot", "show", TREE, "vetted", "--packages")
    assert "  waits       vim-8.2.2637-20.el9_2.1 (4 packages): younger than 7 d" in shown.stdout
    assert "  kept        tzdata-2023c-1.el9:" in shown.stdout
    document = moved.call("snapshot", "show", TREE, "vetted", "--packages", "--json").stdout
    reasons = json.loads(document)["reasons"]
    assert {note["nevra"] for note in reasons["kept"]} == {"tzdata-2023c-1.el9.noarch"}
    [curl] = {
        n["reason"] for n in reasons["held"] if n["nevra"].startswith("curl-7.76.1-23.el9_2.4")
    }
    assert curl == "younger than 7 d"
    left = {(note["nevra"].rsplit("-", 2)[0], note["reason"]) for note in reasons["left_out"]}
    assert left == (set() if approved else {("libkcapi-hmaccalc", "excluded: libkcapi-hmaccalc")})
    whole = moved.call("snapshot", "show", TREE, "candidate", "--packages", "--json").stdout
    assert not any(json.loads(whole)["reasons"].values())
