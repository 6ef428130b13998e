"""What expired leaves every channel, with the timer's next run."""

from tests.support.mirror import TREE, run

pytest_plugins = ("tests.support.mirror_fixtures",)

HOUR = 3600


def test_a_channel_of_the_operators_own_loses_what_expired_too(site, tiny_upstream):
    site.main.update(grace="2h", max_age="never")
    site.now = now = tiny_upstream.timestamp + HOUR
    assert site.sync().status == 0
    publish = site.command("publish", TREE, "--channel", "canary")
    assert run(publish, site.environment).status == 0
    tiny_upstream.remove("BaseOS", "x86_64", "gamma-*")
    tiny_upstream.publish()
    assert site.sync().status == 0
    assert run(publish, site.environment).status == 0
    for channel in ("vetted", "canary"):
        assert any("gamma" in name for name in site.packages(channel=channel))
    site.now = now + 3 * HOUR
    assert site.sync().status == 0
    for channel in ("vetted", "canary", "candidate"):
        assert not any("gamma" in name for name in site.packages(channel=channel)), channel
    before = site.fingerprint()
    assert site.sync("--json").named("unchanged")
    assert site.fingerprint() == before
