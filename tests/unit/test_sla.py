"""The fourteen days: clocks, buckets, breaches and what is not measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_advisory_model import advisory, package
from tuxmirror.core import sla
from tuxmirror.core.advisory.catalogue import Catalogue
from tuxmirror.core.advisory.cve import Cve, Disclosure
from tuxmirror.core.advisory.model import Scope
from tuxmirror.core.advisory.severity import Score
from tuxmirror.core.advisory.status import Status, StatusRecord
from tuxmirror.core.sla import DAY, Clock

ESU = Scope("9.2", "esu")
ESSENTIAL = Scope("9.2", "essential")
START = 1_700_000_000
CVE = "CVE-2026-0001"
HIGH = (Score("nvd", "3.1", 9.8),)
LOW = (Score("nvd", "3.1", 3.1),)


def known(scores=HIGH, disclosed=START, **more):
    dates = (Disclosure("nvd", disclosed),) if disclosed is not None else ()
    return {CVE: Cve(CVE, scores=scores, disclosures=dates, **more)}


def clock_of(catalogue, baseline=frozenset()):
    [clock] = sla.clocks(catalogue, baseline)
    return clock


def released(published, scope=ESU, issued=START, cves=None, **more):
    one = advisory("A-1", scope=scope, issued=issued, updated=issued, cves=(CVE,))
    first = {(scope, "A-1"): published} if published is not None else {}
    cves = known() if cves is None else cves
    return Catalogue((one,), cves, first_published=first, channel="vetted", **more)


@pytest.mark.parametrize(
    ("seconds", "days"),
    [(-5, 0), (0, 0), (1, 1), (DAY, 1), (DAY + 1, 2), (14 * DAY, 14), (14 * DAY + 1, 15)],
)
def test_begun_days_count(seconds, days):
    clock = clock_of(released(START + seconds))
    assert clock.days == days
    found = sla.report("x", [clock], START)
    assert (found.within, len(found.breaches)) == ((1, 0) if days <= 14 else (0, 1))


def test_upstreams_delay_apart_from_ours():
    catalogue = released(START + 20 * DAY, scope=ESSENTIAL, issued=START + 18 * DAY)
    clock = clock_of(catalogue)
    assert (clock.days, clock.upstream_days, clock.own_days) == (20, 18, 2)
    assert clock.reason() == "upstream's fix came on day 18, ours 2 later"


def test_a_fix_of_our_own_is_ours_from_the_disclosure():
    clock = clock_of(released(START + 20 * DAY, issued=START + 18 * DAY))
    assert (clock.upstream_days, clock.own_days) == (None, 20)
    assert clock.reason() == "no reason is recorded"


def test_what_scores_less_than_7_has_no_target():
    clock = clock_of(released(START + 99 * DAY, cves=known(LOW)))
    assert not clock.counts
    assert sla.report("x", [clock], START).measured == 0


def test_what_has_no_comparable_score_counts():
    assert clock_of(released(START, cves=known(()))).counts
    assert clock_of(released(START, cves=known((Score("nvd", "2.0", 9.0),)))).counts
    assert not clock_of(released(START, cves=known((), rejected=True))).counts


def test_baseline_and_undated_are_counted_and_not_measured():
    old = clock_of(released(START + 900 * DAY), frozenset({(ESU, "A-1")}))
    undated = clock_of(released(START, cves=known(disclosed=None)))
    found = sla.report("x", [old, undated], START)
    assert (found.measured, found.share, found.baseline, found.undated) == (0, None, 1, 1)
    assert found.breaches == ()


@pytest.mark.parametrize("status", list(Status))
def test_only_what_needs_a_fix_has_a_clock(status):
    record = StatusRecord(CVE, ESU, "openssl", status, statement="waiting for a review")
    found = sla.clocks(Catalogue((), known(), (record,)), frozenset())
    never = status in (Status.IGNORED, Status.NOT_VULNERABLE, Status.ALREADY_FIXED)
    assert len(found) == (0 if never else 1)
    if status.open:
        report = sla.report("x", found, START + 15 * DAY)
        assert report.overdue == report.running == tuple(found)
        assert found[0].reason() == "waiting for a review"
        assert sla.report("x", found, START + 14 * DAY).overdue == ()


def test_each_package_has_its_clock_and_the_first_advisory_stops_it():
    packages = [package("kernel", source="kernel-5-1.src.rpm")]
    other = [package("kernel-rt", source="kernel-rt-5-1.src.rpm")]
    advisories = (
        advisory("A-1", packages, cves=(CVE,)),
        advisory("A-2", other, cves=(CVE,)),
        advisory("A-3", packages, cves=(CVE,)),
    )
    first = {(ESU, "A-1"): START + DAY, (ESU, "A-2"): START + 9 * DAY, (ESU, "A-3"): START + 2}
    found = sla.clocks(Catalogue(advisories, known(), first_published=first), frozenset())
    assert [(c.package, c.advisory, c.days) for c in found] == [
        ("kernel", "A-3", 1),
        ("kernel-rt", "A-2", 9),
    ]


def clock_after(days):
    return Clock("CVE-1", ESU, "p", "A", START, None, START + days * DAY, True)


@given(st.lists(st.integers(0, 60), min_size=1))
def test_buckets_hold_everything_once(days):
    found = sla.report("x", [clock_after(d) for d in days], START)
    assert sum(count for _, count in found.buckets) == found.measured == len(days)
    buckets = dict(found.buckets)
    assert buckets["0-7"] + buckets["8-14"] == found.within
    assert found.within + len(found.breaches) == found.measured
    assert found.p90 in days
    assert sum(1 for d in days if d <= found.p90) * 10 >= 9 * len(days)


def test_reports_of_each_scope_and_of_all():
    clocks = [clock_after(1), clock_after(20)._replace(scope=ESSENTIAL)]
    found = sla.reports(clocks, START)
    assert [(r.title, r.measured) for r in found] == [
        ("All releases", 2),
        ("AlmaLinux 9.2 Essential", 1),
        ("AlmaLinux 9.2 ESU", 1),
    ]
    assert [c.days for c in found[0].breaches] == [20]
