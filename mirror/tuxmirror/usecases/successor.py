"""A snapshot that lost a signature of the mirror's own gets a successor, signed anew.

Upstream's signatures are fetched again; one of ours says when it was made. So the
repository gets another one over the same metadata, and each snapshot that has it a successor: other
in the signature and in its id, and in nothing else. It takes the place of the old one wherever that
stood, in an order that a run which was cut short goes on from:

    record, held    saved; a rollback away from the one is one away from the other
    candidate       what was verified last
    log, channels   `repair`, then the switch; going back leads to it as well (core.journal)

What was replaced is shown nowhere then, `verify` looks at it no more, and `prune` removes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ..core import journal
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import ConfigError, MirrorError
from ..core.kinds import REPOMD
from ..core.snapshot import LOCAL, File, Repository, Snapshot
from . import inventory, manifest
from .context import Mirror
from .publish import publish, showing
from .source import BUNDLE
from .upstream import SIGNATURE

PINNED = "pinned"


def signs(mirror: Mirror, tree: Tree, repository: Repository) -> bool:
    """Whether this mirror's own key signed its metadata, or would today.

    What came in a bundle was signed by the operator of another site.
    """
    if repository.signed_by in (LOCAL, PINNED) or came_by_bundle(mirror, tree):
        return False
    return repository.origin is not None or tree.type == "local"


def came_by_bundle(mirror: Mirror, tree: Tree) -> bool:
    """Whether what was verified last is another operator's."""
    try:
        memory = mirror.state.memory(tree.name)
    except MirrorError:
        return False
    return any(fields.root == BUNDLE for fields in memory.values())


def replace_unsigned(
    mirror: Mirror, tree: Tree, kept: Sequence[Snapshot], lost: Collection[str]
) -> list[MirrorError]:
    """Replace those of `kept` that lack a signature of ours, which is among `lost` (SHA-256).

    Gives what went wrong with channels, which then stay as they were. The caller holds the tree's
    lock.

    Raises:
        ConfigError, SignatureError: it cannot be signed; nothing was changed.
        StorageError.
    """
    wanted = _unsigned(mirror, tree, kept, lost)
    if not wanted:
        return []
    fresh = _signed(mirror, kept, wanted, lost)
    successors = _successors(mirror, kept, fresh)
    mirror.pool.flush()
    for successor in successors.values():
        if successor.id not in mirror.state.snapshots(tree.name):
            manifest.save(mirror, successor)
    problems: list[MirrorError] = []
    with showing(mirror, tree):
        _hold(mirror, tree, successors)
        _remember(mirror, tree, successors)
        for channel in mirror.publisher.channels():
            try:
                _switch(mirror, tree, channel, successors)
            except MirrorError as error:
                problems.append(error.located(tree=tree.name, path=channel))
        _note(mirror, tree, successors)
        mirror.publisher.tidy(tree.name)
    return problems


def _unsigned(
    mirror: Mirror, tree: Tree, kept: Iterable[Snapshot], lost: Collection[str]
) -> dict[str, tuple[str, Repository]]:
    """Name and record of each repository that lacks nothing but our signature, by file list."""
    found: dict[str, tuple[str, Repository]] = {}
    for snapshot in kept:
        for name, repository in snapshot.repositories.items():
            if repository.files in found or not signs(mirror, tree, repository):
                continue
            if repository.files in lost:
                continue
            files = {f.path: f.sha256 for f in _files(mirror, repository)}
            if files.get(SIGNATURE) in lost and files.get(REPOMD, "") not in lost:
                found[repository.files] = (name, repository)
    return found


def _files(mirror: Mirror, repository: Repository) -> list[File]:
    return snapshots.decode_files(mirror.pool.read(repository.files))


def _signed(
    mirror: Mirror,
    kept: Iterable[Snapshot],
    wanted: Mapping[str, tuple[str, Repository]],
    lost: Collection[str],
) -> dict[str, Repository]:
    """What takes the place of each, by its file list."""
    fresh: dict[str, Repository] = {}
    for files, (name, repository) in wanted.items():
        twin = _twin(mirror, kept, name, repository, lost)
        if twin is not None:
            fresh[files] = twin
    unsigned = {files: named[1] for files, named in wanted.items() if files not in fresh}
    if not unsigned:
        return fresh
    if mirror.signer is None:
        raise ConfigError(
            "metadata of our own lost its signature",
            expected="the key to sign it again with",
            found="no signing_key in [main]",
            way_out="name it, then the same command again; nothing was changed",
        )
    signer = mirror.signer()
    documents = {r.repomd: mirror.pool.read(r.repomd) for r in unsigned.values()}
    signatures = dict(zip(documents, signer.sign(list(documents.values()))))
    for files, repository in unsigned.items():
        data = signatures[repository.repomd]
        signature = File(SIGNATURE, mirror.pool.add(data), len(data))
        others = [f for f in _files(mirror, repository) if f.path != SIGNATURE]
        listed = mirror.pool.add(snapshots.encode_files([*others, signature]))
        fresh[files] = replace(repository, files=listed, signed_by=signer.fingerprint)
    return fresh


def _twin(
    mirror: Mirror,
    kept: Iterable[Snapshot],
    name: str,
    repository: Repository,
    lost: Collection[str],
) -> Repository | None:
    """The same with a signature that is there: what a run before this one made, if it came so
    far."""
    for snapshot in kept:
        other = snapshot.repositories.get(name)
        if other is None or other.files == repository.files or other.files in lost:
            continue
        if replace(other, files=repository.files) != repository:
            continue
        signature = {f.path: f.sha256 for f in _files(mirror, other)}.get(SIGNATURE)
        if signature and signature not in lost and not mirror.pool.missing([signature]):
            return other
    return None


def _successors(
    mirror: Mirror, kept: Iterable[Snapshot], fresh: Mapping[str, Repository]
) -> dict[str, Snapshot]:
    """By the id of the one that is replaced."""
    found: dict[str, Snapshot] = {}
    # What others were chosen from comes first: they name it.
    for snapshot in sorted(kept, key=lambda each: each.vetting is not None):
        repositories = {
            name: fresh.get(repository.files, repository)
            for name, repository in snapshot.repositories.items()
        }
        if repositories == dict(snapshot.repositories):
            continue
        vetting = snapshot.vetting
        if vetting is not None and vetting.upstream in found:
            vetting = replace(vetting, upstream=found[vetting.upstream].id)
        found[snapshot.id] = replace(
            snapshot, repositories=repositories, vetting=vetting, tool=mirror.tool
        )
    return found


def _hold(mirror: Mirror, tree: Tree, successors: Mapping[str, Snapshot]) -> None:
    """What a person took a channel away from does not come back under another name."""
    for channel, held in mirror.state.held(tree.name).items():
        more = {successors[name].id for name in held if name in successors} - held
        if more:
            mirror.state.set_held(tree.name, channel, held | more)


def _remember(mirror: Mirror, tree: Tree, successors: Mapping[str, Snapshot]) -> None:
    candidate = mirror.state.candidate(tree.name)
    if candidate is not None and candidate in successors:
        memory = mirror.state.memory(tree.name)
        mirror.state.accept(tree.name, successors[candidate].id, memory)
    for channel in mirror.config.channels:
        last = mirror.vetting.last(tree.name, channel)
        if last is not None and last.snapshot in successors:
            fresh = last._replace(snapshot=successors[last.snapshot].id)
            mirror.vetting.set_last(tree.name, channel, fresh)


def _switch(mirror: Mirror, tree: Tree, channel: str, successors: Mapping[str, Snapshot]) -> None:
    publication = mirror.publisher.published(channel, tree.name)
    if publication is not None and publication.snapshot in successors:
        publish(mirror, tree, successors[publication.snapshot], (channel,), action=journal.REPAIR)


def _note(mirror: Mirror, tree: Tree, successors: Mapping[str, Snapshot]) -> None:
    """Those that no channel showed have a successor as well: one may go back to it."""
    known = inventory.replaced(mirror, tree.name)
    for name, successor in successors.items():
        if known.get(name) != successor.id:
            now = int(mirror.clock())
            mirror.journal.append(
                now, journal.REPAIR, tree=tree.name, snapshot=successor.id, before=name
            )
        mirror.reporter.event("replaced", tree=tree.name, snapshot=name, by=successor.id)
