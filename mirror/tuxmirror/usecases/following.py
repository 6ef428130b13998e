"""What a channel chooses from, and by which rules."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..core import journal, kinds
from ..core import snapshot as snapshots
from ..core.advisory.model import Advisory, Scope, scope_of
from ..core.config import Tree
from ..core.errors import RefusedError
from ..core.policy.ages import OLD
from ..core.policy.rules import CANDIDATE, Channel, Policy
from ..core.snapshot import Repository, Snapshot
from . import contents
from .context import Mirror


class Choice(NamedTuple):
    """A snapshot, the policy asked what passes of it (None: all), and since when its packages are
    known, in seconds by SHA-256 (None: since the candidate had them)."""

    source: Snapshot
    policy: Policy | None
    ages: Mapping[str, int] | None = None


def policy_of(mirror: Mirror, tree: Tree, channel: Channel) -> Policy | None:
    """Its own; else the tree's, where it follows the candidate."""
    name = channel.policy or (tree.policy if channel.follows == CANDIDATE else None)
    return mirror.config.policies[name] if name else None


def choose(mirror: Mirror, tree: Tree, channel: Channel) -> Choice | None:
    """None where there is nothing yet, or nothing has soaked.

    The very snapshot that soaked passes; only where the followed channel has since come to show
    what need not wait, packages are chosen, each as old as that channel's showing it.

    Raises:
        VerificationError: the log was altered, and nobody knows what has soaked.
    """
    if channel.follows == CANDIDATE:
        candidate = mirror.state.candidate(tree.name)
        if candidate is None:
            return None
        source = mirror.state.snapshot(tree.name, candidate)
        return Choice(source, policy_of(mirror, tree, channel))
    publication = mirror.publisher.published(channel.follows, tree.name)
    if publication is None:
        return None
    current = mirror.state.snapshot(tree.name, publication.snapshot)
    if not channel.soak:
        return Choice(current, policy_of(mirror, tree, channel))
    past = journal.timeline(mirror.journal.entries(), tree.name, channel.follows, current.id)
    ripe = int(mirror.clock()) - channel.soak
    soaked = _last([name for name, since in past if since <= ripe], mirror, tree)
    before = soaked or shown_by(mirror, tree, channel.name)
    if channel.fast_track and before and _urgent(mirror, tree, channel, before, current):
        rules = Policy(
            f"of channel {channel.name}",
            soak=channel.soak,
            fast_track=channel.fast_track,
            debug=True,
            source=True,
        )
        young = [(name, since) for name, since in past if since > ripe]
        return Choice(current, rules, _since(mirror, tree, before, young))
    return Choice(soaked, policy_of(mirror, tree, channel)) if soaked else None


def shown_by(mirror: Mirror, tree: Tree, channel: str) -> Snapshot | None:
    publication = mirror.publisher.published(channel, tree.name)
    return mirror.state.snapshot(tree.name, publication.snapshot) if publication else None


def _last(names: list[str], mirror: Mirror, tree: Tree) -> Snapshot | None:
    try:
        return mirror.state.snapshot(tree.name, names[-1]) if names else None
    except RefusedError:
        return None  # pruned meanwhile


def _urgent(
    mirror: Mirror, tree: Tree, channel: Channel, soaked: Snapshot, current: Snapshot
) -> bool:
    """Whether an advisory that need not wait brings something that has not soaked.

    True until it has, also when the channel shows it: it would be taken away else.
    """
    rules = set(channel.fast_track)
    for name, repository in sorted(current.repositories.items()):
        before = soaked.repositories.get(name)
        if kinds.is_whole(name) or (before and before.files == repository.files):
            continue
        old = set(_packages(mirror, before).values()) if before else set()
        fresh = {
            path.rpartition("/")[2]
            for path, sha256 in _packages(mirror, repository).items()
            if sha256 not in old
        }
        for advisory in _advisories(mirror, tree, name, repository):
            if rules.isdisjoint({advisory.severity, *advisory.cves}):
                continue
            if any(
                f"{p.name}-{p.version}-{p.release}.{p.arch}.rpm" in fresh for p in advisory.packages
            ):
                return True
    return False


def _packages(mirror: Mirror, repository: Repository) -> dict[str, str]:
    """SHA-256 by path."""
    files = snapshots.decode_files(mirror.pool.read(repository.files))
    return {file.path: file.sha256 for file in files if file.path.endswith(".rpm")}


def _advisories(mirror: Mirror, tree: Tree, name: str, repository: Repository) -> list[Advisory]:
    found = contents.metadata_of(mirror, tree, name, repository)
    updateinfo = found.repomd.file("updateinfo")
    if updateinfo is None:
        return []
    scope = scope_of(tree.name) or Scope("", tree.name)
    reader = mirror.metadata(mirror.state.incoming(tree.name))
    return list(reader.errata(found.places[updateinfo.sha256], updateinfo.open_size, scope, name))


def _since(
    mirror: Mirror, tree: Tree, soaked: Snapshot, young: Iterable[tuple[str, int]]
) -> dict[str, int]:
    """When the followed channel came to show what has not soaked; all else is old."""
    times = dict.fromkeys(
        (sha for r in soaked.repositories.values() for sha in _packages(mirror, r).values()), OLD
    )
    for name, since in young:
        with contextlib.suppress(RefusedError):  # pruned meanwhile: seen later, it waits longer
            for repository in mirror.state.snapshot(tree.name, name).repositories.values():
                for sha256 in _packages(mirror, repository).values():
                    times.setdefault(sha256, since)
    return times
