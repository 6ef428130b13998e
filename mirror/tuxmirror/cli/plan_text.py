"""A plan, and what is explained, for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..adapters.reporters import human_bytes, utc
from ..core.policy.plan import by_build

_TITLES = {"held": "waits", "left_out": "left out", "pulled_in": "pulled in", "kept": "kept"}
_SIGNS = (("+", "added"), ("-", "removed"), ("!", "changed"))


def lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """From what changes to what does not, and why; the last line says how to go on."""
    change = plan["difference"]
    yield f"{plan['tree']} {plan['channel']}: plan {plan['plan']}"
    yield _field("from", plan["shown"] or "nothing")
    by = f" by policy {plan['policy']}" if plan["policy"] else ""
    yield _field("to", f"what passes of {plan['source']}{by}" if by else plan["source"])
    yield _field("affects", _affected(plan.get("affected", {})))
    for sign, key in _SIGNS:
        for entry in change[key]:
            size = human_bytes(entry["size"])
            yield f"  {sign} {entry['nevra']}  ({entry['repository']}, {size})"
    for sign, key in (("+", "advisories_added"), ("-", "advisories_removed")):
        for advisory in change[key]:
            facts = [advisory["id"], advisory["severity"], *advisory["cves"]]
            yield f"  {sign} {' '.join(filter(None, facts))}  {advisory['title']}".rstrip()
    yield from reasons(plan)
    for reason, number in plan["filtered"].items():
        yield _field("left out", f"{number} packages: {reason}")
    yield f"  {_summary(change)}"
    mass = plan.get("mass_change")
    if mass:
        yield (
            f"  ! takes {mass['packages']} of {mass['of']} packages away that upstream still has,"
            f" at most {mass['allowed']} at once are allowed (mass_change): if that is not meant,"
            " mend the policy"
        )
    if change["added"] or change["removed"] or change["changed"]:
        more = " --allow-mass-change" if mass else ""
        yield f"to apply exactly this: tuxmirror approve {plan['plan']}{more}"
    else:
        yield f"nothing changes for {plan['channel']}"


def reasons(noted: Mapping[str, Any]) -> Iterator[str]:
    """What a policy noted of packages, build by build."""
    for key, title in _TITLES.items():
        yield from _notes(title, noted.get(key, ()))


def _field(name: str, text: str) -> str:
    return f"  {name:<12}{text}"


def _affected(affected: Mapping[str, Any]) -> str:
    if "problem" in affected:
        return f"unknown: {affected['problem']}"
    hosts = affected.get("hosts", 0)
    releases = ", ".join(f"{n} on {name}" for name, n in affected.get("releases", {}).items())
    return f"{hosts} registered hosts{f' ({releases})' if releases else ''}"


def _notes(title: str, notes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """By build: its packages have one reason."""
    for build in by_build(notes):
        when = f", until {utc(build.until)}" if build.until is not None else ""
        of = f" ({len(build.packages)} packages)" if len(build.packages) > 1 else ""
        yield _field(title, f"{build.name}{of}: {build.reason}{when}")


def _summary(change: Mapping[str, Any]) -> str:
    counts = [f"{len(change[key])} {key}" for _, key in _SIGNS if change[key] or key != "changed"]
    sizes = f"+{human_bytes(change['bytes_added'])}, -{human_bytes(change['bytes_removed'])}"
    text = f"{', '.join(counts)}; {sizes}"
    advisories = len(change["advisories_added"])
    if advisories:
        severities = [f"{number} {severity}" for severity, number in change["severities"].items()]
        text += f"; {advisories} new advisories"
        text += f" ({', '.join(severities)})" if severities else ""
        text += f" fixing {len(change['cves'])} CVEs"
    return text


def explained(found: Mapping[str, Any]) -> Iterator[str]:
    """What `explain` says, build by build."""
    by = f"by policy {found['policy']}" if found["policy"] else "without a policy"
    yield f"{found['tree']} {found['channel']}: of {found['source']} {by}"
    for build in found["builds"]:
        when = f", until {utc(build['until'])}" if build["until"] is not None else ""
        word = "passes" if build["passes"] else "stays out"
        yield f"{build['build'].removesuffix('.src.rpm')}"
        yield _field(word, f"{build['reason']}{when}")
        if build["seen"]:
            yield _field("known since", utc(build["seen"]))
        for advisory in build["advisories"]:
            facts = [advisory["id"], advisory["severity"], *advisory["cves"]]
            yield _field("fixes", " ".join(filter(None, facts)))
        for package in build["packages"]:
            marks = ["shown" if package["shown"] else "not shown"]
            marks += [] if package["upstream"] else ["upstream took it away"]
            marks += [package["left_out"]] if package["left_out"] else []
            yield f"    {package['nevra']}  ({package['repository']}; {', '.join(marks)})"
