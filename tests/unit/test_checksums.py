"""CHECKSUM and `.treeinfo`: what honest ones say, and what dishonest ones may not."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import SHARED_DATA
from tuxmirror.core import checksums, kinds, treeinfo
from tuxmirror.core.checksums import Image
from tuxmirror.core.errors import MetadataError

SHA = hashlib.sha256(b"").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


def test_a_list_as_upstream_writes_it():
    text = (
        f"# a-9.3.iso: 939524096 bytes\nSHA256 (a-9.3.iso) = {SHA}\n\n"
        f"SHA256 (b.iso) = {OTHER.upper()}\n"
    )
    assert checksums.parse(text) == (
        Image("a-9.3.iso", SHA, 939524096),
        Image("b.iso", OTHER, None),
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "number of files"),
        ("# nothing: 3 bytes\n", "number of files"),
        (f"SHA512 (a.iso) = {SHA}{SHA}\n", "another kind"),
        (f"MD5 (a.iso) = {SHA[:32]}\n", "another kind"),
        (f"{SHA}  a.iso\n", "another kind"),
        (f"SHA256 (../a.iso) = {SHA}\n", "plain file name"),
        (f"SHA256 (x/a.iso) = {SHA}\n", "plain file name"),
        (f"SHA256 (..) = {SHA}\n", "unsafe"),
        (f"SHA256 (CHECKSUM) = {SHA}\n", "plain file name"),
        (f"SHA256 (checksum) = {SHA}\n", "plain file name"),
        (f"SHA256 (a%2fb) = {SHA}\n", "unsafe"),
        (f"SHA256 (a.iso) = {SHA}\nSHA256 (a.iso) = {OTHER}\n", "twice"),
        (f"SHA256 (a.iso) = {SHA}\nSHA256 (A.iso) = {SHA}\n", "twice"),
        (f"# a: 1 bytes\n# a: 2 bytes\nSHA256 (a) = {SHA}\n", "two sizes"),
        (f"SHA256 (a.iso) = {SHA[:-1]}\n", "another kind"),
        (f"SHA256 (a.iso) = {SHA} extra\n", "another kind"),
    ],
)
def test_a_list_that_no_honest_upstream_writes(text, word):
    with pytest.raises(MetadataError) as caught:
        checksums.parse(text)
    assert word in str(caught.value)
    assert caught.value.path in ("CHECKSUM", None)


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", fullmatch=True).filter(
    lambda name: name.upper() != "CHECKSUM" and not name.startswith(".")
)


@given(st.dictionaries(names, st.binary(max_size=8), min_size=1, max_size=20))
def test_what_is_written_is_read(files):
    folded = {name.casefold() for name in files}
    if len(folded) < len(files):
        return
    lines = [f"SHA256 ({n}) = {hashlib.sha256(d).hexdigest()}" for n, d in files.items()]
    found = checksums.parse("\n".join(lines))
    assert {i.path: i.sha256 for i in found} == {
        n: hashlib.sha256(d).hexdigest() for n, d in files.items()
    }


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    try:
        images = checksums.parse(text)
    except MetadataError:
        return
    assert all("/" not in image.path for image in images)


HEAD = "[general]\narch = x86_64\n"


def parse(text, arch="x86_64"):
    return treeinfo.parse(text.encode(), arch)


def test_a_treeinfo_of_an_installation_tree():
    found = parse(
        HEAD + "[images-x86_64]\nkernel = images/pxeboot/vmlinuz\n[stage2]\n"
        "mainimage = images/install.img\n[checksums]\n"
        f"images/pxeboot/vmlinuz = sha256:{SHA}\nimages/install.img = sha256:{OTHER}\n"
        f"repodata/repomd.xml = sha256:{SHA}\n"
    )
    assert found.repomd == SHA
    assert found.images == (
        Image("images/pxeboot/vmlinuz", SHA, None),
        Image("images/install.img", OTHER, None),
    )


def test_a_tree_without_images_is_none_of_an_installer():
    assert parse("[tree]\narch = x86_64\n") == ((), None)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "another arch"),
        ("[general]\narch = aarch64\n", "another arch"),
        ("[tree]\narch = aarch64\n" + HEAD, "another arch"),
        (HEAD + "[stage2]\nmainimage = images/install.img\n", "without a digest"),
        (HEAD + f"[images-xen]\nkernel = a\n[checksums]\nb = sha256:{SHA}\n", "without a digest"),
        (HEAD + "[checksums]\na.img = md5:d41d8cd98f00b204e9800998ecf8427e\n", "no SHA-256"),
        (HEAD + f"[checksums]\na.img = sha1:{SHA[:40]}\n", "no SHA-256"),
        (HEAD + f"[checksums]\na.img = sha256:{SHA[:40]}\n", "SHA-256"),
        (HEAD + f"[checksums]\n../../etc/passwd = sha256:{SHA}\n", "unsafe"),
        (HEAD + f"[checksums]\n/etc/passwd = sha256:{SHA}\n", "unsafe"),
        (HEAD + f"[checksums]\nPackages/a.rpm = sha256:{SHA}\n", "not an image"),
        (HEAD + f"[checksums]\nrepodata/primary.xml = sha256:{SHA}\n", "not an image"),
        (HEAD + f"[checksums]\nREPODATA/repomd.xml = sha256:{SHA}\n", "not an image"),
        (HEAD + f"[checksums]\n.treeinfo = sha256:{SHA}\n", "twice"),
        (HEAD + f"[checksums]\na = sha256:{SHA}\nA = sha256:{SHA}\n", "twice"),
        (HEAD + f"[checksums]\na = sha256:{SHA}\na = sha256:{SHA}\n", "cannot be read"),
        ("general\n", "cannot be read"),
        (HEAD + "[checksums]\n" + "x" * treeinfo.MAX_BYTES, "too large"),
    ],
)
def test_a_treeinfo_that_lies(text, word):
    with pytest.raises(MetadataError) as caught:
        parse(text)
    assert word in str(caught.value), caught.value


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data):
    for start in (b"", HEAD.encode(), HEAD.encode() + b"[checksums]\n"):
        try:
            found = treeinfo.parse(start + data, "x86_64")
        except MetadataError:
            continue
        assert all(".." not in image.path.split("/") for image in found.images)


@pytest.mark.shared_data
def test_a_real_treeinfo():
    data = (SHARED_DATA / "repodata/katello-zoo/.treeinfo").read_bytes()
    found = treeinfo.parse(data, "x86_64")
    assert [image.path for image in found.images] == [
        *("empty.iso", "images/test1.img", "images/test2.img")
    ]


def test_kinds_by_name():
    assert kinds.place("isos/x86_64") == "isos/x86_64/"
    assert kinds.place("cloud/aarch64") == "cloud/aarch64/images/"
    assert [kinds.index(n) for n in ("isos/x86_64", "BaseOS/x86_64/kickstart", "x86_64")] == [
        *("CHECKSUM", kinds.REPOMD, kinds.REPOMD)
    ]
    assert not kinds.is_whole("BaseOS/x86_64")
    assert kinds.is_whole("BaseOS/x86_64/kickstart")
    assert not kinds.is_metadata("isos/x86_64", "a.iso")
    assert kinds.is_metadata("BaseOS/x86_64/kickstart", ".treeinfo")
    assert not kinds.is_metadata("BaseOS/x86_64/kickstart", "images/install.img")
