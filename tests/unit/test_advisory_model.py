"""Advisories, CVEs, severities, statuses and their catalogue as values."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.advisories import ESU, FIPS, advisory, package
from tuxmirror.core.advisory.catalogue import Catalogue
from tuxmirror.core.advisory.cve import PLACEHOLDER, Cve, Disclosure, combine
from tuxmirror.core.advisory.merge import merge
from tuxmirror.core.advisory.model import (
    Module,
    Reference,
    Scope,
    is_cve,
    scope_of,
    sort_key,
)
from tuxmirror.core.advisory.severity import (
    MISSING,
    PREFER_NVD,
    SINGLE_SOURCE,
    V2_ONLY,
    V4_ONLY,
    Score,
    band,
    decide,
)
from tuxmirror.core.advisory.status import Status, StatusRecord


@pytest.mark.parametrize(
    ("tree", "scope"),
    [
        ("almalinux/9.2", Scope("9.2", "essential")),
        ("almalinux/9", Scope("9", "essential")),
        ("tuxcare/9.2/esu", ESU),
        ("epel/9", None),
        ("almalinux", None),
        ("almalinux/9.2/BaseOS", None),
        ("tuxcare/9.2", None),
        ("almalinux/kitten", None),
    ],
)
def test_scope_comes_from_the_trees_name(tree, scope):
    assert scope_of(tree) == scope


def test_names_of_a_scope_are_those_of_the_guide():
    assert (ESU.slug, ESU.title, ESU.major) == ("almalinux9.2-esu", "AlmaLinux 9.2 ESU", "9")
    assert Scope("9.2", "essential").title == "AlmaLinux 9.2 Essential"


def test_identity_always_has_the_epoch_and_nevra_only_where_there_is_one():
    assert package().identity == "openssl-1:3.0.7-1.x86_64"
    assert package(epoch=0).identity == "openssl-0:3.0.7-1.x86_64"
    assert package(epoch=0).nevra == "openssl-3.0.7-1.x86_64"


def test_source_name_of_a_package():
    assert package("libssl", source="openssl-3.0.7-1.src.rpm").source_name == "openssl"
    assert package("kernel-core", source="kernel-rt-5-1.src.rpm").source_name == "kernel-rt"
    assert package("libssl").source_name == "libssl"
    assert package("libssl", source="odd.src.rpm").source_name == "libssl"


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("CVE-2026-0001", True),
        ("CVE-2026-123456", True),
        ("CVE-2026-001", False),
        ("cve-2026-0001", False),
        ("CVE-26-0001", False),
        ("CVE-2026-0001 ", False),
        ("CVE-2026-\u0660\u0660\u0660\u0661", False),
        ("", False),
    ],
)
def test_what_is_a_cve(text, good):
    assert is_cve(text) is good


# --- severity --------------------------------------------------------------------------------


def nvd(value, version="3.1", **more):
    return Score("nvd", version, value, **more)


def vendor(value, version="3.1", **more):
    return Score("vendor", version, value, **more)


@pytest.mark.parametrize(
    ("scores", "value", "source", "flags"),
    [
        ([nvd(9.8), vendor(7.5)], 9.8, "nvd", ()),
        ([nvd(5.0), vendor(7.5)], 7.5, "vendor", ()),
        ([nvd(7.5), vendor(7.5)], 7.5, "nvd", ()),
        ([nvd(7.5)], 7.5, "nvd", (SINGLE_SOURCE,)),
        ([vendor(3.1)], 3.1, "vendor", (SINGLE_SOURCE,)),
        ([Score("ghsa", "3.1", 8.1)], 8.1, "ghsa", (SINGLE_SOURCE,)),
        ([Score("ghsa", "3.1", 8.1), nvd(6.0)], 6.0, "nvd", ()),
        ([Score("a", "3.1", 8.1), Score("b", "3.0", 4.0)], 8.1, "a", ()),
        ([nvd(10.0, "2.0")], None, None, (V2_ONLY,)),
        ([nvd(9.3, "4.0")], None, None, (V4_ONLY,)),
        ([nvd(9.3, "4.0"), vendor(5.0, "2.0")], None, None, (V4_ONLY,)),
        ([], None, None, (MISSING,)),
        ([nvd(9.8, "3.0", date=9), nvd(5.0, "3.1", date=1)], 5.0, "nvd", (SINGLE_SOURCE,)),
        ([nvd(9.8, date=1), nvd(5.0, date=2)], 5.0, "nvd", (SINGLE_SOURCE,)),
        # A v2 or v4 score beside a v3 one is kept, and not compared.
        ([nvd(10.0, "2.0"), nvd(6.9)], 6.9, "nvd", (SINGLE_SOURCE,)),
    ],
)
def test_which_score_counts(scores, value, source, flags):
    verdict = decide(scores)
    assert (verdict.score, verdict.source, verdict.flags) == (value, source, flags)


def test_a_higher_vendor_score_can_be_left_aside():
    assert decide([nvd(5.0), vendor(7.5)], PREFER_NVD).score == 5.0
    assert decide([nvd(5.0), vendor(4.0)], PREFER_NVD).score == 5.0


@pytest.mark.parametrize(
    ("score", "word", "covered", "severity"),
    [
        (10.0, "Critical", True, "Critical"),
        (9.0, "Critical", True, "Critical"),
        (8.9, "High", True, "Important"),
        (7.0, "High", True, "Important"),
        (6.9, "Medium", False, "Moderate"),
        (4.0, "Medium", False, "Moderate"),
        (3.9, "Low", False, "Low"),
        (0.1, "Low", False, "Low"),
        (0.0, "None", False, "None"),
    ],
)
def test_bands(score, word, covered, severity):
    verdict = decide([nvd(score)])
    assert (band(score), verdict.covered, verdict.severity) == (word, covered, severity)


SCORES = st.builds(
    Score,
    st.sampled_from(["nvd", "vendor", "ghsa"]),
    st.sampled_from(["2.0", "3.0", "3.1", "4.0"]),
    st.sampled_from([0.0, 3.9, 4.0, 6.9, 7.0, 9.8]),
)


@given(st.lists(SCORES, max_size=8))
def test_the_order_of_sources_decides_nothing(scores):
    verdict = decide(scores)
    assert decide(reversed(scores)) == verdict
    assert verdict.needs_triage is not any(s.version.startswith("3.") for s in scores)
    if verdict.score is not None:
        assert verdict.version in ("3.0", "3.1")


@given(st.lists(SCORES, max_size=8))
def test_a_lower_vendor_score_never_lowers_what_nvd_says(scores):
    of_nvd = decide([s for s in scores if s.source == "nvd"]).score
    if of_nvd is not None:
        assert decide(scores).score >= of_nvd


# --- CVEs ------------------------------------------------------------------------------------


def test_the_clock_starts_at_the_earliest_date_that_somebody_means():
    dates = (Disclosure("nvd", 200), Disclosure("osv", 100, True), Disclosure("vendor", 150))
    cve = Cve("CVE-2026-0001", disclosures=dates)
    assert cve.disclosed == 150
    assert PLACEHOLDER in cve.flags
    assert Cve("CVE-2026-0001", disclosures=(dates[1],)).disclosed is None


def test_what_sources_say_is_kept_by_source():
    one = Cve("CVE-2026-0001", "text", (nvd(9.8),), (Disclosure("nvd", 5),), ("CWE-79",))
    two = Cve("CVE-2026-0001", "", (vendor(5.0), nvd(9.8)), rejected=True)
    both = combine([two, one])
    assert both.scores == (nvd(9.8), vendor(5.0))
    assert (both.description, both.rejected, both.cwes) == ("text", True, ("CWE-79",))
    assert both.verdict.rule == "vendor lower than NVD: NVD wins"


# --- merging ---------------------------------------------------------------------------------


def test_parts_from_several_repositories_are_one_advisory():
    one = advisory(packages=[package(repository="BaseOS/x86_64")], cves=("CVE-2026-0001",))
    two = advisory(
        packages=[package(arch="aarch64", repository="BaseOS/aarch64")],
        cves=("CVE-2026-0002",), updated=2_000_000, title="newer",
    )  # fmt: skip
    [merged], conflicts = merge([one, two])
    assert not conflicts
    assert merged.identities == one.identities | two.identities
    assert merged.cves == ("CVE-2026-0001", "CVE-2026-0002")
    assert (merged.title, merged.issued, merged.updated) == ("newer", 1_000_000, 2_000_000)


@pytest.mark.parametrize(
    ("first", "second", "taken", "conflict"),
    [
        # same date and version: disjoint, superset, partial overlap
        ("a", "b", "ab", None),
        ("a", "ab", "ab", None),
        ("ab", "bc", None, "overlap"),
        # the second is newer: overlapping, disjoint
        ("ab", "b+", "b", None),
        ("a", "b+", "b", "other packages"),
    ],
)
def test_records_of_one_repository(first, second, taken, conflict):
    def record(text):
        packages = [package(name, repository="r") for name in text.rstrip("+")]
        return advisory(packages=packages, updated=2_000_000 if "+" in text else 1_000_000)

    for pair in ((first, second), (second, first)):
        [merged], conflicts = merge(record(text) for text in pair)
        if taken:
            assert {p.name for p in merged.packages} == set(taken)
        assert bool(conflicts) is bool(conflict)
        assert not conflict or conflict in conflicts[0].reason


def test_versions_of_records_are_numbers():
    old, new = (
        advisory(packages=[package(repository="r")], version=v, title=v) for v in ["9", "10"]
    )
    [merged], _ = merge([new, old])
    assert merged.title == "10"


def test_the_same_id_in_two_products_is_two_advisories():
    found, _ = merge([advisory(), advisory(scope=FIPS)])
    assert [a.scope for a in found] == [ESU, FIPS]


@given(st.permutations("abcd"))
def test_merging_does_not_depend_on_the_order(order):
    records = {
        "a": advisory(packages=[package("a", repository="r1")]),
        "b": advisory(packages=[package("b", repository="r2")], updated=2_000_000, title="b"),
        "c": advisory("CLSA-2026:002", packages=[package("c", repository="r1")]),
        "d": advisory(packages=[package("d", repository="r1")]),
    }
    assert merge(records[name] for name in order) == merge(records.values())


def test_packages_with_and_without_module_sort():
    module = Module("nodejs", "18", "1", "abc", "x86_64")
    assert module.nsvca == "nodejs:18:1:abc:x86_64"
    assert sorted([package(module=module), package()], key=sort_key)[0].module is None


# --- catalogue -------------------------------------------------------------------------------


@pytest.fixture
def catalogue():
    fix = advisory(packages=[package("libssl", source="openssl-3.0.7-1.src.rpm")])
    bug = advisory("CLSA-2026:002", [package("curl", epoch=0)], kind="bugfix", cves=(), scope=FIPS)
    statuses = (
        StatusRecord("CVE-2026-0001", ESU, "openssl", Status.IN_PROGRESS),
        StatusRecord("CVE-2026-0009", FIPS, "nss", Status.IGNORED, statement="local only"),
    )
    cves = {"CVE-2026-0005": Cve("CVE-2026-0005")}
    return Catalogue((fix, bug), cves, statuses, {(ESU, fix.id): 77}, channel="vetted")


def test_catalogue_answers_by_cve_advisory_package_and_release(catalogue):
    assert [a.id for a in catalogue.fixing("CVE-2026-0001")] == ["CLSA-2026:001"]
    assert [a.id for a in catalogue.advisory("CLSA-2026:002")] == ["CLSA-2026:002"]
    assert catalogue.of_package("openssl") == catalogue.of_package("libssl") != ()
    assert len(catalogue.of_release("9.2")) == 2
    assert catalogue.scopes == (ESU, FIPS)
    assert catalogue.cve_ids == ("CVE-2026-0001", "CVE-2026-0005", "CVE-2026-0009")
    assert catalogue.published(catalogue.advisories[0]) == 77
    assert catalogue.published(catalogue.advisories[1]) is None
    assert catalogue.fixing("CVE-1999-0001") == ()
    assert catalogue.cve("CVE-1999-0001").flags == (MISSING,)


def test_what_is_published_is_released_whatever_a_file_says(catalogue):
    [record] = catalogue.status("CVE-2026-0001")
    assert (record.status, record.version, record.updated) == (Status.RELEASED, "1:3.0.7-1", 77)
    [other] = catalogue.status("CVE-2026-0009")
    assert other.status is Status.IGNORED
    assert not other.status.open
    assert Status.NEEDS_TRIAGE.open


def test_only_some_packages():
    both = advisory(packages=[package("a"), package("b")])
    assert both.only([package("b")]) == replace(both, packages=(package("b"),))
    assert Reference("cve", "CVE-2026-0001", "https://x") in {
        Reference("cve", "CVE-2026-0001", "https://x")
    }
