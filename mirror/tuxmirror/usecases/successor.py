"""A snapshot that lost a signature of the mirror's own gets a successor, signed anew.

Upstream's signatures are fetched again; one of ours says when it was made, and never comes out the
same. So the repository gets another one, and each snapshot that has it a successor: of the same
packages and the same words about them, under another id. It takes the place of the old one wherever
that stood, in an order that a run which was cut short goes on from:

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
from ..core.snapshot import LOCAL, File, Repository, Snapshot
from . import inventory, manifest
from .context import Mirror
from .publish import publish, showing
from .recut import Draft
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
    mirror: Mirror,
    tree: Tree,
    kept: Sequence[Snapshot],
    lost: Collection[str],
    drafts: Iterable[Draft] = (),
) -> list[MirrorError]:
    """Replace those of `kept` that lack a signature of ours, which is among `lost` (SHA-256), or
    have a repository of which there is a draft.

    Gives what went wrong with channels, which then stay as they were. The caller holds the tree's
    lock.

    Raises:
        ConfigError, SignatureError: it cannot be signed; nothing was changed.
        StorageError.
    """
    wanted = _unsigned(mirror, tree, kept, lost)
    wanted.update({draft.repository.files: draft for draft in drafts})
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
) -> dict[str, Draft]:
    """Each repository that lacks nothing but our signature, by its file list."""
    found: dict[str, Draft] = {}
    for snapshot in kept:
        for name, repository in snapshot.repositories.items():
            if repository.files in found or not signs(mirror, tree, repository):
                continue
            if repository.files in lost:
                continue
            files = _files(mirror, repository)
            others = [file for file in files if file.path != SIGNATURE]
            metadata = {file.sha256 for file in others if not file.path.endswith(".rpm")}
            unsigned = any(file.path == SIGNATURE and file.sha256 in lost for file in files)
            if unsigned and metadata.isdisjoint(lost):
                found[repository.files] = Draft(name, repository, others)
    return found


def _files(mirror: Mirror, repository: Repository) -> list[File]:
    return snapshots.decode_files(mirror.pool.read(repository.files))


def _signed(
    mirror: Mirror,
    kept: Iterable[Snapshot],
    wanted: Mapping[str, Draft],
    lost: Collection[str],
) -> dict[str, Repository]:
    """What takes the place of each, by its file list."""
    fresh: dict[str, Repository] = {}
    for files, draft in wanted.items():
        twin = _twin(mirror, kept, draft, lost)
        if twin is not None:
            fresh[files] = twin
    unsigned = {files: draft for files, draft in wanted.items() if files not in fresh}
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
    indexes = {draft.repository.repomd for draft in unsigned.values()}
    documents = {sha: mirror.pool.read(sha) for sha in sorted(indexes)}
    signatures = dict(zip(documents, signer.sign(list(documents.values()))))
    for files, draft in unsigned.items():
        data = signatures[draft.repository.repomd]
        signature = File(SIGNATURE, mirror.pool.add(data), len(data))
        listed = mirror.pool.add(snapshots.encode_files([*draft.files, signature]))
        fresh[files] = replace(draft.repository, files=listed, signed_by=signer.fingerprint)
    return fresh


def _twin(
    mirror: Mirror,
    kept: Iterable[Snapshot],
    draft: Draft,
    lost: Collection[str],
) -> Repository | None:
    """The same with a signature that is there: what a run before this one made, if it came so
    far."""
    repository = draft.repository
    for snapshot in kept:
        other = snapshot.repositories.get(draft.name)
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
    for name, successor in successors.items():
        reasons = mirror.vetting.reasons(tree.name, name)
        if reasons is not None:
            mirror.vetting.set_reasons(tree.name, successor.id, reasons)
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
