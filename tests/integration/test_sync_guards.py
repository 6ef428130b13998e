"""What upstream does is looked at before it is passed on: mass changes, standing still."""

from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

HOUR = 3600


def filled(upstream, number):
    specs = [RpmSpec(f"filler-{index}") for index in range(number)]
    upstream.add("BaseOS", "x86_64", specs)
    upstream.publish()


def test_a_mass_removal_is_refused_until_the_operator_allows_it(site, tiny_upstream):
    site.main["mass_change"] = "10% and 5 packages"
    filled(tiny_upstream, 9)
    assert site.sync().status == 0
    before = site.fingerprint()
    tiny_upstream.remove("BaseOS", "x86_64", "filler-*")
    tiny_upstream.publish()

    run = site.sync("--json")
    assert run.status == 5, run
    assert "9 of 12 packages are removed or replaced" in run.error["message"]
    assert run.error["tree"] == "almalinux/9.2"
    assert "--allow-mass-change" in run.error["way_out"]
    assert site.fingerprint() == before

    assert site.sync("--allow-mass-change").status == 0
    assert site.fingerprint() != before


def test_packages_signed_anew_by_another_key_are_a_mass_change(site, tiny_upstream, keys):
    """A key that is allowed, and still not what signed them so far."""
    site.main["mass_change"] = "10% and 5 packages"
    site.trees["almalinux/9.2"]["gpgkey"] = f"{keys.almalinux.public} {keys.tuxcare.public}"
    filled(tiny_upstream, 9)
    assert site.sync().status == 0
    again = [tiny_upstream.package(f"filler-{number}-*") for number in range(6)]
    keys.tuxcare.sign_rpms(again)
    tiny_upstream.publish()
    with site.harmless():
        run = site.sync("--json")
    assert run.status == 5, run
    assert "6 of 12 packages are removed or replaced" in run.error["message"]
    assert "filler-0-1.0-1.el9.x86_64.rpm" in run.error["found"]
    assert site.sync("--allow-mass-change").status == 0


def test_metadata_signed_by_another_key_is_told(site, tiny_upstream, keys):
    site.trees["almalinux/9.2"]["gpgkey"] = f"{keys.almalinux.public} {keys.tuxcare.public}"
    assert site.sync().status == 0
    filled(tiny_upstream, 1)
    tiny_upstream.publish(signed_by=keys.tuxcare)
    run = site.sync("--json")
    assert run.status == 0, run
    [warning] = run.named("warning")
    assert keys.tuxcare.fingerprint in warning["message"]
    assert keys.almalinux.fingerprint in warning["message"]
    assert "BaseOS/x86_64" in warning["message"]


def test_a_few_removals_are_ordinary(site, tiny_upstream):
    site.main["mass_change"] = "10% and 5 packages"
    filled(tiny_upstream, 9)
    assert site.sync().status == 0
    tiny_upstream.remove("BaseOS", "x86_64", "filler-[0-4]-*")
    tiny_upstream.publish()
    assert site.sync().status == 0


def test_an_upstream_that_stands_still_is_warned_of_then_refused(site, tiny_upstream, upstream):
    started = tiny_upstream.timestamp
    site.main["max_age"] = "72h"
    site.now = started + HOUR
    assert site.sync().status == 0
    before = site.fingerprint()

    site.now = started + 80 * HOUR
    run = site.sync("--json")
    assert run.status == 0, run
    [warning] = run.named("warning")
    assert "80 h old" in warning["message"]

    site.now = started + 300 * HOUR
    run = site.sync("--json")
    assert run.status == 5, run
    assert "stands still" in run.error["message"]
    assert run.error["path"] == "TIME"
    assert site.fingerprint() == before

    tiny_upstream.tick(int(started + 300 * HOUR))
    assert site.sync().status == 0


def test_hiding_time_does_not_hide_that_upstream_stands_still(site, tiny_upstream):
    started = tiny_upstream.timestamp
    site.now = started + HOUR
    assert site.sync().status == 0
    (tiny_upstream.root / "TIME").unlink()
    site.now = started + 300 * HOUR
    assert site.sync().status == 5


def test_a_closed_tree_may_stand_still(site, tiny_upstream):
    site.trees["almalinux/9.2"]["max_age"] = "never"
    site.now = tiny_upstream.timestamp + 9000 * HOUR
    run = site.sync("--json")
    assert run.status == 0, run
    assert not run.named("warning")
