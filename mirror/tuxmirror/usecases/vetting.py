"""What a channel is to show next: the policy asked about what the followed channel shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from ..core import guards, kinds
from ..core import snapshot as snapshots
from ..core.advisory.model import Advisory, Scope, scope_of
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.policy import ages, decisions, outcome, plan
from ..core.policy.builds import Item, ModuleBuild, repository_arch
from ..core.policy.decisions import Decision
from ..core.policy.outcome import Outcome
from ..core.policy.rules import Channel, Policy
from ..core.policy.select import Facts, Judge
from ..core.snapshot import Repository, Snapshot, Vetting
from ..ports import LastVetting, Metadata
from . import contents, cutting
from .context import Mirror
from .following import Choice, shown_by

# Changes when the rules come to something else for the same facts.
_RULES = 5


class Proposal(NamedTuple):
    """What a channel is to show. `outcome` is None where it has no policy, or nothing changed since
    the policy was asked; `decisions` names the holds and approvals that counted."""

    snapshot: Snapshot
    source: Snapshot
    shown: str | None
    outcome: Outcome | None
    decisions: str


def propose(mirror: Mirror, tree: Tree, channel: Channel, choice: Choice) -> Proposal:
    """What the channel is to show now, made and saved.

    The caller holds a lock without which nothing is pruned.

    Raises:
        RefusedError: the policy breaks what packages need.
        VerificationError, ConfigError, StorageError.
    """
    shown = shown_by(mirror, tree, channel.name)
    source, policy = choice.source, choice.policy
    before = shown.id if shown else None
    now = int(mirror.clock())
    deciding = decisions_for(mirror, tree, channel, now)
    counted = decisions.digest(deciding)
    if policy is None:
        if mirror.vetting.last(tree.name, channel.name) and channel.fast_track:
            # What a fast track kept waiting has soaked by now.
            mirror.vetting.set_last(tree.name, channel.name, LastVetting("", source.id, None, 0))
        return Proposal(source, source, before, None, counted)
    inputs = _inputs(mirror, policy, deciding, source, shown)
    known = _still_so(mirror, tree, channel, inputs, now)
    if known is not None:
        return Proposal(known, source, before, None, counted)
    found = ask(mirror, tree, choice, deciding, shown, now)[0]
    vetting = Vetting(
        source.id,
        policy.name,
        policy.digest,
        channel.name,
        cutting.counts(found.selection, len(found.pulled)),
    )
    made = cutting.snapshot_of(mirror, tree, source, shown, found.selection, vetting)
    if made is not source:
        said = json.dumps(plan.reasons(found)).encode()
        mirror.vetting.set_reasons(tree.name, made.id, said)
    until = min((t for t in (found.until, _next(deciding)) if t is not None), default=None)
    mirror.vetting.set_last(
        tree.name, channel.name, LastVetting(inputs, made.id, until, len(found.held))
    )
    return Proposal(made, source, before, found, counted)


def check_taken_away(
    mirror: Mirror, tree: Tree, channel: Channel, choice: Choice, then: Snapshot
) -> None:
    """Whether a policy takes more from a channel at once than `mass_change` lets it.

    What upstream itself removed was looked at when it was verified.

    Raises:
        RefusedError: see `core.guards.check_taken_away`.
    """
    shown = shown_by(mirror, tree, channel.name)
    if shown is None or choice.policy is None:
        return
    paths = []
    for name, repository in sorted(shown.repositories.items()):
        after, whole = then.repositories.get(name), choice.source.repositories.get(name)
        if after and whole and after.files != repository.files:
            lists = (
                snapshots.decode_files(mirror.pool.read(each.files))
                for each in (repository, after, whole)
            )
            paths += [f"{name}/{path}" for path in guards.taken_away(*lists)]
    guards.check_taken_away(
        paths, shown.packages, mirror.config.mass_change, tree.name, channel.name
    )


def is_current(mirror: Mirror, tree: Tree, channel: Channel, proposal: Proposal) -> bool:
    """Whether nobody decided otherwise since; the caller holds `publish.showing`."""
    shown = mirror.publisher.published(channel.name, tree.name)
    deciding = decisions_for(mirror, tree, channel, int(mirror.clock()))
    before = shown.snapshot if shown else None
    return (before, decisions.digest(deciding)) == (proposal.shown, proposal.decisions)


def decisions_for(mirror: Mirror, tree: Tree, channel: Channel, now: int) -> tuple[Decision, ...]:
    return decisions.in_force(mirror.vetting.decisions(), tree.name, channel.name, now)


def ask(
    mirror: Mirror,
    tree: Tree,
    choice: Choice,
    deciding: tuple[Decision, ...],
    shown: Snapshot | None,
    now: int,
) -> tuple[Outcome, Facts]:
    """What the policy of a choice says, and of what; nothing is made.

    Raises:
        RefusedError: it breaks what packages need.
        VerificationError, StorageError: what it is asked about cannot be read.
    """
    policy = choice.policy
    assert policy is not None  # noqa: S101  # nobody is asked where there is none
    reading = _Reading(mirror, tree, choice.source, shown)
    known = choice.ages if choice.ages is not None else first_seen(mirror, tree, policy)
    facts = reading.facts(known)
    solver = mirror.solver(mirror.state.incoming(tree.name))
    judge = Judge(policy, deciding, facts, now, solver.compare)
    arches = sorted({repository_arch(each.repository) for each in reading.metadata})
    dependencies = {
        arch: solver.dependencies(
            [m for m in reading.metadata if repository_arch(m.repository) == arch], arch
        )
        for arch in arches
    }
    try:
        return outcome.decide(judge, dependencies), facts
    except MirrorError as error:
        raise error.located(tree=tree.name) from None


def facts_of(mirror: Mirror, tree: Tree, source: Snapshot, shown: Snapshot | None) -> Facts:
    """Of a channel that has no policy."""
    return _Reading(mirror, tree, source, shown).facts({})


class _Reading:
    """The metadata of a snapshot, and of what a channel shows where that differs."""

    def __init__(
        self, mirror: Mirror, tree: Tree, source: Snapshot, shown: Snapshot | None
    ) -> None:
        self._mirror, self._tree = mirror, tree
        self._source, self._shown = source, shown
        self.metadata: list[Metadata] = []
        self._items: list[Item] = []
        self._modules: list[ModuleBuild] = []
        self._advisories: list[Advisory] = []
        self._shown_modules: set[str] = set()

    def facts(self, first: Mapping[str, int]) -> Facts:
        for name, repository in sorted(self._source.repositories.items()):
            if not kinds.is_whole(name):
                self._read(name, repository)
        return Facts(
            self._items,
            self._modules,
            self._advisories,
            first,
            _packages(self._mirror, self._shown),
            frozenset(self._shown_modules),
        )

    def _read(self, name: str, repository: Repository) -> None:
        own, modules = self._add(name, repository)
        self._items += [Item(name, package, False) for package in own]
        self._modules += modules
        before = self._shown.repositories.get(name) if self._shown else None
        if before is None:
            return
        same = before.files == repository.files
        packages, earlier = (own, modules) if same else self._add(name, before)
        self._shown_modules |= {module.nsvc for module in earlier}
        here = {package.sha256 for package in own}
        named = {module.nsvc for module in modules}
        self._items += [Item(name, p, True) for p in packages if p.sha256 not in here]
        self._modules += [m._replace(gone=True) for m in earlier if m.nsvc not in named]

    def _add(self, name: str, repository: Repository):  # type: ignore[no-untyped-def]
        mirror, tree = self._mirror, self._tree
        scratch = mirror.state.incoming(tree.name)
        found = contents.metadata_of(mirror, tree, name, repository)
        self.metadata.append(found)
        updateinfo = found.repomd.file("updateinfo")
        if updateinfo is not None:
            scope = scope_of(tree.name) or Scope("", tree.name)
            path = found.places[updateinfo.sha256]
            reader = mirror.metadata(scratch)
            self._advisories += reader.errata(path, updateinfo.open_size, scope, name)
        modules = mirror.metadata_filter(scratch).modules(found)
        return contents.read(mirror, tree, name, repository).packages, modules


def _packages(mirror: Mirror, snapshot: Snapshot | None) -> frozenset[str]:
    """SHA-256 of all its packages."""
    if snapshot is None:
        return frozenset()
    return frozenset(
        file.sha256
        for repository in snapshot.repositories.values()
        for file in snapshots.decode_files(mirror.pool.read(repository.files))
        if file.path.endswith(".rpm")
    )


def first_seen(mirror: Mirror, tree: Tree, policy: Policy | None) -> Mapping[str, int]:
    """Since when packages are known, by SHA-256; recorded up to the candidate of now.

    Raises:
        VerificationError: the record is damaged.
    """
    if policy is None or not policy.soak:
        return {}
    candidate = mirror.state.candidate(tree.name)
    first = mirror.vetting.first_seen(tree.name)
    if candidate is None or (first and first.candidate == candidate):
        return first.times if first else {}
    # A policy that is new knows the ages of what is still kept.
    kept = [candidate] if first else [*_verified(mirror, tree), candidate]
    for name in kept:
        snapshot = mirror.state.snapshot(tree.name, name)
        packages = _packages(mirror, snapshot)
        first = (
            ages.seen(first, name, packages, snapshot.created)
            if first
            else ages.begun(name, packages)
        )
    assert first is not None  # noqa: S101  # `kept` has one at least
    mirror.vetting.set_first_seen(tree.name, first)
    return first.times


def _verified(mirror: Mirror, tree: Tree) -> list[str]:
    """Snapshots that came from upstream, oldest first."""
    found = []
    for name in mirror.state.snapshots(tree.name):
        try:
            if mirror.state.snapshot(tree.name, name).vetting is None:
                found.append(name)
        except MirrorError:
            continue
    return found


def _inputs(
    mirror: Mirror,
    policy: Policy,
    deciding: tuple[Decision, ...],
    source: Snapshot,
    shown: Snapshot | None,
) -> str:
    parts = (
        _RULES,
        policy.digest,
        decisions.digest(deciding),
        source.id,
        shown.id if shown else None,
        mirror.config.signing_key,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _still_so(
    mirror: Mirror, tree: Tree, channel: Channel, inputs: str, now: int
) -> Snapshot | None:
    """What the policy came to, where it would come to the same."""
    last = mirror.vetting.last(tree.name, channel.name)
    if last is None or last.inputs != inputs or (last.until is not None and last.until <= now):
        return None
    try:
        known = mirror.state.snapshot(tree.name, last.snapshot)
        cuts = [r for r in known.repositories.values() if r.origin is not None]
        return known if all(cutting.intact(mirror, cut) for cut in cuts) else None
    except MirrorError:
        return None


def _next(deciding: tuple[Decision, ...]) -> int | None:
    return min((d.until for d in deciding if d.until is not None), default=None)
