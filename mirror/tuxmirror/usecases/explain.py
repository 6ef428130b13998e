"""`tuxmirror explain`: why a channel shows a package, or does not yet; build by build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from ..core.advisory.model import Advisory
from ..core.config import Tree, nearest
from ..core.errors import ConfigError
from ..core.policy import patterns
from ..core.policy.builds import Item, source_file
from ..core.policy.rules import Policy
from ..core.policy.select import Facts, Filters, Verdict
from . import locks, vetting
from .context import Mirror
from .following import Choice
from .plan import channel_of, looked_at

_PATIENCE = 60.0
_ALL = Verdict(True, "whole", "no policy: the channel shows all that it follows")


def explain(mirror: Mirror, tree: Tree, name: str, pattern: str) -> dict[str, Any]:
    """What is said of each build that a pattern (as of `hold`) means any package of.

    Raises:
        ConfigError: there is no such channel, or nothing is called like that.
        RefusedError: there is nothing to choose from, or the policy breaks what packages need.
        VerificationError, StorageError: what is asked about cannot be read.
    """
    patterns.check(pattern)
    channel = channel_of(mirror, name)
    with mirror.state.lock(locks.reading(tree.name), _PATIENCE):
        choice, shown = looked_at(mirror, tree, channel)
        if choice.policy is None:
            facts, verdicts = vetting.facts_of(mirror, tree, choice.source, shown), {}
        else:
            now = int(mirror.clock())
            deciding = vetting.decisions_for(mirror, tree, channel, now)
            outcome, facts = vetting.ask(mirror, tree, choice, deciding, shown, now)
            verdicts = dict(outcome.verdicts)
    return {
        "tree": tree.name,
        "channel": channel.name,
        "policy": choice.policy.name if choice.policy else None,
        "source": choice.source.id,
        "shown": shown.id if shown else None,
        "builds": _builds(facts, choice, verdicts, _meant(facts, tree, pattern)),
    }


def _meant(facts: Facts, tree: Tree, pattern: str) -> set[str]:
    """Names of builds."""
    meant = patterns.matcher(pattern, facts.advisories)
    found = {source_file(item.package) for item in facts.items if meant(item.package)}
    if not found:
        names = {item.package.name: None for item in facts.items}
        raise ConfigError(
            f"'{pattern}' means no package that there is",
            tree=tree.name,
            expected="a package by name or NEVRA, source:NAME, an advisory or a CVE",
            way_out=nearest(pattern, names),
        )
    return found


def _builds(
    facts: Facts, choice: Choice, verdicts: Mapping[str, Verdict], meant: set[str]
) -> list[dict[str, Any]]:
    filters = Filters(choice.policy or Policy("", debug=True, source=True))
    builds: dict[str, list[Item]] = {name: [] for name in sorted(meant)}
    for item in facts.items:
        name = source_file(item.package)
        if name in builds:
            builds[name].append(item)
    return [
        _build(name, items, facts, filters, verdicts.get(name, _ALL))
        for name, items in builds.items()
    ]


def _build(
    name: str, items: list[Item], facts: Facts, filters: Filters, verdict: Verdict
) -> dict[str, Any]:
    listed = {item.package.nevra for item in items}
    seen = [facts.first_seen.get(item.package.sha256, 0) for item in items if not item.gone]
    return {
        "build": name,
        "passes": verdict.passes,
        "kind": verdict.kind,
        "reason": verdict.reason,
        "until": verdict.until,
        # What a mirror began with is older than it knows.
        "seen": max(seen, default=0) or None,
        "advisories": _advisories(facts.advisories, listed),
        "packages": [
            {
                "nevra": item.package.nevra,
                "repository": item.repository,
                "shown": item.package.sha256 in facts.shown,
                "upstream": not item.gone,
                "left_out": filters.reason(item.package),
            }
            for item in sorted(items, key=lambda item: (item.package.nevra, item.repository))
        ],
    }


def _advisories(known: Iterable[Advisory], listed: Set[str]) -> list[dict[str, Any]]:
    """Those that bring any of it, each once: several repositories, and snapshots, may list one."""
    found = {a.id: a for a in known if any(package.nevra in listed for package in a.packages)}
    return [
        {"id": advisory.id, "severity": advisory.severity, "cves": list(advisory.cves)}
        for _, advisory in sorted(found.items())
    ]
