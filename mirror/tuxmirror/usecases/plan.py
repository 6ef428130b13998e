"""`tuxmirror plan` and `approve`: look at what a channel would show, then show just that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core import difference, guards, kinds
from ..core import snapshot as snapshots
from ..core.config import Tree, nearest
from ..core.difference import Difference, Entry
from ..core.errors import ConfigError, RefusedError
from ..core.policy import decisions, plan
from ..core.policy.builds import Item
from ..core.policy.outcome import Outcome, Selection
from ..core.policy.plan import Plan
from ..core.policy.rules import Channel
from ..core.policy.select import Facts, span
from ..core.snapshot import File, Snapshot, Vetting
from ..core.summary import Advisory
from . import cutting, following, locks, vetting
from .context import Mirror
from .decisions import let_go
from .following import Choice
from .publish import publish, showing

# A person reads one; what nobody approved for so long is not needed.
_PLANS_KEPT = 50
_PATIENCE = 60.0
_NOTHING = Selection({}, {}, {}, {})

# Hosts of a tree that get a channel, for `affected`.
Audience = Callable[[Tree, str], Mapping[str, Any]]


def channel_of(mirror: Mirror, name: str) -> Channel:
    """Raises ConfigError with the nearest name where the configuration has none such."""
    channels = mirror.config.channels
    if name in channels:
        return channels[name]
    raise ConfigError(
        f"no channel '{name}' in the configuration",
        expected=", ".join(channels),
        way_out=nearest(name, channels) or f"a section [channel/{name}] makes it one",
    )


def make_plan(mirror: Mirror, tree: Tree, name: str, audience: Audience) -> dict[str, Any]:
    """The document of `plan TREE --channel NAME`, kept so that it can be approved.

    Raises:
        ConfigError: there is no such channel.
        RefusedError: there is nothing to choose from, or the policy breaks what packages need.
        VerificationError, StorageError: what it speaks of cannot be read.
    """
    channel = channel_of(mirror, name)
    with mirror.state.lock(locks.reading(tree.name), _PATIENCE):
        choice, shown = looked_at(mirror, tree, channel)
        found, facts = _asked(mirror, tree, channel, choice, shown)
        selection = found.selection if found else _NOTHING
        before = _entries_shown(mirror, shown), _advisories_shown(mirror, tree, shown)
        change = _difference(facts, selection, *before)
        made = _plan(mirror, tree, channel, choice, shown, selection)
        review = {
            "difference": change.as_dict(),
            **plan.review(found),
            "mass_change": _mass_change(mirror, choice, shown, facts, selection),
            "affected": dict(audience(tree, channel.name)),
        }
    made = Plan(**{**vars(made), "review": review})
    document = made.document(int(mirror.clock()))
    _keep(mirror, made.id, document)
    return document


def looked_at(mirror: Mirror, tree: Tree, channel: Channel) -> tuple[Choice, Snapshot | None]:
    """What a channel chooses from, and what it shows.

    Raises:
        RefusedError: there is nothing to choose from.
    """
    choice = following.choose(mirror, tree, channel)
    if choice is None:
        follows, soak = channel.follows, channel.soak
        raise RefusedError(
            f"there is nothing that may pass to {channel.name} yet",
            tree=tree.name,
            expected=f"something that {follows} has shown for {span(soak)}"
            if soak
            else f"something that {follows} shows",
            way_out=f"wait, or tuxmirror publish {tree.name} --snapshot {follows} --channel"
            f" {channel.name}"
            if soak
            else f"tuxmirror sync {tree.name}",
        )
    return choice, following.shown_by(mirror, tree, channel.name)


def _asked(
    mirror: Mirror, tree: Tree, channel: Channel, choice: Choice, shown: Snapshot | None
) -> tuple[Outcome | None, Facts]:
    if choice.policy is None:
        return None, vetting.facts_of(mirror, tree, choice.source, shown)
    now = int(mirror.clock())
    deciding = vetting.decisions_for(mirror, tree, channel, now)
    return vetting.ask(mirror, tree, choice, deciding, shown, now)


def _plan(
    mirror: Mirror,
    tree: Tree,
    channel: Channel,
    choice: Choice,
    shown: Snapshot | None,
    selection: Selection,
) -> Plan:
    policy = choice.policy
    deciding = vetting.decisions_for(mirror, tree, channel, int(mirror.clock()))
    return Plan(
        tree=tree.name,
        channel=channel.name,
        source=choice.source.id,
        shown=shown.id if shown else None,
        policy=policy.name if policy else "",
        rules=policy.digest if policy else "",
        decisions=decisions.digest(deciding) if policy else "",
        selection=selection,
    )


def _mass_change(
    mirror: Mirror, choice: Choice, shown: Snapshot | None, facts: Facts, selection: Selection
) -> dict[str, int] | None:
    """Where it takes so much away at once that `approve` wants to be told: how many of how many
    packages, and how many were allowed."""
    if shown is None or choice.policy is None:
        return None
    then: dict[str, list[File]] = {}
    for item in facts.items:
        if _chosen(item, selection):
            package = item.package
            file = File(package.location, package.sha256, package.size)
            then.setdefault(item.repository, []).append(file)
    taken = 0
    for name, repository in shown.repositories.items():
        whole = choice.source.repositories.get(name)
        if whole is not None and not kinds.is_whole(name):
            lists = (snapshots.decode_files(mirror.pool.read(r.files)) for r in (repository, whole))
            taken += len(guards.taken_away(next(lists), then.get(name, ()), next(lists)))
    allowed = guards.taken_at_once(shown.packages, mirror.config.mass_change)
    if taken <= allowed:
        return None
    return {"packages": taken, "of": shown.packages, "allowed": int(allowed)}


def _chosen(item: Item, selection: Selection) -> bool:
    side = selection.kept if item.gone else selection.left_out
    return (item.package.sha256 in side.get(item.repository, ())) == item.gone


def _entries_shown(mirror: Mirror, shown: Snapshot | None) -> set[tuple[str, str]]:
    """Repository and SHA-256 of each package."""
    return {
        (name, file.sha256)
        for name, repository in (shown.repositories.items() if shown else ())
        for file in snapshots.decode_files(mirror.pool.read(repository.files))
        if file.path.endswith(".rpm")
    }


def _advisories_shown(mirror: Mirror, tree: Tree, shown: Snapshot | None) -> list[Advisory]:
    if shown is None:
        return []
    return [
        _summary(advisory) for advisory in vetting.facts_of(mirror, tree, shown, None).advisories
    ]


def _difference(
    facts: Facts,
    selection: Selection,
    shown: set[tuple[str, str]],
    known: list[Advisory],
) -> Difference:
    old: list[Entry] = []
    new: list[Entry] = []
    present: set[str] = set()
    for item in facts.items:
        name, package = item.repository, item.package
        [entry] = difference.entries(name, [package])
        if (name, package.sha256) in shown:
            old.append(entry)
        if _chosen(item, selection):
            new.append(entry)
            present.add(package.nevra)
    fresh = [
        _summary(advisory)
        for advisory in facts.advisories
        if any(package.nevra in present for package in advisory.packages)
    ]
    return difference.compare(old, new, known, fresh)


def _summary(advisory: Any) -> Advisory:
    return Advisory(advisory.id, advisory.severity, advisory.cves, advisory.title)


def _keep(mirror: Mirror, plan_id: str, document: Mapping[str, Any]) -> None:
    mirror.vetting.save_plan(plan_id, plan.encode(document))
    for old in mirror.vetting.plans()[:-_PLANS_KEPT]:
        mirror.vetting.remove_plan(old)


def approve(mirror: Mirror, text: str, why: str | None, allow_mass_change: bool = False) -> None:
    """Make the channel of a plan show just what it says; `text` is a file or an id.

    Raises:
        ConfigError: no such plan, or its tree or channel is not configured any more.
        VerificationError: the plan was altered.
        RefusedError: it is stale, or takes too much away at once; nothing was changed.
    """
    chosen = _find(mirror, text)
    tree = mirror.config.tree(chosen.tree)
    channel = channel_of(mirror, chosen.channel)
    with showing(mirror, tree):
        choice, shown = looked_at(mirror, tree, channel)
        source = choice.source
        plan.check_current(chosen, _plan(mirror, tree, channel, choice, shown, chosen.selection))
        made = cutting.snapshot_of(
            mirror, tree, source, shown, chosen.selection, _vetting(chosen, source)
        )
        if not allow_mass_change:
            vetting.check_taken_away(mirror, tree, channel, choice, made)
        if made is not source and mirror.vetting.reasons(tree.name, made.id) is None:
            kept = {name: chosen.review.get(name, []) for name in plan.REASONS}
            mirror.vetting.set_reasons(tree.name, made.id, json.dumps(kept).encode())
        let_go(mirror, tree, channel.name, {made.id, source.id})
        said = {"plan": chosen.id, "why": why}
        if publish(mirror, tree, made, (channel.name,), allow_mass_change, "approve", said):
            mirror.publisher.tidy(tree.name)
        else:
            mirror.reporter.event("already", tree=tree.name, channel=channel.name, snapshot=made.id)


def _vetting(chosen: Plan, source: Snapshot) -> Vetting:
    counts = cutting.counts(chosen.selection, chosen.pulled_in)
    return Vetting(source.id, chosen.policy, chosen.rules, chosen.channel, counts)


def _find(mirror: Mirror, text: str) -> Plan:
    """A file must say what this mirror said: nobody else's plan was ever judged here."""
    path = Path(text)
    if path.is_file():
        given = plan.read(path.read_bytes(), str(path))
        if mirror.vetting.plan(given.id) is None:
            raise RefusedError(
                f"this mirror made no plan {given.id}",
                path=str(path),
                way_out=f"tuxmirror plan {given.tree} --channel {given.channel} makes one",
            )
        return given
    meant = [name for name in mirror.vetting.plans() if text and name.startswith(text)]
    if len(meant) != 1:
        raise ConfigError(
            f"'{text}' is the beginning of {len(meant)} plans" if meant else f"no plan '{text}'",
            expected=", ".join(meant or mirror.vetting.plans()[-5:]) or "none was made yet",
            way_out="tuxmirror plan TREE makes one",
        )
    data = mirror.vetting.plan(meant[0])
    return plan.read(data or b"", f"plan {meant[0]}")
