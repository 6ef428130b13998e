"""What a policy left out is left out of every format of the channel, and of no other's."""

from tests.support.mirror import TREE
from tuxmirror.core.advisory.formats import oval, tables

pytest_plugins = ("tests.support.vetting_fixtures",)


def read(site, channel):
    root = site.public / channel
    listed = tables.read_json((root / "advisories/almalinux9.2-essential.json").read_bytes())
    judged = oval.read((root / "tuxcare/9.2/almalinux9.2-essential-oval.xml").read_bytes())
    return listed, judged


def test_formats_follow_the_policy(moved):
    moved.trees[TREE]["feeds"] = "yes"
    moved.trees["policy/default"]["fast_track"] = "Critical"
    done = moved.later(1)
    assert {event["tree"] for event in done.named("proven")} == {TREE}
    listed, judged = read(moved, "vetted")
    everything, _ = read(moved, "candidate")
    assert "ALSA-2023:7877" in listed and "ALSA-2023:7877" in judged
    assert "ALSA-2023:5763" in everything
    assert "ALSA-2023:5763" not in listed
    # What upstream took away stays while its successor waits, and so does what is said of it.
    assert listed.keys() - everything.keys() == {"ALBA-2023:2600"}
    for name, claim in judged.items():
        assert claim == listed[name]
