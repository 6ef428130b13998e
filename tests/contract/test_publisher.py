"""What every publisher promises (ports.Publisher), shown on the one of symlinks."""

import os

import pytest

from tests.support.mirror import fingerprint, view
from tuxmirror.adapters.pool import FilePool
from tuxmirror.adapters.publisher import FilePublisher
from tuxmirror.adapters.state import FileState
from tuxmirror.core.errors import RefusedError, StorageError, VerificationError
from tuxmirror.core.publication import Publication, Retained
from tuxmirror.core.site import SitePart, part
from tuxmirror.core.snapshot import File

TREE = "almalinux/9.2"
OTHER = "tuxcare/9.2/esu"


class Place:
    """A publisher and what it stands on."""

    def __init__(self, root):
        self.public, self.store = root / "public", root / "store"
        self.state = FileState(self.store)
        self.pool = FilePool(self.store / "pool")
        self.publisher = self.again()

    def again(self):
        return FilePublisher(self.public, self.store, self.pool, self.state)

    def show(self, tree, snapshot, contents, channel="vetted", retained=()):
        """Publish files of the given contents by path."""
        files = [File(p, self.pool.add(data), len(data)) for p, data in contents.items()]
        publication = Publication(snapshot, tuple(retained))
        self.publisher.publish(channel, tree, publication, files, {"TIME": b"1\n"})
        return publication

    def part(self, owner, contents, inputs="0" * 16):
        """A part of a site, its contents in the pool."""
        return part(owner, inputs, [File(p, self.pool.add(d), len(d)) for p, d in contents.items()])

    def shown(self, channel="vetted"):
        return sorted(view(self.public / channel))


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def private_umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_nothing_is_published_at_first(place):
    assert place.publisher.published("vetted", TREE) is None


def test_published_files_are_shown_with_their_content(place):
    publication = place.show(
        TREE, "s1", {"os/Packages/a.rpm": b"a", "os/repodata/repomd.xml": b"r"}
    )
    root = place.public / "vetted" / TREE
    assert (root / "os/Packages/a.rpm").read_bytes() == b"a"
    assert (root / "TIME").read_bytes() == b"1\n"
    assert place.again().published("vetted", TREE) == publication


def test_everybody_may_read_what_is_published(private_umask, place):
    place.show(TREE, "s1", {"os/Packages/a.rpm": b"a"})
    assert place.public.stat().st_mode & 0o777 == 0o755
    for folder, directories, files in os.walk(place.public / "vetted/", followlinks=True):
        for name in (*directories, *files):
            mode = os.stat(os.path.join(folder, name)).st_mode & 0o777  # noqa: PTH116, PTH118
            assert mode & 0o044 == 0o044, (folder, name, oct(mode))


def test_next_publication_replaces_the_whole_tree(place):
    place.show(TREE, "s1", {"os/a.rpm": b"a", "os/b.rpm": b"b"})
    place.show(TREE, "s2", {"os/a.rpm": b"a", "os/c.rpm": b"c"})
    assert place.shown() == [f"{TREE}/TIME", f"{TREE}/os/a.rpm", f"{TREE}/os/c.rpm"]


def test_other_trees_stay(place):
    place.show(TREE, "s1", {"os/a.rpm": b"a"})
    place.show(OTHER, "s2", {"x86_64/b.rpm": b"b"})
    place.show(TREE, "s3", {"os/c.rpm": b"c"})
    assert f"{OTHER}/x86_64/b.rpm" in place.shown()
    assert place.publisher.published("vetted", OTHER).snapshot == "s2"


def test_channels_are_independent(place):
    place.show(TREE, "s1", {"os/a.rpm": b"a"})
    place.show(TREE, "s2", {"os/b.rpm": b"b"}, channel="candidate")
    assert place.publisher.published("vetted", TREE).snapshot == "s1"
    assert place.publisher.published("candidate", TREE).snapshot == "s2"
    assert f"{TREE}/os/a.rpm" in place.shown()


def test_publications_of_one_snapshot_with_other_leftovers_are_told_apart(place):
    place.show(TREE, "s1", {"os/a.rpm": b"a"})
    kept = Retained("os/old.rpm", place.pool.add(b"old"), 3, 99)
    place.show(TREE, "s1", {"os/a.rpm": b"a", "os/old.rpm": b"old"}, retained=[kept])
    assert place.publisher.published("vetted", TREE).retained == (kept,)
    place.show(TREE, "s1", {"os/a.rpm": b"a"})
    assert place.publisher.published("vetted", TREE).retained == ()


def test_missing_content_publishes_nothing(place):
    place.show(TREE, "s1", {"os/a.rpm": b"a"})
    before = place.shown()
    files = [File("os/b.rpm", "0" * 64, 1)]
    with pytest.raises(StorageError):
        place.publisher.publish("vetted", TREE, Publication("s2", ()), files, {})
    assert place.shown() == before
    assert place.publisher.published("vetted", TREE).snapshot == "s1"


def test_damaged_record_is_refused_not_taken_for_nothing(place):
    place.show(TREE, "s1", {"os/a.rpm": b"a"})
    record = place.store / "publications" / TREE / "s1"
    record.write_bytes(b"{")
    with pytest.raises(VerificationError):
        place.publisher.published("vetted", TREE)
    record.unlink()
    with pytest.raises(StorageError):
        place.publisher.published("vetted", TREE)


def test_tidy_keeps_what_is_shown_and_what_readers_may_still_hold(place):
    for number in range(6):
        place.show(TREE, f"s{number}", {f"os/{number}.rpm": b"x"})
    place.show(TREE, "s0", {"os/0.rpm": b"x"}, channel="candidate")
    place.publisher.tidy(TREE)
    left = {path.name for path in (place.public / ".publications" / TREE).iterdir()}
    assert left == {"s0", "s3", "s4", "s5"}
    assert left == {path.name for path in (place.store / "publications" / TREE).iterdir()}
    assert f"{TREE}/os/5.rpm" in place.shown()
    assert f"{TREE}/os/0.rpm" in place.shown("candidate")


def test_tidy_leaves_other_trees_alone(place):
    place.show(OTHER, "o1", {"x86_64/b.rpm": b"b"})
    for number in range(6):
        place.show(TREE, f"s{number}", {"os/a.rpm": b"a"})
    place.publisher.tidy(TREE)
    assert f"{OTHER}/x86_64/b.rpm" in place.shown()
    assert place.publisher.published("vetted", OTHER).snapshot == "o1"


def test_tidy_removes_what_a_killed_run_left(place):
    place.show(TREE, "s1", {"os/a.rpm": b"a"})
    for folder in (place.public / ".publications" / TREE, place.public / ".generations/vetted"):
        (folder / ".new-dead").mkdir()
    before = place.shown()
    place.publisher.tidy(TREE)
    assert not [path for path in fingerprint(place.public) if ".new-" in path]
    assert place.shown() == before


# --- files that belong to no tree -------------------------------------------------------------

OVAL = "tuxcare/9.2/almalinux9.2-esu-oval.xml"


def show_with_site(place, snapshot, site, channel="vetted", tree=TREE):
    files = [File("os/a.rpm", place.pool.add(b"a"), 1)]
    place.publisher.publish(channel, tree, Publication(snapshot, ()), files, {}, site)


def test_tree_and_site_are_shown_together(place):
    place.show(OTHER, "s0", {"x86_64/b.rpm": b"b"})
    site = [place.part("oval", {OVAL: b"oval", "cve/index.html": b"page", "cve/a/b.html": b"x"})]
    show_with_site(place, "s1", site)
    root = place.public / "vetted"
    assert (root / OVAL).read_bytes() == b"oval"
    assert (root / "cve/a/b.html").read_bytes() == b"x"
    assert (root / OTHER / "x86_64/b.rpm").read_bytes() == b"b"
    assert place.again().site("vetted") == {"oval": site[0]}
    assert place.publisher.site_names("vetted") == {"oval": site[0].name}
    assert place.publisher.site("candidate") == place.publisher.site_names("candidate") == {}


def test_parts_of_other_owners_stay_and_trees_are_not_parts(place):
    show_with_site(
        place, "s1", [place.part("oval", {OVAL: b"1"}), place.part("rss", {"r/a": b"1"})]
    )
    place.publisher.publish_site("vetted", [place.part("oval", {OVAL: b"2"})])
    root = place.public / "vetted"
    assert ((root / OVAL).read_bytes(), (root / "r/a").read_bytes()) == (b"2", b"1")
    assert place.publisher.published("vetted", TREE).snapshot == "s1"
    place.show(TREE, "s2", {"os/b.rpm": b"b"})
    assert (root / OVAL).read_bytes() == b"2"
    assert place.publisher.trees() == [TREE]


def test_a_part_without_files_is_gone(place):
    show_with_site(
        place, "s1", [place.part("oval", {OVAL: b"1"}), place.part("rss", {"r/a": b"1"})]
    )
    place.publisher.publish_site("vetted", [SitePart("oval", "", ())])
    assert not (place.public / "vetted" / OVAL).exists()
    assert set(place.publisher.site("vetted")) == {"rss"}


def test_a_part_that_wants_a_taken_path_switches_nothing(place):
    show_with_site(place, "s1", [place.part("oval", {OVAL: b"1"})])
    before = place.shown()
    with pytest.raises(RefusedError):
        show_with_site(place, "s2", [place.part("rss", {f"{TREE}/os/a.rpm": b"evil"})])
    with pytest.raises(RefusedError):
        show_with_site(place, "s2", [place.part("rss", {OVAL: b"evil"})])
    assert place.shown() == before
    assert place.publisher.published("vetted", TREE).snapshot == "s1"


def test_a_part_whose_content_is_missing_switches_nothing(place):
    show_with_site(place, "s1", [place.part("oval", {OVAL: b"1"})])
    before = place.shown()
    with pytest.raises(StorageError):
        show_with_site(place, "s2", [part("oval", "1" * 16, [File(OVAL, "0" * 64, 1)])])
    assert place.shown() == before


def test_channels_share_parts_and_tidy_keeps_what_is_shown(place):
    for number in range(6):
        site = [place.part("oval", {OVAL: b"%d" % number})]
        show_with_site(place, f"s{number}", site)
    show_with_site(place, "s9", [place.part("oval", {OVAL: b"0"})], channel="candidate")
    place.publisher.tidy(TREE)
    kept = {file.sha256 for one in place.publisher.site_parts() for file in one.files}
    assert kept == {place.pool.add(b"%d" % number) for number in (0, 3, 4, 5)}
    assert (place.public / "vetted" / OVAL).read_bytes() == b"5"
    assert (place.public / "candidate" / OVAL).read_bytes() == b"0"


def test_site_damage_is_found_and_mended(place):
    show_with_site(place, "s1", [place.part("oval", {"cve/a": b"1", "cve/b": b"2"})])
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


def test_everybody_may_read_a_site(private_umask, place):
    show_with_site(place, "s1", [place.part("oval", {"cve/a/b": b"1"})])
    for path in ("cve", "cve/a", "cve/a/b"):
        assert (place.public / "vetted" / path).stat().st_mode & 0o044 == 0o044, path


def test_damaged_record_of_a_part_is_refused(place):
    show_with_site(place, "s1", [place.part("oval", {OVAL: b"1"})])
    [record] = [path for path in (place.store / "sites").rglob("*") if path.is_file()]
    record.write_bytes(b"{")
    with pytest.raises(VerificationError):
        place.publisher.site("vetted")
    record.unlink()
    with pytest.raises(StorageError):
        place.publisher.site("vetted")
