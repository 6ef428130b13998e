"""What every place for a bundle promises (ports.BundlePlace): directory, tar file, parts of one."""

import hashlib
import os

import pytest

from tuxmirror.adapters.bundle_directory import DirectoryBundle
from tuxmirror.adapters.bundle_tar import TarBundle
from tuxmirror.core.bundle import Item
from tuxmirror.core.errors import ConfigError, DigestError, VerificationError
from tuxmirror.ports import BundleHead

HEAD = BundleHead(b'{"a": 1}\n', b"signature\n")


class Site:
    """Contents of several sizes, and a place of one kind."""

    def __init__(self, root, kind):
        self.root, self.kind = root, kind
        self.pool = root / "pool"
        self.pool.mkdir()
        self.items = [self.add(data) for data in (b"", b"x" * 511, b"y" * 512, b"z" * 4000)]
        self.out = root / "out"
        self.out.mkdir()
        self.path = self.out / ("bundle" if kind == "directory" else "bundle.tar")

    def add(self, data):
        sha = hashlib.sha256(data).hexdigest()
        (self.pool / sha).write_bytes(data)
        return Item(sha, len(data))

    def place(self):
        if self.kind == "directory":
            return DirectoryBundle(self.path)
        return TarBundle(self.path, 1500 if self.kind == "parts" else 0)

    def write(self, head=HEAD, items=None):
        self.place().write(head, items or self.items, lambda sha: self.pool / sha, lambda _: None)

    def read(self, wanted=None):
        folder = self.root / "in"
        folder.mkdir(exist_ok=True)
        wanted = {item.sha256 for item in self.items} if wanted is None else wanted
        return {item: path.read_bytes() for item, path in self.place().read(
            self.items, wanted, folder)}  # fmt: skip

    def files(self):
        return sorted(path for path in self.out.rglob("*") if path.is_file())


@pytest.fixture(params=["directory", "file", "parts"])
def bundle(request, tmp_path):
    return Site(tmp_path, request.param)


def test_what_was_written_is_read(bundle):
    bundle.write()
    assert bundle.place().head() == HEAD
    found = bundle.read()
    assert list(found) == bundle.items
    assert all(hashlib.sha256(data).hexdigest() == item.sha256 for item, data in found.items())
    assert bundle.place().unfinished() is None
    assert list(bundle.read({bundle.items[2].sha256})) == [bundle.items[2]]


def test_parts_have_the_size_asked_for(tmp_path):
    site = Site(tmp_path, "parts")
    site.write()
    sizes = [path.stat().st_size for path in site.files()]
    assert len(sizes) > 3
    assert set(sizes[:-1]) == {1500}
    assert [path.name for path in site.files()][:2] == ["bundle.tar.000", "bundle.tar.001"]


def test_any_altered_byte_is_noticed(bundle):
    """Each byte of a small bundle, unless it is in the manifest, which the signature covers."""
    bundle.items = bundle.items[:2]
    bundle.write()
    covered = len(HEAD.manifest), len(HEAD.signature)
    unnoticed = 0
    for path in bundle.files():
        if path.name.startswith("BUNDLE"):
            continue
        whole = path.read_bytes()
        for position in range(0, len(whole), 1 if len(whole) < 600 else 7):
            altered = bytearray(whole)
            altered[position] ^= 1
            path.write_bytes(bytes(altered))
            for left in (bundle.root / "in").glob("*"):
                left.unlink()
            try:
                same = bundle.place().head() == HEAD and len(bundle.read()) == 2
            except VerificationError:
                same = False
            unnoticed += same
        path.write_bytes(whole)
    assert unnoticed == 0, covered


def test_what_is_missing_is_noticed(bundle):
    bundle.write()
    for path in bundle.files():
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(VerificationError):
            found = bundle.place().head()
            assert found.signature is not None or raise_missing()
            bundle.read()
        path.write_bytes(data)
        for left in (bundle.root / "in").glob("*"):
            left.unlink()
    assert len(bundle.read()) == len(bundle.items)


def raise_missing():
    raise VerificationError("no signature")


def test_what_is_too_long_or_cut_is_noticed(bundle):
    bundle.write()
    last = [path for path in bundle.files() if path.stat().st_size][-1]
    whole = last.read_bytes()
    for changed in (whole + b"\0", whole[:-1]):
        last.write_bytes(changed)
        for left in (bundle.root / "in").glob("*"):
            left.unlink()
        with pytest.raises(VerificationError):
            bundle.read()


def test_a_damaged_content_makes_no_bundle_and_a_second_try_goes_on(bundle):
    last = bundle.items[-1]
    good = (bundle.pool / last.sha256).read_bytes()
    (bundle.pool / last.sha256).write_bytes(b"other" * 800)
    with pytest.raises(DigestError):
        bundle.write()
    with pytest.raises(VerificationError):
        bundle.place().head()
    (bundle.pool / last.sha256).write_bytes(good)
    # What is there already is not read from the pool again.
    first = bundle.items[1]
    os.truncate(bundle.pool / first.sha256, 0)
    bundle.write()
    assert len(bundle.read()) == len(bundle.items)


def test_another_beginning_starts_afresh(bundle):
    (bundle.pool / bundle.items[-1].sha256).write_bytes(b"")
    with pytest.raises(DigestError):
        bundle.write()
    bundle.items = bundle.items[:3]
    other = HEAD._replace(manifest=b"{}\n")
    bundle.write(other)
    assert bundle.place().head() == other
    assert list(bundle.read()) == bundle.items


def test_nothing_of_others_is_overwritten(bundle):
    bundle.write()
    before = [path.read_bytes() for path in bundle.files()]
    with pytest.raises(ConfigError):
        bundle.write(HEAD._replace(manifest=b"{}\n"))
    assert [path.read_bytes() for path in bundle.files()] == before
    other = bundle.out / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        DirectoryBundle(other).write(HEAD, [], lambda sha: bundle.pool / sha, lambda _: None)


def test_links_and_long_names_are_no_bundle(tmp_path):
    import tarfile

    path = tmp_path / "x.tar"
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        entry = tarfile.TarInfo("BUNDLE.json")
        entry.type, entry.linkname = kind, "/etc/shadow"
        path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
        with pytest.raises(VerificationError):
            TarBundle(path).head()
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(VerificationError, match="not a bundle"):
        TarBundle(path).head()
