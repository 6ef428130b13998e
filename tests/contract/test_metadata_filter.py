"""What every filter of metadata promises (ports.MetadataFilter), shown on what cuts text."""

import gzip
import hashlib
import random
import zlib
from pathlib import Path

import createrepo_c as cr
import pytest
import zstandard

from tuxmirror.adapters.metadata_filter import MetadataCutter
from tuxmirror.adapters.rpmmd import RpmMetadata
from tuxmirror.core import repomd as index_format
from tuxmirror.core.errors import MetadataError
from tuxmirror.core.policy.builds import ModuleNeed
from tuxmirror.core.policy.outcome import Selection
from tuxmirror.ports import Metadata

REPO = "AppStream/x86_64"
NOTHING = Selection({}, {}, {}, {})
DOCUMENT = """\
---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: {version}
  context: c
  arch: x86_64
  summary: >-
    with a line
    --- that is no start
  dependencies:
  - requires:
      platform: [el9]
      perl: ["5.32"]
  artifacts:
    rpms:
    - {name}-0:{version}-1.x86_64
...
"""
DEFAULTS = "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: node\n...\n"


def package(number, version=1):
    made = cr.Package()
    made.name, made.version, made.release = f"p{number}", str(version), "1"
    made.epoch, made.arch = "0", "x86_64"
    made.pkgId = hashlib.sha256(f"{number} {version}".encode()).hexdigest()
    made.checksum_type = "sha256"
    made.summary, made.description = "A <b>", 'with & and "'
    made.url = made.rpm_license = made.rpm_vendor = made.rpm_group = "x"
    made.rpm_buildhost = made.rpm_packager = "x"
    made.rpm_sourcerpm = f"p{number}-{version}-1.src.rpm"
    made.size_package = made.size_installed = made.size_archive = 1000
    made.location_href = f"Packages/p{number}-{version}-1.x86_64.rpm"
    made.files = [("", f"/usr/share/p{number}/", "é & <file>"), ("", "/usr/bin/", f"p{number}")]
    made.changelogs = [("A <a@b.c>", 1600000000, "- </package> is written so, <package > too")]
    return made


def update(name, *packages):
    record = cr.UpdateRecord()
    record.fromstr, record.status, record.type, record.version = "a@b.c", "final", "security", "1"
    record.id, record.title, record.severity = name, f"{name} & more", "Low"
    record.summary, record.description = "s", "d < e"
    collection = cr.UpdateCollection()
    collection.shortname = collection.name = "c"
    for each in packages:
        listed = cr.UpdateCollectionPackage()
        listed.name, listed.version, listed.release = each.name, each.version, each.release
        listed.epoch, listed.arch, listed.src = each.epoch, each.arch, each.rpm_sourcerpm
        listed.filename = each.location_href.rpartition("/")[2]
        collection.append(listed)
    record.append_collection(collection)
    return record


def repository(root, packages, updates=(), modules="", compression="gz", comps=True):
    """A repository's metadata as createrepo_c writes it; `edit` hooks are for the tests."""
    repodata = root / "repodata"
    repodata.mkdir(parents=True)
    texts = {
        "primary": cr.PrimaryXmlFile,
        "filelists": cr.FilelistsXmlFile,
        "other": cr.OtherXmlFile,
    }
    contents = {}
    for kind, make in texts.items():
        path = root / f"{kind}.xml"
        file = make(str(path), cr.NO_COMPRESSION)
        file.set_num_of_pkgs(len(packages))
        for each in packages:
            file.add_pkg(each)
        file.close()
        contents[kind, "xml"] = path.read_bytes()
    if updates:
        info = cr.UpdateInfo()
        for each in updates:
            info.append(each)
        contents["updateinfo", "xml"] = info.xml_dump().encode()
    if modules:
        contents["modules", "yaml"] = modules.encode()
    if comps:
        contents["group", "xml"] = b"<comps><group/></comps>"
    contents["primary_db", "sqlite"] = b"a database"
    contents["prestodelta", "xml"] = b"<prestodelta/>"
    return indexed(root, contents, compression)


def indexed(root, contents, compression="gz"):
    pack = {
        "gz": lambda text: gzip.compress(text, mtime=0),
        "zst": lambda text: zstandard.ZstdCompressor().compress(text),
    }[compression]
    repomd = cr.Repomd()
    repomd.set_revision("1700000000")
    repomd.add_content_tag("binary-x86_64")
    repomd.add_distro_tag("AlmaLinux 9", "cpe:/o:almalinux:almalinux:9")
    for (kind, form), text in contents.items():
        path = root / "repodata" / f"{kind}.{form}.{compression}"
        path.write_bytes(pack(text))
        record = cr.RepomdRecord(kind, str(path))
        record.fill(cr.SHA256)
        record.rename_file()
        repomd.set_record(record)
    path = root / "repodata/repomd.xml"
    path.write_text(repomd.xml_dump())
    index = index_format.parse(path.read_bytes())
    places = {file.sha256: root / file.location for file in index.files}
    return Metadata(REPO, index, {**places, index.sha256: path})


def inflate(data):
    if data[:2] == b"\x1f\x8b":
        return zlib.decompress(data, 31)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def text_of(made, kind):
    [path] = [path for path in made.values() if f"-{kind}." in path.name]
    return inflate(path.read_bytes())


def packages_of(metadata, scratch):
    primary = metadata.repomd.file("primary")
    path = metadata.places[primary.sha256]
    return RpmMetadata(scratch).packages(path, primary.open_sha256, primary.open_size)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    return made


def cut(metadata, folder, left_out=(), shown=None, **sides):
    packages = [p for p in packages_of(metadata, folder) if p.sha256 not in left_out]
    kept = sides.get("kept", frozenset())
    if shown is not None:
        packages += [p for p in packages_of(shown, folder) if p.sha256 in kept]
    selection = Selection(
        {REPO: frozenset(left_out)},
        {REPO: kept},
        {REPO: sides.get("modules_left_out", frozenset())},
        {REPO: sides.get("modules_kept", frozenset())},
    )
    return packages, MetadataCutter(folder).cut(metadata, shown, packages, selection, folder)


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_what_stays_stays_byte_for_byte(tmp_path, folder, compression):
    packages = [package(n) for n in range(5)]
    metadata = repository(tmp_path / "up", packages, compression=compression)
    out = packages[2].pkgId
    left, filtered = cut(metadata, folder, [out])
    for kind in ("primary", "filelists", "other"):
        text = text_of(filtered.made, kind)
        file = metadata.repomd.file(kind)
        upstream = inflate(metadata.places[file.sha256].read_bytes())
        assert out.encode() in upstream
        assert out.encode() not in text
        assert b'packages="4"' in text
        for line in text.splitlines():
            assert line.replace(b'"4"', b'"5"') in upstream
    assert [p.name for p in left] == ["p0", "p1", "p3", "p4"]


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_index_describes_what_was_made_and_keeps_the_rest(tmp_path, folder, compression):
    packages = [package(n) for n in range(3)]
    metadata = repository(tmp_path / "up", packages, compression=compression)
    _, filtered = cut(metadata, folder, [packages[0].pkgId])
    index = index_format.parse(filtered.repomd)
    assert [file.type for file in index.files] == ["primary", "filelists", "other", "group"]
    assert index.revision == 1700000000
    assert index.file("group") == metadata.repomd.file("group")
    for file in index.files[:3]:
        data = filtered.made[file.location].read_bytes()
        assert hashlib.sha256(data).hexdigest() == file.sha256
        assert (len(data), len(inflate(data))) == (file.size, file.open_size)
        assert hashlib.sha256(inflate(data)).hexdigest() == file.open_sha256
        assert file.location.endswith(f"{file.sha256}-{file.type}.xml.{compression}")
    assert b"binary-x86_64" in filtered.repomd
    assert b"cpe:/o:almalinux:almalinux:9" in filtered.repomd


def test_same_input_same_bytes(tmp_path, folder):
    packages = [package(n) for n in range(20)]
    updates = [update("A", *packages[:3]), update("B", packages[9])]
    metadata = repository(tmp_path / "up", packages, updates)
    out = [each.pkgId for each in packages[1::3]]
    _, first = cut(metadata, folder, out)
    random.shuffle(out)
    _, second = cut(metadata, folder, out)
    assert first.repomd == second.repomd
    assert first.made.keys() == second.made.keys()


def test_nothing_left_and_nothing_there(tmp_path, folder):
    packages = [package(1)]
    metadata = repository(tmp_path / "up", packages, [update("A", *packages)])
    _, filtered = cut(metadata, folder, [packages[0].pkgId])
    assert b'packages="0"' in text_of(filtered.made, "primary")
    assert index_format.parse(filtered.repomd).file("updateinfo") is None
    empty = repository(tmp_path / "empty", [])
    assert packages_of(empty, folder) == []
    _, again = cut(empty, folder)
    assert b"</metadata>" in text_of(again.made, "primary")


def test_packages_that_the_candidate_lacks_come_from_what_is_shown(tmp_path, folder):
    old, new, other = package(1), package(1, 2), package(2)
    candidate = repository(tmp_path / "new", [new, other], [update("B", new), update("C", other)])
    shown = repository(tmp_path / "old", [old, other], [update("A", old), update("C", other)])
    packages, filtered = cut(candidate, folder, [new.pkgId], shown, kept=frozenset({old.pkgId}))
    assert [p.nevra for p in packages] == ["p2-1-1.x86_64", "p1-1-1.x86_64"]
    for kind in ("primary", "filelists", "other"):
        text = text_of(filtered.made, kind)
        assert old.pkgId.encode() in text
        assert b'packages="2"' in text
        assert text.count(b"</package>") == 2
    updates = text_of(filtered.made, "updateinfo")
    assert b">A<" in updates
    assert updates.count(b">C<") == 1
    assert b">B<" not in updates


def test_advisories_are_cut_to_what_is_there(tmp_path, folder):
    packages = [package(n) for n in range(4)]
    updates = [update("A", packages[0], packages[1]), update("B", packages[2]), update("C")]
    metadata = repository(tmp_path / "up", packages, updates)
    _, filtered = cut(metadata, folder, [packages[1].pkgId, packages[2].pkgId])
    index = index_format.parse(filtered.repomd)
    path = filtered.made[index.file("updateinfo").location]
    [advisory] = RpmMetadata(folder).advisories(path, None)
    assert advisory.id == "A"
    assert advisory.title == "A & more"
    text = text_of(filtered.made, "updateinfo")
    assert b"p0-1-1" in text
    assert b"p1-1-1" not in text
    cr.UpdateInfo(str(path))


def test_modules(tmp_path, folder):
    one = DOCUMENT.format(name="node", stream="18", version=1)
    two = DOCUMENT.format(name="node", stream="18", version=2)
    metadata = repository(tmp_path / "up", [package(1)], modules=one + two + DEFAULTS)
    found = MetadataCutter(folder).modules(metadata)
    assert [build.nsvc for build in found] == ["node:18:1:c", "node:18:2:c"]
    assert found[0].artifacts == {"node-0:1-1.x86_64"}
    assert found[0].requires == {ModuleNeed("perl", frozenset({"5.32"}))}
    _, filtered = cut(metadata, folder, modules_left_out=frozenset({"node:18:2:c"}))
    assert text_of(filtered.made, "modules").decode() == one + DEFAULTS
    shown = repository(tmp_path / "old", [package(1)], modules=one + DEFAULTS)
    later = repository(tmp_path / "new", [package(1)], modules=two + DEFAULTS)
    _, filtered = cut(
        later, folder, shown=shown, modules_left_out=frozenset({"node:18:2:c"}),
        modules_kept=frozenset({"node:18:1:c"}),
    )  # fmt: skip
    assert text_of(filtered.made, "modules").decode() == DEFAULTS + one


@pytest.mark.parametrize(
    "modules",
    [
        "---\ndocument: modulemd\nversion: 2\ndata: {name: x}\n...\n",
        "---\n[1, 2\n...\n",
        "---\n- a\n",
    ],
)
def test_modules_that_cannot_be_understood(tmp_path, folder, modules):
    metadata = repository(tmp_path / "up", [], modules=modules)
    with pytest.raises(MetadataError, match="cannot be understood"):
        MetadataCutter(folder).modules(metadata)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<summary>A", b"<summary><!-- </package> -->A"),
        (b"<summary>A", b"<summary><![CDATA[</package>]]>A"),
        (b"</package>\n<package", b"</package>\n<other/><package"),
        (b'pkgid="YES"', b'pkgid="NO"'),
        (b"</metadata>", b"</metadata><package type='rpm'></package>"),
        (b"<package type", b"<package type='rpm'><package type"),
    ],
)
def test_text_that_could_be_taken_for_something_else(tmp_path, folder, old, new):
    packages = [package(n) for n in range(3)]
    metadata = repository(tmp_path / "up", packages)
    primary = metadata.repomd.file("primary")
    text = inflate(metadata.places[primary.sha256].read_bytes())
    assert old in text
    hostile = indexed(tmp_path / "up", {("primary", "xml"): text.replace(old, new, 1)})
    with pytest.raises(MetadataError, match="cannot be cut safely"):
        MetadataCutter(folder).cut(hostile, None, packages_of(metadata, folder), NOTHING, folder)


def test_a_package_twice_or_missing_is_noticed(tmp_path, folder):
    packages = [package(n) for n in range(3)]
    metadata = repository(tmp_path / "up", packages)
    promised = packages_of(metadata, folder)
    for wrong in (promised[:2], [*promised, promised[0]]):
        with pytest.raises(MetadataError, match="cannot be cut safely"):
            MetadataCutter(folder).cut(metadata, None, wrong, NOTHING, folder)


def test_large_files_are_cut_in_blocks(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("tuxmirror.adapters.metadata_filter._BLOCK", 97)
    packages = [package(n) for n in range(9)]
    metadata = repository(tmp_path / "up", packages)
    left, filtered = cut(metadata, folder, [packages[4].pkgId])
    assert len(left) == 8
    assert text_of(filtered.made, "other").count(b"</package>") == 8


def test_nothing_is_left_beside_what_was_made(tmp_path, folder):
    metadata = repository(tmp_path / "up", [package(1)])
    _, filtered = cut(metadata, folder)
    assert sorted(folder.iterdir()) == sorted(Path(path) for path in filtered.made.values())
