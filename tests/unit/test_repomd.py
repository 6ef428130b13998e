"""repomd.xml: what is read from it, and that nothing but MetadataError ever comes out."""

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxmirror.core import repomd
from tuxmirror.core.errors import MetadataError

SHA = "ab" * 32
DATA = """<data type="{type}"><checksum type="sha256">{sha}</checksum>
<open-checksum type="sha256">{sha}</open-checksum><location href="repodata/{sha}-{type}.xml.gz"/>
<timestamp>1600000000</timestamp><size>10</size><open-size>100</open-size></data>"""
HEAD = '<repomd xmlns="http://linux.duke.edu/metadata/repo">'
FIELDS = ["type", "sha256", "sha", "md5", "href", "xml:base", "size", "-1", "9" * 30, SHA, "..",
          "repodata/x", "&amp;", "<!DOCTYPE x>", "\x00", "primary", "é"]  # fmt: skip


def document(*types, revision="1700000000", sha=SHA):
    body = "".join(DATA.format(type=name, sha=sha) for name in types)
    return f"{HEAD}<revision>{revision}</revision>{body}</repomd>".encode()


def test_what_it_says():
    data = document("primary", "filelists")
    index = repomd.parse(data)
    assert index.sha256 == hashlib.sha256(data).hexdigest()
    assert index.revision == 1_700_000_000
    assert [file.type for file in index.files] == ["primary", "filelists"]
    primary = index.file("primary")
    assert primary == repomd.MetadataFile(
        "primary", f"repodata/{SHA}-primary.xml.gz", SHA, 10, SHA, 100
    )
    assert index.file("updateinfo") is None


def test_open_parts_are_optional():
    data = document("primary").replace(b"<open-size>100</open-size>", b"")
    start, end = data.index(b"<open-checksum"), data.index(b"</open-checksum>") + 16
    primary = repomd.parse(data[:start] + data[end:]).file("primary")
    assert (primary.open_sha256, primary.open_size) == (None, None)


@pytest.mark.parametrize("revision", ["", "none", "1.5", "-1", "٣", "9" * 16, "9" * 5000])
def test_revision_falls_back_to_the_newest_file(revision):
    assert repomd.parse(document("primary", revision=revision)).revision == 1_600_000_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('type="sha256"', 'type="sha1"'),
        (SHA + "</checksum>", "short</checksum>"),
        ("<size>10<", "<size>ten<"),
        ("<size>10<", f"<size>{'1' * 5000}<"),
        ("<size>10<", "<size>٣<"),
        ("<size>10<", f"<size>{repomd.MAX_METADATA_BYTES + 1}<"),
        ("<open-size>100<", f"<open-size>{repomd.MAX_OPEN_BYTES + 1}<"),
        ('href="repodata/', 'href="../repodata/'),
        ("<location ", '<location xml:base="http://h/" '),
        ("<location ", "<place "),
        ('type="primary"', 'type="../x"'),
        ('type="primary"', 'type="filelists"'),
        ("<repomd ", "<!DOCTYPE x><repomd "),
        ("<repomd ", "<! DOCTYPE x><repomd "),
        ("<repomd ", '<?xml version="1.0" encoding="UTF-7"?><repomd '),
        ("</repomd>", ""),
    ],
)
def test_refused(old, new):
    text = document("primary").decode()
    assert old in text
    with pytest.raises(MetadataError):
        repomd.parse(text.replace(old, new).encode())


def test_size_limits():
    blanks = b" " * (repomd.MAX_BYTES + 1)
    with pytest.raises(MetadataError, match="too large"):
        repomd.parse(document("primary") + blanks)
    with pytest.raises(MetadataError, match="too many files"):
        repomd.parse(document("primary", *(f"t{n}" for n in range(repomd.MAX_FILES))))


def test_deep_nesting_is_no_crash():
    with pytest.raises(MetadataError):
        repomd.parse(HEAD.encode() + b"<a>" * 200_000)
    closed = HEAD.encode() + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</repomd>"
    with pytest.raises(MetadataError, match="primary"):
        repomd.parse(closed)


@given(st.binary(max_size=300))
def test_bytes_of_any_kind(data):
    with pytest.raises(MetadataError):
        repomd.parse(data)


@given(st.data())
@example(None)
def test_spoilt_documents_are_read_or_refused(data):
    """Pieces replaced by others, bytes dropped: never another exception, never an unsafe path."""
    content = document("primary", "filelists", "updateinfo")
    if data is not None:
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(content)))
            end = data.draw(st.integers(start, min(len(content), start + 40)))
            piece = data.draw(st.sampled_from(FIELDS) | st.text(max_size=5))
            content = content[:start] + piece.encode() + content[end:]
    try:
        index = repomd.parse(content)
    except MetadataError:
        return
    assert index.file("primary")
    for file in index.files:
        assert file.location.startswith("repodata/")
        assert ".." not in file.location.split("/")
        assert len(file.sha256) == 64
        assert 0 <= file.size <= repomd.MAX_METADATA_BYTES
