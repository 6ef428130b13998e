"""Advisories and CVEs for people; the documents are those of `usecases.advisory_questions`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from ..core.sla import TARGET_DAYS, Clock, Report

_WIDTH = 96
_SHOWN = 10


def list_lines(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    for entry in found:
        day = (entry["published"] or entry["issued"])[:10]
        facts = f"{day}  {entry['id']:<18}{entry['severity']:<11}{entry['release']:<26}"
        yield f"{facts}{entry['title']}".rstrip()
    if not found:
        yield "none"


def show_lines(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    for entry in found:
        yield f"{entry['id']}: {entry['title']}"
        yield f"  {'for':<12}{entry['release']}, {entry['kind']}, {entry['severity']}"
        yield f"  {'issued':<12}{entry['issued']}"
        yield f"  {'published':<12}{entry['published'] or 'when records began, or before'}"
        yield f"  {'snapshot':<12}{entry['snapshot']}"
        if entry["cves"]:
            yield from _wrapped("CVEs", " ".join(entry["cves"]))
        for build in entry["builds"]:
            module = f", module {build['module']}" if build["module"] else ""
            yield f"  {'fixed in':<12}{build['source']} {build['evr']}{module}"
            yield from _wrapped("", f"{' '.join(build['names'])} ({' '.join(build['arches'])})")
        yield from _install(entry)


def _install(entry: dict[str, Any]) -> Iterator[str]:
    for command in entry["commands"]:
        yield f"  {'install':<12}{command}"
    if entry["reboot"]:
        yield f"  {'':<12}and reboot: what runs is not replaced by an update"
    if entry["fips"]:
        yield from _wrapped("FIPS", entry["fips"])


def _wrapped(label: str, text: str) -> Iterator[str]:
    lines = textwrap.wrap(text, _WIDTH - 14, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield f"  {'' if number else label:<12}{line}"


def explain_lines(found: dict[str, Any]) -> Iterator[str]:
    score = "" if found["score"] is None else f" {found['score']:.1f}"
    yield f"{found['cve']}: {found['severity']}{score}{' (rejected)' if found['rejected'] else ''}"
    if found["description"]:
        yield from _wrapped("what", found["description"])
    target = f"a fix is due within {TARGET_DAYS} days" if found["covered"] else "no target"
    if found["needs_triage"]:
        target = "needs triage, and its clock runs"
    yield from _wrapped("rule", f"{found['rule']}: {target}")
    for entry in found["scores"]:
        date = f", of {entry['date'][:10]}" if entry["date"] else ""
        said = f"{entry['value']:.1f} by {entry['source']}, CVSS {entry['version']}{date}"
        yield f"  {'score':<12}{said} {entry['vector']}".rstrip()
    for text in found["flags"].values():
        yield from _wrapped("doubt", text)
    for entry in found["disclosures"]:
        placeholder = ", a placeholder that is not counted" if entry["placeholder"] else ""
        yield f"  {'disclosed':<12}{entry['date'][:10]} by {entry['source']}{placeholder}"
    if not found["releases"]:
        yield f"  {'status':<12}no release that is shown is known to be affected"
    for entry in found["releases"]:
        yield from _release_lines(entry)


def _release_lines(entry: dict[str, Any]) -> Iterator[str]:
    yield f"  {entry['release']}, {entry['package']}: {entry['status']}"
    if entry["statement"]:
        yield from _wrapped("  why", entry["statement"])
    if entry["advisories"]:
        yield f"  {'  fixed in':<12}{entry['version']} by {', '.join(entry['advisories'])}"
    if entry["clock"]:
        yield f"  {'  clock':<12}{_clock(entry['clock'])}"
    if entry["snapshot"]:
        vetted = entry["vetted"]
        by = f", {vetted['action']} by {vetted['by']} at {vetted['time']}" if vetted else ""
        yield f"  {'  snapshot':<12}{entry['snapshot']}{by}"
    if entry["commands"]:
        yield from (f"    {line[2:14].rstrip():<10}{line[14:]}" for line in _install(entry))


def _clock(clock: dict[str, Any]) -> str:
    if clock["baseline"]:
        return "the fix was there when records began"
    if clock["disclosed"] is None:
        return "no disclosure date is known"
    if clock["published"] is None:
        due = f"due {clock['due'][:10]}" if clock["counts"] else "no target"
        return f"running since {clock['disclosed'][:10]}, {due}"
    verdict = ""
    if clock["counts"]:
        late = clock["days"] > TARGET_DAYS
        verdict = f", late: {clock['reason']}" if late else ", in target"
    return f"published {clock['published'][:10]}, {clock['days']} days after disclosure{verdict}"


def sla_lines(reports: Sequence[Report]) -> Iterator[str]:
    for report in reports:
        yield report.title
        share = "-" if report.share is None else f"{100 * report.share:.1f} %"
        yield f"  {'in target':<14}{share} of {report.measured} ({TARGET_DAYS} days)"
        buckets = "  ".join(f"{name}: {count}" for name, count in report.buckets)
        yield f"  {'days':<14}{buckets}"
        figures = (("median", report.median), ("p90", report.p90))
        yield f"  {'':<14}" + "  ".join(f"{name} {_days(value)}" for name, value in figures)
        own = f"upstream's {_days(report.upstream_median)}, ours {_days(report.own_median)}"
        yield f"  {'medians':<14}{own}"
        running = f"{len(report.running)}, of which {len(report.overdue)} overdue"
        yield f"  {'running':<14}{running}"
        yield f"  {'not counted':<14}{report.undated} without a date, {report.baseline} from before"
    yield from _clocks("late", reports[0].breaches)
    yield from _clocks("overdue", reports[0].overdue)


def _clocks(title: str, clocks: Sequence[Clock]) -> Iterator[str]:
    for clock in clocks[:_SHOWN]:
        days = "" if clock.days is None else f"{clock.days} days, "
        where = f"{clock.cve} in {clock.package}, {clock.scope.title}"
        yield f"{title}: {where}: {days}{clock.reason()}"
    if len(clocks) > _SHOWN:
        yield f"{title}: and {len(clocks) - _SHOWN} more (--json has all)"


def _days(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
