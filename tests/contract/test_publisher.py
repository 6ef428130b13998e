"""What every publisher promises (ports.Publisher), on every kind of store and public tree."""

import contextlib
import hashlib
import os

import pytest

from tests.support.mirror import fingerprint
from tests.support.storage import Place
from tuxmirror.core.errors import LockedError, RefusedError, StorageError, VerificationError
from tuxmirror.core.publication import Publication, Retained
from tuxmirror.core.site import SitePart, part
from tuxmirror.core.snapshot import File
from tuxmirror.ports import Flaw

TREE = "almalinux/9.2"
OTHER = "tuxcare/9.2/esu"


def show(place, tree, snapshot, contents, channel="vetted", retained=(), publisher=None):
    """Publish files of the given contents by path."""
    files = [File(p, place.pool.add(data), len(data)) for p, data in contents.items()]
    publication = Publication(snapshot, tuple(retained))
    publisher = publisher or place.publisher
    publisher.publish(channel, tree, publication, files, {"TIME": b"1\n"})
    return publication


def paths(place, channel="vetted"):
    return sorted(place.shown(channel))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def site_part(place, owner, contents, inputs="0" * 16):
    """A part of a site, its contents in the pool."""
    files = [File(p, place.pool.add(d), len(d)) for p, d in contents.items()]
    return part(owner, inputs, files)


@pytest.fixture
def place(publishing):
    return publishing


@pytest.fixture
def folder(tmp_path):
    return Place("files", tmp_path)


@contextlib.contextmanager
def _no_lock():
    yield


@pytest.fixture
def private_umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_nothing_is_published_at_first(place):
    assert place.publisher.published("vetted", TREE) is None


def test_what_is_shown_is_told_by_what_lies_there(place):
    kept = Retained("os/Packages/old.rpm", place.pool.add(b"old"), 3, 9)
    files = {"os/Packages/a.rpm": b"a", "os/Packages/old.rpm": b"old"}
    show(place, TREE, "s1", files, retained=[kept])
    publisher = place.again().publisher
    assert sorted(publisher.listed("vetted", TREE)) == [
        File("TIME", sha256(b"1\n"), 2),
        File("os/Packages/a.rpm", sha256(b"a"), 1),
        File("os/Packages/old.rpm", sha256(b"old"), 3),
    ]
    assert publisher.read("vetted", TREE, "TIME") == b"1\n"
    with pytest.raises(StorageError):
        publisher.read("vetted", TREE, "none")
    assert publisher.shown_snapshot("vetted", TREE) == "s1"
    assert publisher.shown_snapshot("vetted", OTHER) is None


def test_a_record_that_was_lost_is_restored(place):
    kept = Retained("os/Packages/old.rpm", place.pool.add(b"old"), 3, 9)
    publication = show(place, TREE, "s1", {"os/Packages/a.rpm": b"a"}, retained=[kept])
    spoil = place.damage_served if place.config.public_bucket else place.damage_local
    for damage in (b"rot", None):
        spoil(f"publications/{TREE}/{publication.name}", damage)
        publisher = place.again().publisher
        with pytest.raises((StorageError, VerificationError)) as caught:
            publisher.published("vetted", TREE)
        assert "tuxmirror verify --repair" in caught.value.way_out
        assert publisher.shown_snapshot("vetted", TREE) == "s1"
        later = publication._replace(retained=(kept._replace(until=99),))
        publisher.restore("vetted", TREE, later)
        assert place.again().publisher.published("vetted", TREE) == later
    assert paths(place) == [f"{TREE}/TIME", f"{TREE}/os/Packages/a.rpm"]


def test_published_files_are_shown_with_their_content(place):
    publication = show(
        place, TREE, "s1", {"os/Packages/a.rpm": b"a", "os/repodata/repomd.xml": b"r"}
    )
    assert place.shown() == {
        f"{TREE}/TIME": sha256(b"1\n"),
        f"{TREE}/os/Packages/a.rpm": sha256(b"a"),
        f"{TREE}/os/repodata/repomd.xml": sha256(b"r"),
    }
    assert {b"a", b"r", b"1\n"} <= {*place.served().values(), *place.kept().values()}
    assert place.again().publisher.published("vetted", TREE) == publication
    assert place.publisher.channels() == ["vetted"]
    assert place.publisher.trees() == [TREE]
    assert place.publisher.publications(TREE) == [publication]


def test_everybody_may_read_what_is_published(private_umask, folder):
    place = folder
    show(place, TREE, "s1", {"os/Packages/a.rpm": b"a"})
    assert place.public.stat().st_mode & 0o777 == 0o755
    for folder, directories, files in os.walk(place.public / "vetted/", followlinks=True):
        for name in (*directories, *files):
            mode = os.stat(os.path.join(folder, name)).st_mode & 0o777  # noqa: PTH116, PTH118
            assert mode & 0o044 == 0o044, (folder, name, oct(mode))


def test_next_publication_replaces_the_whole_tree(place):
    show(place, TREE, "s1", {"os/a.rpm": b"a", "os/b.rpm": b"b"})
    show(place, TREE, "s2", {"os/a.rpm": b"a", "os/c.rpm": b"c"})
    assert paths(place) == [f"{TREE}/TIME", f"{TREE}/os/a.rpm", f"{TREE}/os/c.rpm"]


def test_other_trees_stay(place):
    show(place, TREE, "s1", {"os/a.rpm": b"a"})
    show(place, OTHER, "s2", {"x86_64/b.rpm": b"b"})
    show(place, TREE, "s3", {"os/c.rpm": b"c"})
    assert f"{OTHER}/x86_64/b.rpm" in paths(place)
    assert place.publisher.published("vetted", OTHER).snapshot == "s2"


def test_channels_are_independent(place):
    show(place, TREE, "s1", {"os/a.rpm": b"a"})
    show(place, TREE, "s2", {"os/b.rpm": b"b"}, channel="candidate")
    assert place.publisher.published("vetted", TREE).snapshot == "s1"
    assert place.publisher.published("candidate", TREE).snapshot == "s2"
    assert f"{TREE}/os/a.rpm" in paths(place)


def test_publications_of_one_snapshot_with_other_leftovers_are_told_apart(place):
    show(place, TREE, "s1", {"os/a.rpm": b"a"})
    kept = Retained("os/old.rpm", place.pool.add(b"old"), 3, 99)
    show(place, TREE, "s1", {"os/a.rpm": b"a", "os/old.rpm": b"old"}, retained=[kept])
    assert place.publisher.published("vetted", TREE).retained == (kept,)
    show(place, TREE, "s1", {"os/a.rpm": b"a"})
    assert place.publisher.published("vetted", TREE).retained == ()


def test_missing_content_publishes_nothing(place):
    show(place, TREE, "s1", {"os/a.rpm": b"a"})
    before = paths(place)
    files = [File("os/b.rpm", "0" * 64, 1)]
    with pytest.raises(StorageError):
        place.publisher.publish("vetted", TREE, Publication("s2", ()), files, {})
    assert paths(place) == before
    assert place.publisher.published("vetted", TREE).snapshot == "s1"


def test_damaged_record_is_refused_not_taken_for_nothing(place):
    show(place, TREE, "s1", {"os/a.rpm": b"a"})
    damage = place.damage_served if place.config.public_bucket else place.damage_local
    damage(f"publications/{TREE}/s1", b"{")
    with pytest.raises(VerificationError):
        place.publisher.published("vetted", TREE)
    damage(f"publications/{TREE}/s1", None)
    with pytest.raises(StorageError):
        place.publisher.published("vetted", TREE)


def test_what_is_as_it_should_be_has_no_flaws(place):
    show(place, TREE, "s1", {"os/a.rpm": b"a", "os/b.rpm": b"b"})
    wanted = {"os/a.rpm": sha256(b"a"), "os/b.rpm": sha256(b"b"), "TIME": sha256(b"1\n")}
    assert list(place.publisher.inspect("vetted", TREE, wanted)) == []


def test_what_differs_is_told_and_mended(place):
    show(place, TREE, "s1", {"os/a.rpm": b"a", "os/b.rpm": b"b"})
    fresh = place.pool.add(b"c")
    wanted = {"os/a.rpm": sha256(b"a"), "os/c.rpm": fresh, "TIME": sha256(b"1\n")}
    flaws = list(place.publisher.inspect("vetted", TREE, wanted))
    assert sorted(flaws) == [
        Flaw("os/b.rpm", None, sha256(b"b")),
        Flaw("os/c.rpm", fresh, None),
    ]
    for flaw in flaws:
        place.publisher.mend("vetted", TREE, flaw)
    again = place.again().publisher
    assert list(again.inspect("vetted", TREE, wanted)) == []
    assert paths(place) == [f"{TREE}/TIME", f"{TREE}/os/a.rpm", f"{TREE}/os/c.rpm"]


def test_tidy_keeps_what_is_shown_and_what_readers_may_still_hold(place):
    for number in range(6):
        show(place, TREE, f"s{number}", {f"os/{number}.rpm": b"x"})
    show(place, TREE, "s0", {"os/0.rpm": b"x"}, channel="candidate")
    place.age()
    place.publisher.tidy(TREE)
    left = {publication.snapshot for publication in place.publisher.publications(TREE)}
    assert left == {"s0", "s3", "s4", "s5"}
    assert f"{TREE}/os/5.rpm" in paths(place)
    assert f"{TREE}/os/0.rpm" in paths(place, "candidate")


def test_tidy_keeps_no_folder_without_a_record(folder):
    for number in range(6):
        show(folder, TREE, f"s{number}", {f"os/{number}.rpm": b"x"})
    folder.age()
    folder.publisher.tidy(TREE)
    left = {path.name for path in (folder.public / ".publications" / TREE).iterdir()}
    assert left == {"s3", "s4", "s5"}
    assert left == {path.name for path in (folder.store / "publications" / TREE).iterdir()}


def test_tidy_keeps_what_was_shown_lately(folder):
    """However often others publish: who has the mirror list reads for minutes."""
    for number in range(6):
        show(folder, TREE, f"s{number}", {f"os/{number}.rpm": b"x"})
    folder.publisher.tidy(TREE)
    for number in range(6):
        generation = folder.public / ".generations/vetted" / str(number + 1)
        assert (generation / TREE / f"os/{number}.rpm").exists()


def test_tidy_leaves_other_trees_alone(place):
    show(place, OTHER, "o1", {"x86_64/b.rpm": b"b"})
    for number in range(6):
        show(place, TREE, f"s{number}", {"os/a.rpm": b"a"})
    place.publisher.tidy(TREE)
    assert f"{OTHER}/x86_64/b.rpm" in paths(place)
    assert place.publisher.published("vetted", OTHER).snapshot == "o1"


def test_tidy_removes_what_a_killed_run_left(folder):
    place = folder
    show(place, TREE, "s1", {"os/a.rpm": b"a"})
    for there in (place.public / ".publications" / TREE, place.public / ".generations/vetted"):
        (there / ".new-dead").mkdir()
    before = paths(place)
    place.publisher.tidy(TREE)
    assert not [path for path in fingerprint(place.public) if ".new-" in path]
    assert paths(place) == before


@pytest.mark.parametrize("channel", ["vetted", "new"])
def test_of_two_who_publish_at_once_one_wins_and_the_other_is_told(
    public_in_bucket, channel, monkeypatch
):
    place = public_in_bucket
    show(place, TREE, "s1", {"os/a.rpm": b"a"})
    other = place.again("elsewhere")
    index = place.publisher._index
    real = index.channel

    def overtaken(name):
        found = real(name)
        monkeypatch.setattr(index, "channel", real)
        other.pool.add(b"c")
        show(place, TREE, "s3", {"os/c.rpm": b"c"}, channel, publisher=other.publisher)
        return found

    monkeypatch.setattr(index, "channel", overtaken)
    monkeypatch.setattr(place.publisher._state, "lock", lambda *_: _no_lock())
    with pytest.raises(LockedError) as caught:
        show(place, TREE, "s2", {"os/b.rpm": b"b"}, channel)
    assert channel in str(caught.value)
    assert other.publisher.published(channel, TREE).snapshot == "s3"
    assert place.publisher.published(channel, TREE).snapshot == "s3"


# --- files that belong to no tree -------------------------------------------------------------

OVAL = "tuxcare/9.2/almalinux9.2-esu-oval.xml"


def show_with_site(place, snapshot, site, channel="vetted", tree=TREE):
    files = [File("os/a.rpm", place.pool.add(b"a"), 1)]
    place.publisher.publish(channel, tree, Publication(snapshot, ()), files, {}, site)


def test_tree_and_site_are_shown_together(place):
    show(place, OTHER, "s0", {"x86_64/b.rpm": b"b"})
    site = [
        site_part(place, "oval", {OVAL: b"oval", "cve/index.html": b"page", "cve/a/b.html": b"x"})
    ]
    show_with_site(place, "s1", site)
    shown = place.shown()
    assert shown[OVAL] == sha256(b"oval")
    assert shown["cve/a/b.html"] == sha256(b"x")
    assert shown[f"{OTHER}/x86_64/b.rpm"] == sha256(b"b")
    assert place.again().publisher.site("vetted") == {"oval": site[0]}
    assert place.publisher.site_names("vetted") == {"oval": site[0].name}
    assert place.publisher.site("candidate") == place.publisher.site_names("candidate") == {}


def test_parts_of_other_owners_stay_and_trees_are_not_parts(place):
    show_with_site(
        place,
        "s1",
        [site_part(place, "oval", {OVAL: b"1"}), site_part(place, "rss", {"r/a": b"1"})],
    )
    place.publisher.publish_site("vetted", [site_part(place, "oval", {OVAL: b"2"})])
    assert (place.shown()[OVAL], place.shown()["r/a"]) == (sha256(b"2"), sha256(b"1"))
    assert place.publisher.published("vetted", TREE).snapshot == "s1"
    show(place, TREE, "s2", {"os/b.rpm": b"b"})
    assert place.shown()[OVAL] == sha256(b"2")
    assert place.publisher.trees() == [TREE]


def test_a_part_without_files_is_gone(place):
    show_with_site(
        place,
        "s1",
        [site_part(place, "oval", {OVAL: b"1"}), site_part(place, "rss", {"r/a": b"1"})],
    )
    place.publisher.publish_site("vetted", [SitePart("oval", "", ())])
    assert OVAL not in place.shown()
    assert set(place.publisher.site("vetted")) == {"rss"}


def test_a_part_that_wants_a_taken_path_switches_nothing(place):
    show_with_site(place, "s1", [site_part(place, "oval", {OVAL: b"1"})])
    before = place.shown()
    with pytest.raises(RefusedError):
        show_with_site(place, "s2", [site_part(place, "rss", {f"{TREE}/os/a.rpm": b"evil"})])
    with pytest.raises(RefusedError):
        show_with_site(place, "s2", [site_part(place, "rss", {OVAL: b"evil"})])
    assert place.shown() == before
    assert place.publisher.published("vetted", TREE).snapshot == "s1"


def test_a_part_whose_content_is_missing_switches_nothing(place):
    show_with_site(place, "s1", [site_part(place, "oval", {OVAL: b"1"})])
    before = place.shown()
    with pytest.raises(StorageError):
        show_with_site(place, "s2", [part("oval", "1" * 16, [File(OVAL, "0" * 64, 1)])])
    assert place.shown() == before


def test_channels_share_parts_and_tidy_keeps_what_is_shown(place):
    for number in range(6):
        site = [site_part(place, "oval", {OVAL: b"%d" % number})]
        show_with_site(place, f"s{number}", site)
    show_with_site(place, "s9", [site_part(place, "oval", {OVAL: b"0"})], channel="candidate")
    place.age()
    place.publisher.tidy(TREE)
    kept = {file.sha256 for one in place.publisher.site_parts() for file in one.files}
    assert kept == {place.pool.add(b"%d" % number) for number in (0, 3, 4, 5)}
    assert place.shown()[OVAL] == sha256(b"5")
    assert place.shown("candidate")[OVAL] == sha256(b"0")


def test_site_damage_is_found_and_mended(folder):
    place = folder
    show_with_site(place, "s1", [site_part(place, "oval", {"cve/a": b"1", "cve/b": b"2"})])
    root = place.public / "vetted"
    assert list(place.publisher.inspect_site("vetted")) == []
    (root / "cve/a").unlink()
    (root / "cve/stray").write_bytes(b"?")
    flaws = list(place.publisher.inspect_site("vetted"))
    assert {flaw.path for flaw in flaws} == {"cve/a", "cve/stray"}
    for flaw in flaws:
        place.publisher.mend_site("vetted", flaw)
    assert list(place.publisher.inspect_site("vetted")) == []
    assert (root / "cve/a").read_bytes() == b"1"
    assert not (root / "cve/stray").exists()


def test_everybody_may_read_a_site(private_umask, folder):
    place = folder
    show_with_site(place, "s1", [site_part(place, "oval", {"cve/a/b": b"1"})])
    for path in ("cve", "cve/a", "cve/a/b"):
        assert (place.public / "vetted" / path).stat().st_mode & 0o044 == 0o044, path


def test_damaged_record_of_a_part_is_refused(place):
    show_with_site(place, "s1", [site_part(place, "oval", {OVAL: b"1"})])
    in_bucket = place.config.public_bucket
    records = place.served() if in_bucket else place.kept_here()
    [record] = [name for name in records if name.startswith("sites/")]
    damage = place.damage_served if in_bucket else place.damage_local
    damage(record, b"{")
    with pytest.raises(VerificationError):
        place.publisher.site("vetted")
    damage(record, None)
    with pytest.raises(StorageError):
        place.publisher.site("vetted")
