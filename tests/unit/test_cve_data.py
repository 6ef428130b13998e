"""Scores and dates of CVEs from files, by the shape of each source."""

import json

import pytest

from tests.support import SHARED_DATA
from tuxmirror.core.advisory.cve import combine
from tuxmirror.core.advisory.cve_data import parse
from tuxmirror.core.advisory.status import Status
from tuxmirror.core.errors import AdvisoryError

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
AVAILABILITY = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"
V4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


def metric(score=9.8, source="nvd@nist.gov", vector=VECTOR, version="3.1"):
    return {
        "source": source,
        "cvssData": {"version": version, "vectorString": vector, "baseScore": score},
    }


def nvd(**metrics):
    cve = {
        "id": "CVE-2026-0001",
        "published": "2026-10-03T08:15:09.123",
        "lastModified": "2026-10-05T10:00:00.000",
        "vulnStatus": "Analyzed",
        "descriptions": [{"lang": "es", "value": "no"}, {"lang": "en", "value": "what it is"}],
        "weaknesses": [{"description": [{"lang": "en", "value": "CWE-79"}]}],
        "metrics": metrics or {"cvssMetricV31": [metric()]},
    }
    return {"vulnerabilities": [{"cve": cve}]}


def read(document, **more):
    return parse(json.dumps(document).encode(), "x.json", **more)


def test_nvd():
    both = {
        "cvssMetricV31": [metric(), metric(source="security@vendor.example")],
        "cvssMetricV2": [metric(7.5, vector=V2, version="2.0")],
        "cvssMetricV40": [metric(9.3, vector=V4, version="4.0")],
    }
    [cve] = read(nvd(**both)).cves
    assert {(s.source, s.version, s.value) for s in cve.scores} == {
        ("nvd", "3.1", 9.8), ("security@vendor.example", "3.1", 9.8), ("nvd", "2.0", 7.5),
        ("nvd", "4.0", 9.3),
    }  # fmt: skip
    assert cve.description == "what it is"
    assert cve.cwes == ("CWE-79",)
    assert cve.verdict.score == 9.8
    assert cve.disclosed == 1791015309
    assert not cve.rejected


def test_osv_gives_a_score_by_its_vector_and_a_placeholder_is_flagged():
    document = {
        "id": "GHSA-aaaa-bbbb-cccc",
        "modified": "2026-10-05T10:00:00Z",
        "published": "2026-01-01T00:00:00Z",
        "aliases": ["CVE-2026-0001", "PYSEC-1"],
        "severity": [{"type": "CVSS_V3", "score": VECTOR}, {"type": "CVSS_V4", "score": V4}],
        "affected": [],
    }
    [cve] = read(document).cves
    assert {(s.source, s.version, s.value) for s in cve.scores} == {
        ("ghsa", "3.1", 9.8), ("ghsa", "4.0", 9.3),
    }  # fmt: skip
    assert cve.disclosed is None
    assert "placeholder-date" in cve.flags


def test_red_hat_is_the_vendor():
    document = {
        "name": "CVE-2026-0001",
        "public_date": "2026-09-30T12:00:00Z",
        "cvss3": {"cvss3_base_score": "7.5", "cvss3_scoring_vector": AVAILABILITY},
        "cwe": "CWE-400->CWE-770",
        "details": ["text"],
    }  # fmt: skip
    [vendor] = read(document).cves
    [cve] = read(nvd()).cves
    both = combine([cve, vendor])
    assert both.verdict.rule == "vendor lower than NVD: NVD wins"
    assert both.cwes == ("CWE-400", "CWE-770", "CWE-79")
    assert both.disclosed == vendor.disclosed < cve.disclosed


def test_ours():
    of_nvd = {"source": "nvd", "version": "3.1", "vector": VECTOR}
    document = {
        "source": "vendor",
        "cves": [
            {"id": "CVE-2026-0001", "scores": [{"version": "3.1", "score": 7.1}]},
            {"id": "CVE-2026-0002", "disclosed": "2026-10-01", "scores": [of_nvd]},
        ],
    }  # fmt: skip
    one, two = read(document).cves
    assert (one.verdict.score, one.verdict.source) == (7.1, "vendor")
    assert (two.verdict.score, two.verdict.source) == (9.8, "nvd")
    assert [c.id for c in read(document, wanted={"CVE-2026-0002"}).cves] == ["CVE-2026-0002"]


BAD = {
    "no JSON": (b"{", "not JSON"),
    "another form": (b'{"a": 1}', "form that nobody here knows"),
    "a list of numbers": (b"[1]", "form that nobody here knows"),
    "a score above ten": (nvd(cvssMetricV31=[metric(10.1, vector="")]), "out of range"),
    "a negative score": (nvd(cvssMetricV31=[metric(-1, vector="")]), "out of range"),
    "a score that is none": (nvd(cvssMetricV31=[metric(float("nan"), vector="")]), "out of range"),
    "true for a score": (nvd(cvssMetricV31=[metric(True, vector="")]), "out of range"),
    "text for a score": (nvd(cvssMetricV31=[metric("high", vector="")]), "malformed data"),
    "a score unlike its vector": (nvd(cvssMetricV31=[metric(5.0)]), "not that of its vector"),
    "a vector that is none": (nvd(cvssMetricV31=[metric(vector="CVSS:3.1/AV:X")]), "vector that"),
    "a version that is none": (nvd(cvssMetricV31=[metric(version="3.7")]), "no CVSS version"),
    "an id that is none": ({"vulnerabilities": [{"cve": {"id": "<b>"}}]}, "no CVE's"),
    "a date that is none": ({"cves": [{"id": "CVE-2026-0001", "disclosed": "x"}]}, "no date"),
    "nothing in it": ({"vulnerabilities": [{}]}, "malformed data"),
    "one of ours twice": ({"cves": [{"id": "CVE-2026-0001"}] * 2}, "CVE-2026-0001 is there twice"),
    "an unknown key": ({"cves": [{"id": "CVE-2026-0001", "scors": []}]}, "unknown key 'scors'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_by_name(name):
    data, message = BAD[name]
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(AdvisoryError, match=message) as caught:
        parse(data, "feeds/x.json")
    assert caught.value.path == "feeds/x.json"
    assert caught.value.exit_status == 4


def test_texts_carry_no_control_characters():
    [cve] = read({"cves": [{"id": "CVE-2026-0001", "description": "a\x1b[2J\nb\u00a0c"}]}).cves
    assert cve.description == "a\ufffd[2J\nb\u00a0c"
    record = {
        "CVE": "CVE-2026-0002", "OS name": "AlmaLinux 9.2 ESU", "Project name": "curl",
        "Status": "Ignored", "Statement": "no\x1b]0;x\x07", "Last updated": "2026-11-01",
    }  # fmt: skip
    [status] = read(record).statuses
    assert status.statement == "no\ufffd]0;x\ufffd"


@pytest.mark.shared_data
def test_records_of_the_public_tracker():
    folder = SHARED_DATA / "security" / "tuxcare-esu-9.2-sample"
    found = [parse(path.read_bytes(), path.name) for path in sorted(folder.glob("*.json"))]
    statuses = [record for data in found for record in data.statuses]
    assert len(found) == 40
    assert {r.scope.title for r in statuses} == {"AlmaLinux 9.2 ESU"}
    assert Status.IGNORED in {r.status for r in statuses}


@pytest.mark.shared_data
def test_osv_of_almalinux_has_no_scores_and_is_read():
    for path in sorted((SHARED_DATA / "security" / "osv-sample").glob("*.json")):
        assert parse(path.read_bytes(), path.name).cves == []
