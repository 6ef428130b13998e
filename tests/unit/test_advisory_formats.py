"""Every format says what the model says, for any advisory; the gate notices when one does not."""

import csv
import io
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.advisories import ESU, advisory, catalogue, package
from tuxmirror.core.advisory import parity
from tuxmirror.core.advisory.catalogue import Catalogue
from tuxmirror.core.advisory.cve import Cve, Disclosure
from tuxmirror.core.advisory.formats import claims, csaf, osv, oval, rss, tables
from tuxmirror.core.advisory.formats.context import Issuer, plain, purl, stem
from tuxmirror.core.advisory.model import Module, Scope
from tuxmirror.core.advisory.severity import Score
from tuxmirror.core.advisory.status import Status, StatusRecord
from tuxmirror.core.config import Tree
from tuxmirror.core.errors import RefusedError, VerificationError
from tuxmirror.usecases import advisory_formats

ISSUER = Issuer("Example & Sons", "https://esu.example.com", "psirt@example.com")
TREE = Tree("tuxcare/9.2/esu", type="local")
HOSTILE = "<script>alert(\"1\")</script> & 'x' ]]> <!-- --> \u202e {{7*7}} =cmd|calc"
FIX = "20.el9_2.tuxcare.2"
MODULE = Module("nodejs", "18", "9020", "abc123", "x86_64")


def three():
    """One of arches and an epoch, a kernel, a module stream."""
    libs = [
        package(
            "openssl-libs",
            release="20.el9_2.tuxcare.2",
            arch=arch,
            source="openssl-3.0.7-20.el9_2.tuxcare.2.src.rpm",
        )
        for arch in ("x86_64", "i686", "aarch64")
    ]
    kernel = [
        package(name, epoch=0, version="5.14.0", release="284.1101.el9_2.tuxcare.7")
        for name in ("kernel", "kernel-core", "kernel-tools")
    ]
    node = [package("nodejs", version="18.18.2", release="1.module+el9", module=MODULE)]
    return [
        advisory(packages=libs, title=HOSTILE, description=HOSTILE + "\nsecond line"),
        advisory("CLSA-2026:002", kernel, cves=("CVE-2026-0002", "CVE-2026-0003")),
        advisory("CLSA-2026:003", node, cves=("CVE-2026-0001",)),
        advisory("CLSA-2026:004", [package("curl")], kind="bugfix", cves=(), severity="None"),
    ]


def written(found=None, **more):
    known = catalogue(found if found is not None else three(), **more)
    return known, advisory_formats.write(ESU, known, ISSUER)


WORDS = st.text(st.characters(codec="utf-8"), max_size=40)
NAMES = st.from_regex(r"[a-z][a-z0-9+._-]{0,8}", fullmatch=True).filter(lambda n: n[-1] != "-")
VERSIONS = st.from_regex(r"[a-z0-9+._~^]{1,8}", fullmatch=True)
PACKAGES = st.builds(
    package,
    NAMES,
    version=VERSIONS,
    release=VERSIONS,
    arch=st.sampled_from(["x86_64", "i686", "noarch", "aarch64"]),
    epoch=st.integers(0, 40),
    module=st.none() | st.just(MODULE),
)
CVES = st.sets(st.integers(1000, 1020).map(lambda n: f"CVE-2026-{n}"), min_size=1, max_size=4)
ADVISORIES = st.lists(
    st.tuples(st.integers(1, 50), st.lists(PACKAGES, min_size=1, max_size=6), CVES, WORDS, WORDS,
              st.sampled_from(["security", "security", "bugfix"]), st.integers(0, 10**9)),
    max_size=6, unique_by=lambda item: item[0],
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(ADVISORIES)
def test_every_format_says_what_the_model_says(items):
    found = [
        advisory(f"CLSA-2026:{number:03}", set(packages), title=title, description=text, kind=kind,
                 cves=tuple(sorted(cves)), updated=1_000_000 + age)
        for number, packages, cves, title, text, kind, age in items
    ]  # fmt: skip
    known, documents = written(found)
    advisory_formats.check(TREE, ESU, known, documents)
    assert written(list(reversed(found)))[1].keys() == documents.keys()


@given(WORDS)
def test_what_is_written_is_xml_whatever_others_wrote(text):
    documents = written([advisory(title=text, description=text, rights=text)])[1]
    for path in (oval.path(ESU), rss.path(ESU)):
        root = ElementTree.fromstring(documents[path])
        assert "script" not in {e.tag.rpartition("}")[2] for e in root.iter()}


def test_the_same_advisories_give_the_same_bytes():
    assert written()[1] == written()[1]


def test_paths_are_those_of_the_guide():
    documents = written()[1]
    assert "tuxcare/9.2/almalinux9.2-esu-oval.xml" in documents
    assert "rss_feed/releases/almalinux9.2esu" in documents
    assert "csaf/almalinux9.2-esu/1970/clsa-2026_001.json" in documents
    assert "csaf/almalinux9.2-esu/vex/1970/almalinux9_2-esu-cve-2026-0001.json" in documents
    assert "osv/almalinux9.2-esu/CLSA-2026-001.json" in documents
    assert all(re.fullmatch(r"[A-Za-z0-9._/-]+", path) for path in documents)


# --- the gate ---------------------------------------------------------------------------------


def _drop_definition(data):
    return re.sub(rb'<definition id="[^"]*:2026001".*?</definition>\n', b"", data, flags=re.DOTALL)


def _drop_item(data):
    return re.sub(rb"<item>.*?CLSA-2026:001.*?</item>", b"", data, count=1, flags=re.DOTALL)


def _json(change):
    def edit(data):
        document = json.loads(data)
        change(document)
        return json.dumps(document).encode()

    return edit


def _drop_entry(document):
    document["advisories"] = document["advisories"][1:]


def _swap(old, new=b""):
    return lambda data: data.replace(old, new)


def _cut(pattern):
    return lambda data: re.sub(pattern, b"", data)


def _pop(*path):
    """Take away the last of a list in a JSON document."""

    def change(document):
        for step in path:
            document = document[step]
        document.pop()

    return _json(change)


def _twice(document):
    document["advisories"].append({**document["advisories"][0], "id": "CLSA-2026:999"})


OVAL, RSS = oval.path(ESU), rss.path(ESU)
CSAF = "csaf/almalinux9.2-esu/1970/clsa-2026_001.json"
OSV = "osv/almalinux9.2-esu/CLSA-2026-001.json"
VEX = "csaf/almalinux9.2-esu/vex/1970/almalinux9_2-esu-cve-2026-0002.json"
JSON, CSV = tables.json_path(ESU), tables.csv_path(ESU)
VEX1 = VEX.replace("0002", "0001")
NO_EPOCH = _swap(b"openssl-libs-1:3.0.7", b"openssl-libs-3.0.7")
MUTANTS = {
    "OVAL loses an advisory": (OVAL, _drop_definition),
    "OVAL loses a CVE": (OVAL, _cut(rb'<reference source="CVE" ref_id="CVE-2026-0003"[^>]*/>')),
    "OVAL loses an epoch": (OVAL, _swap(b">1:3.0.7-20.el9_2", b">3.0.7-20.el9_2")),
    "OVAL has another epoch": (OVAL, _swap(b">1:3.0.7-20", b">0:3.0.7-20")),
    "OVAL loses an arch": (OVAL, _swap(b"aarch64|i686|x86_64", b"aarch64|x86_64")),
    "OVAL looks at another package": (OVAL, _swap(b":name>openssl-libs<", b":name>openssl<")),
    "RSS loses an advisory": (RSS, _drop_item),
    "RSS loses a CVE": (RSS, _cut(rb"<category domain=[^>]*>CVE-2026-0003</category>")),
    "RSS loses an epoch": (RSS, NO_EPOCH),
    "CSAF loses an advisory": (CSAF, None),
    "CSAF loses a CVE": (CSAF.replace("001", "002"), _pop("vulnerabilities")),
    "CSAF loses an epoch": (CSAF, NO_EPOCH),
    "CSAF fixes less than it lists": (
        CSAF,
        _pop("vulnerabilities", 0, "product_status", "fixed"),
    ),
    "OSV loses an advisory": (OSV, None),
    "OSV loses a CVE": (OSV.replace("001", "002"), _pop("related")),
    "OSV loses an epoch": (OSV, _swap(b'"fixed": "1:3.0.7', b'"fixed": "3.0.7')),
    "VEX loses a CVE": (VEX, None),
    "VEX loses an epoch": (VEX1, NO_EPOCH),
    "JSON loses an advisory": (JSON, _json(_drop_entry)),
    "JSON loses a CVE": (JSON, _pop("advisories", 1, "cves")),
    "JSON loses an epoch": (JSON, _swap(b'"epoch": 1', b'"epoch": 0')),
    "JSON has an advisory more": (JSON, _json(_twice)),
    "CSV loses an advisory": (CSV, _cut(rb"CLSA-2026:003[^\n]*\n")),
    "CSV loses a CVE": (CSV, _swap(b" CVE-2026-0003")),
    "CSV loses an epoch": (CSV, NO_EPOCH),
    "OVAL is cut short": (OVAL, lambda data: data[: len(data) // 2]),
    "JSON is no JSON": (JSON, lambda data: data[:-20]),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_gate_catches_a_writer_that(name):
    known, documents = written()
    advisory_formats.check(TREE, ESU, known, documents)
    path, edit = MUTANTS[name]
    before = documents[path]
    if edit is None:
        del documents[path]
    else:
        documents[path] = edit(before)
        assert documents[path] != before
    with pytest.raises(VerificationError) as caught:
        advisory_formats.check(TREE, ESU, known, documents)
    assert caught.value.exit_status == 4
    assert "nothing was published" in caught.value.way_out


def test_the_difference_is_named():
    model = claims.of(three())
    found = {a: c for a, c in model.items() if a != "CLSA-2026:003"}
    found["CLSA-2026:002"] = claims.Claim(frozenset(("CVE-2026-0002",)), frozenset())
    with pytest.raises(VerificationError) as caught:
        parity.check("tuxcare/9.2/esu", model, {"OVAL": (model, found)})
    text = str(caught.value)
    assert "OVAL: advisory CLSA-2026:003 is missing" in text
    assert "CLSA-2026:002 cve CVE-2026-0003 is missing" in text
    assert "kernel-0:5.14.0-284.1101.el9_2.tuxcare.7.x86_64 is missing" in text
    assert "5 differences" in text


def test_packages_that_are_not_there():
    found = [
        advisory(packages=[package("a", repository="x86_64"), package("b", repository="x86_64")])
    ]
    lost = parity.missing(found, {"x86_64": {"a-1:3.0.7-1.x86_64"}})
    assert lost == {"CLSA-2026:001": ["b-1:3.0.7-1.x86_64"]}
    assert [p.name for p in parity.without(found, lost)[0].packages] == ["a"]
    error = parity.not_closed("tuxcare/9.2/esu", lost)
    assert isinstance(error, RefusedError)
    assert "b-1:3.0.7-1.x86_64" in str(error)
    nothing = parity.missing(found, {})
    assert parity.without(found, nothing) == []
    # The epoch is part of a package's name here, and so is the repository.
    assert parity.missing(found, {"x86_64": {"a-0:3.0.7-1.x86_64", "b-1:3.0.7-1.x86_64"}})
    assert parity.missing(found, {"aarch64": found[0].identities})


# --- single formats ---------------------------------------------------------------------------


def test_oval_gates_on_the_release_and_anchors_arches():
    data = written()[1][OVAL].decode()
    assert (
        r"<red-def:version operation=\"pattern match\">^9\.2(?:[^\d]|$)<".replace('\\"', '"')
        in data
    )
    arches = re.findall(r"<red-def:arch [^>/]*>([^<]*)<", data)
    assert arches and all(re.fullmatch(r"\^\(\?:[a-z0-9_|]+\)\$", arch) for arch in arches)
    evrs = re.findall(r'<red-def:evr datatype="evr_string" operation="less than">([^<]*)<', data)
    assert evrs and all(re.match(r"\d+:", evr) for evr in evrs)
    assert len(evrs) == data.count("<red-def:evr")
    assert "signature_keyid" not in data
    assert 'comment="openssl-libs is earlier than 1:3.0.7-20.el9_2.tuxcare.2"' in data
    assert 'comment="Module nodejs:18 is enabled"' in data
    assert "CLSA-2026:004" not in data
    major = oval.write(Scope("9", "essential"), [], Catalogue(), ISSUER).decode()
    assert "<definitions>" not in major


def test_oval_of_kernels_asks_for_all_of_them_and_for_the_running_one():
    root = ElementTree.fromstring(written()[1][OVAL])
    checks = {
        e.get("comment").partition(" ")[0]: e.get("check")
        for e in root.iter() if e.tag.endswith("rpminfo_test")
    }  # fmt: skip
    assert checks["kernel-core"] == checks["kernel"] == "all"
    assert checks["kernel-tools"] == checks["openssl-libs"] == "at least one"
    comments = [e.get("comment") for e in root.iter() if e.tag.endswith("variable_test")]
    assert comments == [
        "kernel earlier than 0:5.14.0-284.1101.el9_2.tuxcare.7 is currently running"
    ]


@pytest.mark.parametrize(
    ("name", "number"),
    [("CLSA-2023:1688677755", "20231688677755"), ("CLSA-2026:001", "2026001"), ("odd id", None)],
)
def test_oval_ids_end_in_a_number(name, number):
    found = oval.definition_id(advisory(name))
    assert re.fullmatch(r"oval:com\.tuxcare\.clsa:def:[1-9][0-9]+", found)
    assert number is None or found.endswith(f":{number}")


def test_scores_of_a_cve_are_in_the_documents():
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    cve = Cve(
        "CVE-2026-0001", "what it is", (Score("nvd", "3.1", 9.8, vector),),
        (Disclosure("nvd", 1_700_000_000),), ("CWE-79",),
    )  # fmt: skip
    documents = written(cves={cve.id: cve})[1]
    text = documents[OVAL].decode()
    assert f'cvss3="9.8/{vector}"' in text
    assert 'public="20231114"' in text and 'impact="Critical"' in text
    [vulnerability] = json.loads(documents[CSAF])["vulnerabilities"]
    assert vulnerability["scores"][0]["cvss_v3"]["baseScore"] == 9.8
    assert vulnerability["release_date"].startswith("2023-11-14")
    entry = json.loads(documents[JSON])["advisories"][0]["cves"][0]
    assert (entry["score"], entry["source"], entry["flags"]) == (9.8, "nvd", ["single-source"])


def test_vex_says_what_is_not_fixed_and_why():
    def record(package, status, statement="", scope=ESU):
        return StatusRecord("CVE-2026-0001", scope, package, status, "", statement, 5)

    records = (
        record("nss", Status.IGNORED, "local <b>only</b>"),
        record("curl", Status.NOT_VULNERABLE, "no such code"),
        record("gnutls", Status.NEEDS_TRIAGE),
        record("glibc", Status.IN_TESTING),
        record("zlib", Status.ALREADY_FIXED),
        record("other", Status.IN_TESTING, scope=Scope("9.6", "esu")),
    )
    known, documents = written(statuses=records)
    advisory_formats.check(TREE, ESU, known, documents)
    document = json.loads(
        documents["csaf/almalinux9.2-esu/vex/1970/almalinux9_2-esu-cve-2026-0001.json"]
    )
    [found] = document["vulnerabilities"]
    status = found["product_status"]
    assert status["known_affected"] == ["almalinux9.2-esu/glibc", "almalinux9.2-esu/nss"]
    assert status["known_not_affected"] == ["almalinux9.2-esu/curl"]
    assert status["under_investigation"] == ["almalinux9.2-esu/gnutls"]
    assert "almalinux9.2-esu/zlib" in status["fixed"]
    assert found["threats"][0]["details"] == "no such code"
    categories = {r["category"] for r in found["remediations"]}
    assert categories == {"vendor_fix", "no_fix_planned", "none_available"}
    assert "other" not in json.dumps(document)


def test_the_feed_has_the_newest_by_when_the_channel_showed_them():
    found = [advisory(f"CLSA-2026:{n:03}", [package(f"p{n}")]) for n in range(1, rss.LIMIT + 30)]
    first = {(ESU, a.id): 1_600_000_000 + 60 * n for n, a in enumerate(found)}
    known, documents = written(found, first_published=first)
    advisory_formats.check(TREE, ESU, known, documents)
    items = ElementTree.fromstring(documents[RSS]).findall("channel/item")
    assert len(items) == rss.LIMIT
    assert items[0].findtext("guid") == found[-1].id
    assert items[0].find("guid").get("isPermaLink") == "false"
    assert items[0].findtext("pubDate").endswith("GMT")


def test_titles_are_no_formulas_in_spreadsheets():
    documents = written([advisory(title="=1+cmd|' /C calc'!A0")])[1]
    [row] = csv.DictReader(io.StringIO(documents[CSV].decode()))
    assert row["title"].startswith("'=")


def test_first_publications_are_read_back():
    found = three()
    documents = written(found, first_published={(ESU, found[0].id): 1_700_000_000})[1]
    assert tables.published_in(documents[JSON]) == {found[0].id: 1_700_000_000}


def test_plain_marks_what_xml_cannot_carry():
    assert plain("a\x00b\x1b\ud800\ufffec\n\t") == "a\ufffdb\ufffd\ufffd\ufffdc\n\t"
    assert plain("ünï") == "ünï"


def test_names_for_files_and_package_urls():
    assert stem("CLSA-2026:001") == "CLSA-2026-001"
    assert "/" not in stem("../../etc/passwd")
    url = purl(package("gcc-c++", version="1~rc+1", epoch=2), ESU)
    assert url == "pkg:rpm/tuxcare/gcc-c%2B%2B@1~rc%2B1-1?arch=x86_64&distro=almalinux-9.2&epoch=2"
    assert purl(package(epoch=0), Scope("9.2", "essential")).startswith(
        "pkg:rpm/almalinux/openssl@"
    )


def test_osv_names_streams_apart():
    document = json.loads(written()[1][OSV])
    assert document["affected"][0]["package"]["ecosystem"] == "TuxCare:AlmaLinux 9.2 ESU"
    assert document["affected"][0]["ranges"][0]["events"][1] == {
        "fixed": "1:3.0.7-20.el9_2.tuxcare.2"
    }
    assert osv.ecosystem(Scope("9.2", "essential")) == "AlmaLinux:9"


def test_an_advisory_of_two_revisions_says_so():
    one = replace(advisory(), updated=2_000_000)
    tracking = json.loads(csaf.write(one, Catalogue((one,)), ISSUER))["document"]["tracking"]
    assert [r["number"] for r in tracking["revision_history"]] == ["1", "2"]
    assert tracking["version"] == "2"
