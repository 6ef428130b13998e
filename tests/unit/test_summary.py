"""What changed between two lists of files."""

from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core.snapshot import File
from tuxmirror.core.summary import Advisory, compare

NAMES = st.sets(st.sampled_from([f"p{n}.rpm" for n in range(8)] + ["repomd.xml"]))
CONTENTS = st.dictionaries(st.sampled_from([f"p{n}.rpm" for n in range(8)]), st.sampled_from("ab"))


def files(contents):
    return [File(path, sha, 1) for path, sha in contents.items()]


@given(CONTENTS, CONTENTS)
def test_every_package_is_counted_once(old, new):
    changes = compare(files(old), files(new))
    assert changes.before == len(old)
    assert set(changes.added) == new.keys() - old.keys()
    assert set(changes.removed) == old.keys() - new.keys()
    assert set(changes.replaced) == {p for p in old.keys() & new.keys() if old[p] != new[p]}
    assert len(new) == len(old) + len(changes.added) - len(changes.removed)


def test_metadata_is_no_package():
    changes = compare([File("repodata/x.xml", "a", 1)], [File("repodata/y.xml", "b", 1)])
    assert changes.as_dict() == {
        "added": 0, "removed": 0, "replaced": 0, "advisories": [], "cves": [],
    }  # fmt: skip


def test_advisories_that_are_new_in_order_with_their_cves():
    old = [Advisory("A-1", "Low", ("CVE-1",))]
    new = [
        Advisory("A-3", "Low", ("CVE-3", "CVE-2")),
        Advisory("A-2", "Low", ("CVE-2",)),
        Advisory("A-1", "Low", ("CVE-1",)),
        Advisory("A-3", "Low", ("CVE-3", "CVE-2")),
    ]
    document = compare([], [], old, new).as_dict()
    assert document["advisories"] == ["A-2", "A-3"]
    assert document["cves"] == ["CVE-2", "CVE-3"]
