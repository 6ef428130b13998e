"""Snapshots and file lists: what is written is what is read, and an id is its content."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core import snapshot as rules
from tuxmirror.core.errors import VerificationError
from tuxmirror.core.snapshot import File, Repository, Snapshot

SHA = st.text("0123456789abcdef", min_size=64, max_size=64)
PATH = st.lists(
    st.from_regex(r"[A-Za-z0-9_+~^-]{1,8}", fullmatch=True), min_size=1, max_size=3
).map("/".join)
FILES = st.lists(
    st.builds(File, PATH, SHA, st.integers(0, 1 << 40)), unique_by=lambda file: file.path
)
REPOSITORIES = st.dictionaries(
    PATH,
    st.builds(
        Repository, files=SHA, repomd=SHA, revision=st.integers(0, 1 << 40),
        packages=st.integers(0, 1 << 20), bytes=st.integers(0, 1 << 50),
        signed_by=st.text(max_size=40), keys=st.text(max_size=16), verified=SHA,
    ),
    max_size=4,
)  # fmt: skip
SNAPSHOTS = st.builds(Snapshot, PATH, st.integers(0, 1 << 40), REPOSITORIES, st.text(max_size=20))


@given(SNAPSHOTS)
def test_snapshot_comes_back(snapshot):
    assert rules.decode(rules.encode(snapshot), "x") == snapshot


@given(SNAPSHOTS, st.integers(0, 1 << 40), st.text(max_size=5))
def test_id_is_that_of_the_content(snapshot, created, tool):
    assert Snapshot(snapshot.tree, created, snapshot.repositories, tool).id == snapshot.id
    assert Snapshot(snapshot.tree + "x", created, snapshot.repositories).id != snapshot.id
    other = Repository("0" * 64, "0" * 64, 1, 1, 1, "", "", "0" * 64)
    more = {**snapshot.repositories, "more": other}
    if "more" not in snapshot.repositories:
        assert Snapshot(snapshot.tree, created, more).id != snapshot.id


@given(SNAPSHOTS)
def test_totals_are_those_of_the_repositories(snapshot):
    assert snapshot.packages == sum(r.packages for r in snapshot.repositories.values())
    assert snapshot.bytes == sum(r.bytes for r in snapshot.repositories.values())


@given(SNAPSHOTS.filter(lambda s: s.repositories), st.data())
def test_damaged_snapshot_is_noticed(snapshot, data):
    document = json.loads(rules.encode(snapshot))
    name = data.draw(st.sampled_from(sorted(document["repositories"])))
    document["repositories"][name]["files"] = "f" * 63 + "0"
    if snapshot.repositories[name].files != "f" * 63 + "0":
        with pytest.raises(VerificationError, match="not the one it says"):
            rules.decode(json.dumps(document).encode(), "x")


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{}", b"{", b"\xff", b'{"tree": 1}', b'{"repositories": []}']
)
def test_no_snapshot_at_all(data):
    with pytest.raises(VerificationError) as caught:
        rules.decode(data, "snapshots/x.json")
    assert caught.value.path == "snapshots/x.json"


@given(SNAPSHOTS, st.integers(0, 500), st.integers(0, 255))
def test_changed_byte_is_read_or_refused(snapshot, position, byte):
    data = bytearray(rules.encode(snapshot))
    data[position % len(data)] = byte
    try:
        rules.decode(bytes(data), "x")
    except VerificationError as error:
        assert error.path == "x"


@given(FILES)
def test_file_list_comes_back_sorted(files):
    data = rules.encode_files(files)
    assert rules.decode_files(data) == sorted(files)
    assert rules.encode_files(reversed(files)) == data, "the same files give the same bytes"
    for file in files:
        # Any of them, of those under one path.
        assert rules.find_file(data, file.path) in {f.sha256 for f in files if f.path == file.path}
        assert rules.find_file(data, f"{file.path}x") is None or any(
            f.path == f"{file.path}x" for f in files
        )


@given(st.dictionaries(SHA, st.text("0123456789abcdef", min_size=16, max_size=16)))
def test_verified_contents_come_back(descriptions):
    assert rules.decode_verified(rules.encode_verified(descriptions)) == descriptions


@given(st.sets(st.text("0123456789ABCDEF", min_size=40, max_size=40), min_size=1))
def test_set_of_keys_has_one_name_in_any_order(fingerprints):
    ordered = sorted(fingerprints)
    assert rules.keys_id(ordered) == rules.keys_id(reversed(ordered))
    assert rules.keys_id(ordered) != rules.keys_id(ordered[1:])
