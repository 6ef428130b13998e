"""`tuxmirror verify`: whether what a policy chose still has what its packages need.

Looked at are filtered snapshots that a channel shows. A snapshot that nothing was left out of has
the gaps that upstream has.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core import kinds
from ..core.config import Tree
from ..core.errors import MirrorError, RefusedError, StorageError, VerificationError
from ..core.policy import closure
from ..core.policy.builds import repository_arch
from ..core.snapshot import Snapshot
from . import contents
from .context import Mirror

_NAMED = 5


def check(mirror: Mirror, tree: Tree, kept: Iterable[Snapshot]) -> list[MirrorError]:
    """One error a snapshot whose packages lack something that upstream offers."""
    by_id = {snapshot.id: snapshot for snapshot in kept}
    shown = {
        publication.snapshot
        for channel in mirror.publisher.channels()
        if (publication := mirror.publisher.published(channel, tree.name)) is not None
    }
    problems: list[MirrorError] = []
    for name in sorted(shown & by_id.keys()):
        snapshot = by_id[name]
        whole = by_id.get(snapshot.vetting.upstream) if snapshot.vetting else None
        if whole is None:
            continue
        try:
            problems += _gaps(mirror, tree, snapshot, whole)
        except (RefusedError, StorageError, VerificationError):
            # Damaged or lost metadata has been told.
            continue
    return problems


def _gaps(mirror: Mirror, tree: Tree, snapshot: Snapshot, whole: Snapshot) -> list[MirrorError]:
    chosen, universe = (_packages(mirror, tree, one) for one in (snapshot, whole))
    # What upstream took away and the channel keeps is described by the filtered one alone.
    both = {
        repository.files: (name, repository)
        for each in (whole, snapshot)
        for name, repository in sorted(each.repositories.items())
        if not kinds.is_whole(name)
    }
    metadata = [contents.metadata_of(mirror, tree, *named) for named in both.values()]
    solver = mirror.solver(mirror.state.incoming(tree.name))
    gaps = []
    for arch in sorted({repository_arch(each.repository) for each in metadata}):
        own = [each for each in metadata if repository_arch(each.repository) == arch]
        requirements = solver.dependencies(own, arch).requirements
        gaps += closure.gaps(requirements, universe.keys(), chosen.keys())
    if not gaps:
        return []
    named = [f"{chosen[gap.package]} needs {gap.requirement.text}" for gap in gaps[:_NAMED]]
    return [
        VerificationError(
            f"snapshot {snapshot.id} lacks what {len(gaps)} of its packages need",
            expected="all that upstream offers them",
            found="; ".join(named),
            tree=tree.name,
            way_out="tuxmirror sync asks the policy again; or publish another snapshot",
        )
    ]


def _packages(mirror: Mirror, tree: Tree, snapshot: Snapshot) -> dict[str, str]:
    """NEVRA by SHA-256."""
    return {
        package.sha256: package.nevra
        for name, repository in snapshot.repositories.items()
        if not kinds.is_whole(name)
        for package in contents.read(mirror, tree, name, repository).packages
    }
