"""Our own advisories and statuses from files: taken, or refused by file and line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.advisories import ESU
from tuxmirror.adapters.advisory_files import AdvisoryFolder
from tuxmirror.core.advisory import own
from tuxmirror.core.advisory.cve import Cve
from tuxmirror.core.advisory.severity import Score
from tuxmirror.core.advisory.status import Status
from tuxmirror.core.errors import AdvisoryError, ConfigError
from tuxmirror.core.package import Package

NOW = 1_795_000_000  # 2026-11-18
GOOD = """\
id: CLSA-2026:001
title: openssl security update
severity: Important
issued: 2026-11-01
updated: 2026-11-02T10:00:00Z
cves: [CVE-2026-0001, CVE-2026-0002]
description: |
  Two lines
  of text.
references:
  - url: https://bugs.example.com/1
    kind: bugzilla
    id: '1'
sources: [openssl-3.0.7-20.el9_2.tuxcare.2]
"""


def rpm(
    name, version="3.0.7", release="20.el9_2.tuxcare.2", arch="x86_64", source="openssl", epoch=1
):
    return Package(
        name, epoch, version, release, arch, f"Packages/{name}-{version}-{release}.{arch}.rpm",
        "a" * 64, 1, 0, f"{source}-{version}-{release}.src.rpm",
    )  # fmt: skip


PACKAGES = {
    "x86_64": [
        rpm("openssl"), rpm("openssl-libs"), rpm("openssl-libs", arch="i686"),
        rpm("curl", "7.1", "1", source="curl", epoch=0),
    ],
    "aarch64": [rpm("openssl", arch="aarch64")],
}  # fmt: skip


def read(folder, text, name="one.yaml"):
    (folder / name).write_text(text)
    return own.read(AdvisoryFolder(folder).nodes(), ESU, NOW)


def resolved(folder, text, cves=None):
    return own.resolve(read(folder, text), PACKAGES, cves or {})


def test_a_good_advisory(tmp_path):
    [found] = resolved(tmp_path, GOOD)
    assert found.id == "CLSA-2026:001"
    assert found.kind == "security"
    assert found.cves == ("CVE-2026-0001", "CVE-2026-0002")
    assert found.description == "Two lines\nof text.\n"
    assert (found.issued, found.updated) == (1793491200, 1793613600)
    assert {p.nevra for p in found.packages} == {
        "openssl-1:3.0.7-20.el9_2.tuxcare.2.x86_64",
        "openssl-libs-1:3.0.7-20.el9_2.tuxcare.2.x86_64",
        "openssl-libs-1:3.0.7-20.el9_2.tuxcare.2.i686",
        "openssl-1:3.0.7-20.el9_2.tuxcare.2.aarch64",
    }
    assert {p.repository for p in found.packages} == {"x86_64", "aarch64"}
    assert {r.kind for r in found.references} == {"cve", "bugzilla"}
    assert found.origin == "one.yaml:1"


def test_json_is_read_as_well_and_files_can_hold_many(tmp_path):
    document = {
        "advisories": [
            {"id": "CLSA-2026:002", "title": "curl", "kind": "bugfix", "issued": "2026-11-01",
             "packages": ["curl-7.1-1.x86_64"]},
            {"id": "CLSA-2026:003", "title": "curl", "severity": "Low", "issued": "2026-11-01",
             "packages": ["curl-0:7.1-1.x86_64"], "cves": ["CVE-2026-0009"]},
        ],
        "statuses": [
            {"cve": "CVE-2026-0003", "package": "nss", "status": "Ignored", "statement": "local",
             "updated": "2026-11-01"},
        ],
    }  # fmt: skip
    text = json.dumps(document, indent="\t")
    found = read(tmp_path, text, "many.json")
    assert [d.advisory.id for d in found.drafts] == ["CLSA-2026:002", "CLSA-2026:003"]
    assert found.statuses[0].status is Status.IGNORED
    assert [len(a.packages) for a in own.resolve(found, PACKAGES, {})] == [1, 1]


def test_a_severity_that_no_file_gives_is_that_of_the_gravest_cve(tmp_path):
    text = GOOD.replace("severity: Important\n", "")
    cves = {
        "CVE-2026-0001": Cve("CVE-2026-0001", scores=(Score("nvd", "3.1", 5.0),)),
        "CVE-2026-0002": Cve("CVE-2026-0002", scores=(Score("nvd", "3.1", 9.1),)),
    }
    [found] = resolved(tmp_path, text, cves)
    assert found.severity == "Critical"
    with pytest.raises(AdvisoryError, match="none of its CVEs has a score"):
        resolved(tmp_path, text)


def change(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


STATUS = """\
statuses:
- cve: CVE-2026-0003
  package: nss
  status: In Research
  updated: 2026-11-01
"""
CONTROL = "control character"
BUILD = "openssl-3.0.7-20.el9_2.tuxcare.2"
BAD = {
    "not YAML": ("id: [", 1, "cannot be read"),
    "a list": ("- a\n", 1, "no mapping"),
    "an unknown key": (GOOD + "serverity: Low\n", 15, "did you mean 'severity'"),
    "no id": (change("id: CLSA-2026:001\n", ""), 1, "has no 'id'"),
    "a malformed id": (change("CLSA-2026:001", "CLSA-26-1"), 1, "id is malformed"),
    "a path as id": (change("CLSA-2026:001", "../../etc"), 1, "id is malformed"),
    "no title": (change("title: openssl security update\n", ""), 1, "has no 'title'"),
    "an empty title": (change("openssl security update", "''"), 2, "title is empty"),
    "a control character": (change("openssl security", '"a\\x1b[31m"\n#'), 2, CONTROL),
    "an override of direction": (change("openssl security", '"a\\u202e"\n#'), 2, CONTROL),
    "two lines of title": (change("openssl security update", "|\n  a\n  b"), 2, CONTROL),
    "a long title": (change("openssl security", "x" * 600), 2, "too long"),
    "another severity": (change("Important", "High"), 3, "severity is unknown"),
    "no date": (change("2026-11-01", "soon"), 4, "no date"),
    "an impossible date": (change("2026-11-01", "2026-02-30"), 4, "no date"),
    "a date in the future": (change("2026-11-01", "2027-01-01"), 4, "cannot be"),
    "a date long ago": (change("2026-11-01", "1970-01-01"), 4, "cannot be"),
    "updated before issued": (change("2026-11-02T10:00:00Z", "2026-10-01"), 5, "before it was"),
    "a CVE that is none": (change("CVE-2026-0002", "CVE-26-2"), 6, "CVE is malformed"),
    "a CVE twice": (change("CVE-2026-0002", "CVE-2026-0001"), 6, "listed twice"),
    "security without a CVE": (change("cves: [CVE-2026-0001, CVE-2026-0002]\n", ""), 1, "no CVE"),
    "a bugfix with a severity": (GOOD + "kind: bugfix\n", 1, "has a severity"),
    "an unknown kind": (GOOD + "kind: feature\n", 15, "kind is unknown"),
    "an address that is none": (change("https://bugs", "javascript:alert//"), 11, "no address"),
    "HTML in an address": (change("com/1", 'com/"><script>'), 11, "no address"),
    "no packages": (change("sources: [openssl-3.0.7-20.el9_2.tuxcare.2]\n", ""), 1, "no packages"),
    "a source that is none": (change(f"[{BUILD}]", "[openssl]"), 14, "malformed"),
    "a key twice": (GOOD + "title: again\n", 15, "there twice"),
    "an alias": ("a: &x [1]\nb: *x\n", 2, "an alias"),
    "deep nesting": ("a: " + "[" * 40 + "]" * 40, 1, "nested too deeply"),
    "a list where text belongs": (change("openssl security update", "[a, b]"), 2, "no text"),
    "Released by hand": (STATUS.replace("In Research", "Released"), 4, "publishing an advisory"),
    "Ignored without why": (STATUS.replace("In Research", "Ignored"), 2, "without a statement"),
    "an unknown status": (STATUS.replace("In Res", "in res"), 4, "did you mean In Research"),
    "a status twice": (STATUS + STATUS.partition("\n")[2], 6, "there twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_by_file_and_line(tmp_path, name):
    text, line, message = BAD[name]
    with pytest.raises(AdvisoryError, match=message) as caught:
        read(tmp_path, text)
    assert caught.value.path == f"one.yaml:{line}"
    assert caught.value.exit_status == 4
    assert "nothing was published" in caught.value.way_out


def test_the_same_id_in_two_files(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    with pytest.raises(AdvisoryError, match="there twice") as caught:
        read(tmp_path, GOOD, "b.yaml")
    assert (caught.value.path, caught.value.found) == ("b.yaml:1", "also at a.yaml:1")


@pytest.mark.parametrize(
    "text",
    [
        change(BUILD, BUILD.replace("tuxcare.2", "tuxcare.3")),
        change(f"sources: [{BUILD}]", f"packages: [{BUILD}.x86_64]"),
    ],
)
def test_packages_that_are_not_there_are_named_with_the_nearest(tmp_path, text):
    with pytest.raises(AdvisoryError, match="no repository of the tree has") as caught:
        resolved(tmp_path, text)
    assert caught.value.path == "one.yaml:14"
    assert "nearest is openssl" in caught.value.found


def test_a_status_that_an_advisory_contradicts(tmp_path):
    (tmp_path / "s.yaml").write_text(
        STATUS.replace("CVE-2026-0003", "CVE-2026-0001").replace("nss", "openssl")
    )
    with pytest.raises(
        AdvisoryError, match="is In Research here and fixed by CLSA-2026:001"
    ) as caught:
        resolved(tmp_path, GOOD)
    assert caught.value.path == "s.yaml:2"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="no such directory"):
        AdvisoryFolder(tmp_path / "no").fingerprint()


def test_hidden_files_are_left_alone_and_the_fingerprint_tells_changes(tmp_path):
    (tmp_path / ".swp.yaml").write_text("[")
    (tmp_path / "notes.txt").write_text("[")
    before = AdvisoryFolder(tmp_path).fingerprint()
    assert list(AdvisoryFolder(tmp_path).nodes()) == []
    (tmp_path / "a.yaml").write_text(GOOD)
    assert AdvisoryFolder(tmp_path).fingerprint() != before


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(AdvisoryError, match="UTF-8"):
        list(AdvisoryFolder(tmp_path).nodes())


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_whatever_a_file_holds_is_an_advisory_or_refused_by_name(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("files")
    (folder / "x.yaml").write_text(text, encoding="utf-8", errors="replace")
    try:
        own.read(AdvisoryFolder(folder).nodes(), ESU, NOW)
    except AdvisoryError as error:
        assert error.path and error.path.startswith("x.yaml")
