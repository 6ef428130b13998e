"""Point a channel at a snapshot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from ..core import publication as rules
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import ConfigError, MirrorError
from ..core.snapshot import LOCAL, File, Snapshot
from ..core.tree import OPERATORS_KEY
from . import locks, manifest, publications, site
from .context import Mirror, place

# Others hold it while they hard-link one publication.
_PATIENCE = 60.0


def showing(mirror: Mirror, tree: Tree) -> AbstractContextManager[None]:
    """Held while it is decided and switched what a tree's channels show.

    Apart from the tree's own lock, so that a rollback never waits for a sync that fetches.
    """
    return mirror.state.lock(locks.shown(tree.name), _PATIENCE)


def files_of(mirror: Mirror, tree: Tree, snapshot: Snapshot) -> dict[str, File]:
    """All files of a snapshot by their path below the tree."""
    files = {}
    for name, repository in snapshot.repositories.items():
        prefix = place(tree, name)
        for file in snapshots.decode_files(mirror.pool.read(repository.files)):
            path = prefix + file.path
            files[path] = File(path, file.sha256, file.size)
    return files


def publish(
    mirror: Mirror,
    tree: Tree,
    snapshot: Snapshot,
    channels: Sequence[str],
    allow_mass_change: bool = False,
    action: str = "sync",
    said: Mapping[str, object] | None = None,
) -> bool:
    """Make the channels show `snapshot`, in that order; False where all of them already do.

    The caller holds `showing`; `action` is what the log says it was, with what else was `said`.

    Raises:
        RefusedError: a path would get other bytes than clients may know.
        StorageError: nothing was switched.
    """
    changes = [
        _publish_to(mirror, tree, snapshot, channel, allow_mass_change, action, said or {})
        for channel in channels
    ]
    return any(changes)


def _publish_to(
    mirror: Mirror,
    tree: Tree,
    snapshot: Snapshot,
    channel: str,
    allow_mass_change: bool,
    action: str,
    said: Mapping[str, object],
) -> bool:
    now = int(mirror.clock())
    with site.changing(mirror, channel):
        # What a killed run had switched and not written down.
        publications.confirm(mirror, channel)
        previous = mirror.publisher.published(channel, tree.name)
        parts = site.changed(mirror, channel, snapshot)
        if previous and previous.snapshot == snapshot.id and not _expired(previous, now):
            if not parts:
                return False
            mirror.publisher.publish_site(channel, parts)
        else:
            files = files_of(mirror, tree, snapshot)
            publication = rules.plan(
                snapshot.id,
                files,
                _previous_files(mirror, tree, previous, snapshot.id),
                previous,
                now,
                mirror.config.grace,
                replace=allow_mass_change,
            )
            publication = _without_lost(mirror, tree, channel, publication)
            retained = [File(file.path, file.sha256, file.size) for file in publication.retained]
            contents = [*files.values(), *retained]
            with _recorded(mirror, tree, channel, action, previous, snapshot, said):
                mirror.publisher.publish(
                    channel, tree.name, publication, contents, extras(mirror, tree, snapshot), parts
                )
        publications.confirm(mirror, channel)
    mirror.reporter.event("published", tree=tree.name, channel=channel, snapshot=snapshot.id)
    return True


@contextlib.contextmanager
def _recorded(
    mirror: Mirror,
    tree: Tree,
    channel: str,
    action: str,
    previous: rules.Publication | None,
    snapshot: Snapshot,
    said: Mapping[str, object],
) -> Iterator[None]:
    """Nothing new shows that the log does not speak of: it is written before the switch."""
    before = previous.snapshot if previous else None
    what = {"tree": tree.name, "channel": channel, "snapshot": snapshot.id, "before": before}
    what.update(said)  # type: ignore[arg-type]
    if before != snapshot.id:
        mirror.journal.append(int(mirror.clock()), action, **what)
    try:
        yield
    except MirrorError as error:
        if before != snapshot.id:
            with contextlib.suppress(MirrorError):
                mirror.journal.append(int(mirror.clock()), "failed", **what, reason=error.message)
        raise


def _without_lost(
    mirror: Mirror, tree: Tree, channel: str, publication: rules.Publication
) -> rules.Publication:
    """What nobody can have any more is not kept for those who ask for it: it stops no publish."""
    lost = mirror.pool.missing(file.sha256 for file in publication.retained)
    if lost:
        mirror.reporter.event(
            "warning",
            tree=tree.name,
            message=f"{len(lost)} expired files are lost, and no longer kept for {channel}",
            way_out=f"tuxmirror verify {tree.name} says what else is damaged",
        )
    retained = tuple(file for file in publication.retained if file.sha256 not in lost)
    return publication._replace(retained=retained)


def _expired(publication: rules.Publication, now: int) -> bool:
    return publication.next_expiry is not None and publication.next_expiry <= now


def _previous_files(
    mirror: Mirror, tree: Tree, previous: rules.Publication | None, current: str
) -> list[File]:
    if previous is None or previous.snapshot == current:
        return []
    snapshot = mirror.state.snapshot(tree.name, previous.snapshot)
    return list(files_of(mirror, tree, snapshot).values())


def extras(mirror: Mirror, tree: Tree, snapshot: Snapshot) -> dict[str, bytes]:
    """What lies at the tree's root beside its repositories.

    The operator's key among them, where he signed any of it.
    """
    found = manifest.files(mirror, snapshot)
    signed = len(found) > 1
    found["TIME"] = f"{snapshot.created}\n".encode()
    found.update({key.name: read_key(tree, key) for key in tree.gpgkey})
    signers = {repository.signed_by for repository in snapshot.repositories.values()}
    if mirror.signer is not None and (signed or mirror.config.signing_key in signers):
        found[OPERATORS_KEY] = mirror.signer().public_key()
    elif _imported(mirror, signers):
        found[OPERATORS_KEY] = b"".join(read_key(tree, key) for key in mirror.config.bundle_keys)
    return found


def _imported(mirror: Mirror, signers: set[str]) -> bool:
    """Whether another operator signed any of the metadata: it came in his bundle."""
    keys = mirror.config.bundle_keys
    if not keys or signers <= {LOCAL, "pinned"}:
        return False
    with mirror.keyring(Tree("bundle-keys", gpgkey=keys)) as keyring:
        return bool(signers & keyring.fingerprints)


def read_key(tree: Tree, key: Path) -> bytes:
    """A public key's file. Raises ConfigError."""
    try:
        return key.read_bytes()
    except OSError as error:
        raise ConfigError(f"gpgkey {key}: {error.strerror}", tree=tree.name) from None
