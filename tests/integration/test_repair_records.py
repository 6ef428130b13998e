"""What ends the loss of a snapshot's own records, and of what only expired."""

import pytest

from tests.integration.test_repair_own import pooled, primaries, record, rot
from tests.support.mirror import TREE, age_generations, difference
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.vetting_fixtures",)

FILES = "BaseOS/x86_64"


def list_of(site, channel):
    return record(site, channel)["repositories"][FILES]["files"]


def go_on(upstream, name="moreover"):
    upstream.add("BaseOS", "x86_64", [RpmSpec(name)])
    upstream.publish()


@pytest.mark.parametrize(
    ("channel", "way", "status"),
    [
        ("vetted", "rotten", 4),
        ("candidate", "lost", 6),
        pytest.param("vetted", "lost", 6, marks=pytest.mark.full),
        pytest.param("candidate", "rotten", 4, marks=pytest.mark.full),
    ],
)
def test_a_lost_file_list_is_told_again_by_what_is_published(
    cut, moved_upstream, way, status, channel
):
    """No sync, no rollback went on without it, and nobody else has it."""
    sha = list_of(cut, channel)
    before, content = cut.view(channel), pooled(cut, sha).read_bytes()
    if way == "rotten":
        rot(cut, sha)
    else:
        pooled(cut, sha).unlink()
    go_on(moved_upstream)
    run = cut.sync()
    assert run.status == status, run
    assert "tuxmirror verify --repair" in run.stderr, run
    assert cut.view(channel) == before or channel == "candidate"
    done = cut.call("verify", "--repair", "--json")
    assert [(e["repository"], e["path"]) for e in done.named("repaired")] == [
        (FILES, "(file list)")
    ]
    assert pooled(cut, sha).read_bytes() == content
    cut.call("sync")
    cut.call("rollback", TREE)
    cut.call("verify")


def snapshot_record(site):
    return site.store / "snapshots" / TREE / f"{site.manifest()['id']}.json"


def publication_record(site):
    name = (site.public / "vetted" / TREE).readlink().name
    return site.store / "publications" / TREE / name


@pytest.mark.parametrize(
    ("find", "content"),
    [
        (snapshot_record, b"rot"),
        (publication_record, None),
        pytest.param(snapshot_record, None, marks=pytest.mark.full),
        pytest.param(publication_record, b"rot", marks=pytest.mark.full),
    ],
)
def test_a_lost_record_of_what_is_shown_is_told_again(cut, moved_upstream, find, content):
    """No sync, no rollback went on without it either."""
    record, before = find(cut), cut.view()
    was = record.read_bytes()
    record.unlink()
    if content is not None:
        record.write_bytes(content)
    cut.call("verify", status=6 if (find, content) == (publication_record, None) else 4)
    cut.call("verify", "--repair")
    assert cut.view() == before
    if find is snapshot_record:
        assert record.read_bytes() == was
    else:
        # What expired stays; for how long, was lost.
        kept, again = ([line.split(", ")[:3] for line in text.decode().splitlines()[1:]]
                       for text in (was, record.read_bytes()))  # fmt: skip
        assert kept == again and kept
    go_on(moved_upstream)
    cut.call("sync")
    cut.call("rollback", TREE)
    cut.call("verify")


@pytest.mark.full
def test_a_damaged_record_of_a_snapshot_that_nobody_shows(cut, moved_upstream):
    path = snapshot_record(cut)
    for number in range(4):
        go_on(moved_upstream, f"more{number}")
        cut.later(8)
        age_generations(cut.public)
    path.write_bytes(b"rot")
    [problem] = cut.call("verify", "--repair", "--json", status=4).named("damaged")
    assert problem["way_out"].endswith("tuxmirror prune --snapshot")
    cut.call("prune", "--snapshot", path.stem)
    cut.call("verify")


@pytest.mark.full
def test_a_file_list_that_nothing_published_tells_any_more(cut, moved_upstream):
    old = record(cut)
    sha = old["repositories"][FILES]["files"]
    for number in range(4):
        go_on(moved_upstream, f"more{number}")
        cut.later(8)
        age_generations(cut.public)
    assert list_of(cut, "vetted") != sha
    pooled(cut, sha).unlink()
    [problem] = cut.call("verify", "--repair", "--json", status=4).named("damaged")
    assert problem["way_out"].endswith(f"tuxmirror prune --snapshot {old['id']}")
    cut.call("prune", "--snapshot", old["id"])
    cut.call("verify")


def test_what_expired_and_is_lost_stops_no_publish(cut, moved_upstream):
    """Metadata of upstream that rotted, and that upstream has no more: nobody can have it."""
    for sha in primaries(cut):
        rot(cut, sha)
    go_on(moved_upstream)
    cut.call("verify", "--repair", status=4)
    # The way out that it tells: another snapshot, then the next sync makes the cut anew.
    run = cut.call("rollback", TREE, "--json")
    assert ["1 expired files are lost" in e["message"] for e in run.named("warning")] == [True]
    run = cut.call("sync", "--json")
    assert {e["channel"] for e in run.named("published")} == {"candidate", "vetted"}
    for channel in ("candidate", "vetted"):
        shown = cut.view(channel)
        assert difference(shown, listed_by_records(cut, channel)) == ""


def listed_by_records(site, channel):
    """What the channel's files should have, by its records; the small files as they are."""
    shown = site.view(channel)
    for name, repository in record(site, channel)["repositories"].items():
        for line in pooled(site, repository["files"]).read_text().splitlines():
            sha, _, path = line.split(" ", 2)
            shown[f"{TREE}/{name}/os/{path}"] = sha
    return shown
