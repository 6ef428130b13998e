"""What every metadata reader promises (ports.MetadataReader), shown on createrepo_c's."""

import bz2
import gzip
import hashlib
import lzma
import os
import pickle
import random

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import SHARED_DATA
from tuxmirror.adapters import metadata_process
from tuxmirror.adapters.metadata_process import BoundedMetadata, MetadataProcess
from tuxmirror.adapters.rpmmd import RpmMetadata
from tuxmirror.core import repomd
from tuxmirror.core.advisory.model import Scope
from tuxmirror.core.errors import MetadataError
from tuxmirror.core.package import check_packages
from tuxmirror.core.summary import Advisory

PACKERS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
UPDATEINFO = b"""<?xml version="1.0" encoding="UTF-8"?>
<updates><update from="x" status="final" type="security" version="3"><id>ALSA-1</id>
<title>a title</title><severity>Important</severity><references>
<reference href="https://x" id="CVE-2023-1" type="cve" title="CVE-2023-1"/>
<reference href="https://x" id="17" type="bugzilla" title="17"/></references>
<pkglist><collection short="a"><name>a</name></collection></pkglist></update></updates>"""


@pytest.fixture(scope="module")
def process():
    made = MetadataProcess()
    yield made
    made.close()


@pytest.fixture(params=["in this process", "bounded"])
def reader(tmp_path, request, process):
    if request.param == "bounded":
        return BoundedMetadata(tmp_path, process)
    return RpmMetadata(tmp_path)


@pytest.fixture(scope="module")
def primary(tiny_tree_master):
    packed = tiny_tree_master.metadata_path("BaseOS", "x86_64", "primary")
    return gzip.decompress(packed.read_bytes())


def write(folder, data):
    path = folder / "metadata"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("packer", PACKERS)
def test_packages_in_any_compression(reader, tmp_path, primary, packer):
    path = write(tmp_path, PACKERS[packer](primary))
    digest = hashlib.sha256(primary).hexdigest()
    alpha, beta, gamma = sorted(reader.packages(path, digest, len(primary)))
    assert (alpha.name, beta.epoch, gamma.arch) == ("alpha", 2, "noarch")
    assert beta.nevra == "beta-2:2.0-1.el9.x86_64"
    assert gamma.location == "Packages/gamma-0.5~rc1-1.el9.noarch.rpm"
    assert alpha.sourcerpm == "alpha-1.0-1.el9.src.rpm"


def test_nothing_is_left_in_the_scratch_folder(reader, tmp_path, primary):
    path = write(tmp_path, gzip.compress(primary))
    reader.packages(path, None, None)
    with pytest.raises(MetadataError):
        reader.packages(path, None, 10)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("packer", PACKERS)
def test_advisories(reader, tmp_path, packer):
    [advisory] = reader.advisories(write(tmp_path, PACKERS[packer](UPDATEINFO)), None)
    assert advisory == Advisory("ALSA-1", "Important", ("CVE-2023-1",), "a title")


@pytest.mark.parametrize("size", [-1, 1])
def test_promised_size_is_held_against_it(reader, tmp_path, primary, size):
    path = write(tmp_path, gzip.compress(primary))
    with pytest.raises(MetadataError, match="promised"):
        reader.packages(path, None, len(primary) + size)


@pytest.mark.parametrize(
    "data",
    [b"", b"text", b"<metadata", b"<metadata/>x", b"<updates/>", b"<!-- <metadata> --><x/>",
     b'<?xml version="1.0" encoding="UTF-16"?><metadata/>', b"\xef\xbb\xbf", b"\xff\xfe<\0",
     b"<metadata>\0</metadata>", b"<metadata>\xff</metadata>", b"<!DOCTYPE metadata><metadata/>"],
)  # fmt: skip
def test_not_a_primary(reader, tmp_path, data):
    with pytest.raises(MetadataError):
        reader.packages(write(tmp_path, data), None, None)


def test_doctype_across_the_border_of_two_chunks(reader, tmp_path):
    head = b"<metadata>"
    data = head + b" " * ((1 << 20) - len(head) - 4) + b"<!DOCTYPE x></metadata>"
    with pytest.raises(MetadataError, match="DOCTYPE"):
        reader.packages(write(tmp_path, data), None, None)


def test_licence_before_the_root_element(reader, tmp_path, primary):
    commented = primary.replace(b"<metadata ", b"<!-- <metadata> of whom? -->\n<metadata ", 1)
    assert len(reader.packages(write(tmp_path, commented), None, None)) == 3


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_spoilt_primary_is_read_or_refused(reader, tmp_path, primary, data):
    """Pieces cut, doubled or replaced: only MetadataError, and no unsafe location."""
    content = primary
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = data.draw(st.integers(start, min(len(content), start + 60)))
        piece = data.draw(
            st.sampled_from([b"", b"<", b'"', b"../", b"&amp;", b"&x;", b"sha1", b"-1", b"x" * 99])
            | st.binary(max_size=4)
        )
        content = content[:start] + piece + content[end:]
    try:
        packages = reader.packages(write(tmp_path, content), None, None)
        check_packages(packages)
    except MetadataError:
        return
    assert all(".." not in package.location.split("/") for package in packages)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100), st.sampled_from(sorted(PACKERS)), st.integers(0, 40))
def test_spoilt_archives_are_refused(reader, tmp_path, noise, packer, position):
    packed = bytearray(PACKERS[packer](UPDATEINFO * 3))
    packed[position : position + len(noise)] = noise
    try:
        reader.advisories(write(tmp_path, bytes(packed)), None)
    except MetadataError:
        return


REAL = {
    "createrepo_c_additional_metadata": (1, 1),
    "katello-zoo": (20, 7),
    "librepo-yum-mock/static/02": (1, 0),
    "librepo-yum-mock/static/03": (1, None),
    "librepo_repo_yum_03_zck": (21, None),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REAL)
def test_real_repositories(reader, name):
    root = SHARED_DATA / "repodata" / name
    index = repomd.parse((root / "repodata/repomd.xml").read_bytes())
    primary, updateinfo = index.file("primary"), index.file("updateinfo")
    packages = reader.packages(root / primary.location, primary.open_sha256, primary.open_size)
    check_packages(packages)
    advisories = updateinfo and reader.advisories(root / updateinfo.location, updateinfo.open_size)
    expected = REAL[name]
    assert len(packages) == expected[0]
    assert (None if advisories is None else len(advisories)) == expected[1]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["librepo_repo_yum_01", "librepo-yum-mock/static/01"])
def test_real_repositories_of_the_age_of_sha1(name):
    data = (SHARED_DATA / "repodata" / name / "repodata/repomd.xml").read_bytes()
    with pytest.raises(MetadataError, match="no SHA-256"):
        repomd.parse(data)


# -- bounds ----------------------------------------------------------------------------------------

SMALL = 400 << 20


def bloated(primary, megabytes):
    """One package whose summary is so long; compressed, it is nothing suspicious."""
    text = random.Random(1).randbytes(1 << 18).hex().encode() * (2 * megabytes)
    return primary.replace(b"<summary>", b"<summary>" + text, 1)


@pytest.fixture
def small():
    made = MetadataProcess(SMALL)
    yield made
    made.close()


def test_what_takes_more_memory_than_there_is_for_it_is_refused(tmp_path, primary, small):
    bounded = BoundedMetadata(tmp_path, small)
    path = write(tmp_path, bloated(primary, 200))
    with pytest.raises(MetadataError) as caught:
        bounded.packages(path, None, path.stat().st_size)
    assert "within bounds" in caught.value.message
    assert "400 MiB" in caught.value.expected
    # The next file is read by a new process.
    assert bounded.packages(write(tmp_path, primary), None, len(primary))


def test_a_large_file_of_small_things_needs_no_more_memory(tmp_path, primary, small):
    """What is bounded is what one document makes us hold, not its length."""
    start, end = primary.index(b"<package "), primary.rindex(b"</metadata>")
    path = write(tmp_path, primary[:start] + primary[start:end] * 4000 + primary[end:])
    assert path.stat().st_size > 8_000_000
    found = BoundedMetadata(tmp_path, small).packages(path, None, None)
    assert len(found) == 4000 * 3


def test_both_readers_say_the_same_of_errata(tmp_path, process):
    path = write(tmp_path, UPDATEINFO)
    scope = Scope("9.2", "almalinux")
    plain, bounded = RpmMetadata(tmp_path), BoundedMetadata(tmp_path, process)
    assert bounded.errata(path, None, scope, "BaseOS") == plain.errata(path, None, scope, "BaseOS")


def test_a_reader_that_was_taken_over_runs_nothing_here(tmp_path, monkeypatch, primary):
    """An answer is values and results; a pickle could name any function."""

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    answer = pickle.dumps((True, [Evil()]))
    script = tmp_path / "worker"
    script.write_bytes(b"#!/bin/sh\nread line\ncat " + bytes(tmp_path / "answer") + b"\n")
    script.chmod(0o755)
    (tmp_path / "answer").write_bytes(len(answer).to_bytes(8, "big") + answer)
    monkeypatch.setattr(metadata_process.sys, "executable", str(script))
    with pytest.raises(MetadataError):
        BoundedMetadata(tmp_path, MetadataProcess()).packages(write(tmp_path, primary), None, None)
    assert not (tmp_path / "harm").exists()


def test_a_length_that_lies_is_not_believed(tmp_path, monkeypatch, primary):
    script = tmp_path / "worker"
    script.write_bytes(b"#!/bin/sh\nread line\nprintf '\\377\\377\\377\\377\\377\\377\\377\\377'\n")
    script.chmod(0o755)
    monkeypatch.setattr(metadata_process.sys, "executable", str(script))
    with pytest.raises(MetadataError):
        BoundedMetadata(tmp_path, MetadataProcess()).packages(write(tmp_path, primary), None, None)
