"""What a publication shows: nothing is lost within the grace time, no path means two things."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tuxmirror.core import publication as rules
from tuxmirror.core.errors import RefusedError, VerificationError
from tuxmirror.core.publication import Publication, Retained
from tuxmirror.core.snapshot import File

GRACE = 100


def sha(text):
    return (text * 64)[:64]


def hashed(kind, digest):
    return File(f"os/repodata/{digest}-{kind}.xml.gz", digest, 1)


REPOMD = File("os/repodata/repomd.xml", sha("0"), 1)
ALPHA = File("os/Packages/alpha.rpm", sha("a"), 1)


def by_path(*files):
    return {file.path: file for file in files}


def test_only_unmistakable_names_outlive_their_snapshot():
    assert rules.outlives(ALPHA)
    assert rules.outlives(hashed("primary", sha("b")))
    assert not rules.outlives(REPOMD)
    assert not rules.outlives(File("os/repodata/repomd.xml.asc", sha("0"), 1))
    assert not rules.outlives(File("os/repodata/primary.xml.gz", sha("0"), 1))
    assert not rules.outlives(hashed("primary", sha("b"))._replace(sha256=sha("c")))


def test_what_leaves_stays_for_the_grace_time():
    shown = rules.plan("n1", by_path(REPOMD), [ALPHA, REPOMD], None, 1000, GRACE)
    assert shown.retained == (Retained(*ALPHA, 1000 + GRACE),)
    assert shown.next_expiry == 1000 + GRACE
    later = rules.plan("n2", by_path(REPOMD), [REPOMD], shown, 1000 + GRACE - 1, GRACE)
    assert later.retained == shown.retained, "its time is not prolonged"
    assert rules.plan("n3", by_path(REPOMD), [REPOMD], later, 1000 + GRACE, GRACE).retained == ()


def test_what_comes_back_is_no_longer_retained():
    gone = rules.plan("n1", by_path(REPOMD), [ALPHA], None, 0, GRACE)
    assert rules.plan("n2", by_path(REPOMD, ALPHA), [REPOMD], gone, 1, GRACE).retained == ()


def test_no_grace_keeps_nothing():
    assert rules.plan("n1", by_path(REPOMD), [ALPHA], None, 0, 0).retained == ()


def test_published_name_never_gets_other_bytes():
    other = ALPHA._replace(sha256=sha("e"))
    with pytest.raises(RefusedError) as caught:
        rules.plan("n1", by_path(other), [ALPHA], None, 0, GRACE)
    assert caught.value.path == ALPHA.path
    assert (sha("a") in caught.value.expected, sha("e") in caught.value.found) == (True, True)
    replaced = rules.plan("n1", by_path(other), [ALPHA], None, 0, GRACE, replace=True)
    assert replaced.retained == ()


def test_repomd_may_change():
    rules.plan("n1", by_path(REPOMD._replace(sha256=sha("1"))), [REPOMD], None, 0, GRACE)


def test_name_tells_publications_of_one_snapshot_apart():
    bare = Publication("n1", ())
    kept = Publication("n1", (Retained(*ALPHA, 5),))
    assert bare.name == "n1"
    assert kept.name.startswith("n1-")
    assert kept.name != Publication("n1", (Retained(*ALPHA, 6),)).name


RETAINED = st.builds(
    Retained, st.text("abc/", min_size=1), st.text("ab", min_size=1), st.integers(0),
    st.integers(0, 1 << 40),
)  # fmt: skip


@given(st.text("abc", min_size=1), st.lists(RETAINED))
def test_record_comes_back(snapshot, retained):
    publication = Publication(snapshot, tuple(sorted(retained)))
    assert rules.decode(rules.encode(publication), "x") == publication


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"null", b"[1]\n", b'{"snapshot": "a"}\n[1]\n', b"\xff"]
)
def test_damaged_record(data):
    with pytest.raises(VerificationError) as caught:
        rules.decode(data, "publications/x")
    assert caught.value.path == "publications/x"


class Publishing(RuleBasedStateMachine):
    """A tree over time: a model of what each client may still ask for, against what is shown."""

    def __init__(self):
        super().__init__()
        self.now = 1000
        self.number = 0
        self.files = by_path(REPOMD)
        self.shown = Publication("s0", ())
        self.promised = {}

    def state(self):
        return {**self.files, **by_path(*(File(*r[:3]) for r in self.shown.retained))}

    @rule(
        packages=st.sets(st.sampled_from("abcdef")),
        metadata=st.sampled_from("0123"),
        seconds=st.integers(0, GRACE + 10),
    )
    def publish(self, packages, metadata, seconds):
        self.now += seconds
        self.number += 1
        new = by_path(
            File("os/repodata/repomd.xml", sha(metadata), 1),
            hashed("primary", sha(metadata)),
            *(File(f"os/Packages/{name}.rpm", sha(name), 1) for name in packages),
        )
        before = self.files
        self.shown = rules.plan(
            f"s{self.number}", new, before.values(), self.shown, self.now, GRACE
        )
        self.files = new
        for path, file in before.items():
            if path != REPOMD.path and path not in new:
                self.promised[path] = (file, self.now + GRACE)

    @rule(seconds=st.integers(0, 2 * GRACE))
    def republish(self, seconds):
        self.now += seconds
        self.shown = rules.plan(self.shown.snapshot, self.files, [], self.shown, self.now, GRACE)

    @invariant()
    def nothing_is_lost_within_the_grace_time(self):
        shown = self.state()
        for path, (file, until) in self.promised.items():
            if until > self.now:
                assert shown.get(path) == file

    @invariant()
    def one_path_is_one_content(self):
        retained = [file.path for file in self.shown.retained]
        assert len(retained) == len(set(retained))
        assert not set(retained) & set(self.files)
        assert list(self.shown.retained) == sorted(self.shown.retained)

    @invariant()
    def there_is_one_repomd(self):
        assert [path for path in self.state() if path.endswith("repomd.xml")] == [REPOMD.path]

    @invariant()
    def nothing_stays_for_ever(self):
        assert all(file.until <= self.now + GRACE for file in self.shown.retained)


TestPublishing = Publishing.TestCase
TestPublishing.settings = settings(max_examples=50, stateful_step_count=15, deadline=None)
