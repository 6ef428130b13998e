"""Whether kept snapshots and their metadata still are what the keys of today vouch for."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from ..core import kinds
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import (
    ConfigError,
    DigestError,
    LockedError,
    MirrorError,
    SignatureError,
)
from ..core.snapshot import LOCAL, Repository, Snapshot
from ..core.tree import OPERATORS_KEY
from ..ports import Keyring
from . import manifest, vouching
from .context import Mirror
from .upstream import REPOMD, SIGNATURE

# A sync holds the lock that long at most, where nothing changed.
_PATIENCE = 10.0


class Found(NamedTuple):
    """What does not verify, how many were signed again, and the snapshots whose own signature is
    not to be published: those of the first."""

    problems: list[MirrorError]
    repaired: int
    unvouched: set[str]


def check(mirror: Mirror, tree: Tree, kept: Iterable[Snapshot], mend: bool) -> Found:
    """What does not verify any more: each repomd.xml once, each snapshot's own signature.

    Of a snapshot that no channel shows it is a warning alone: keys come and go, and it is not
    published again without a word. `mend`: sign snapshots again; the caller holds the tree's lock.
    """
    shown = _shown(mirror, tree)
    problems: list[MirrorError] = []
    unvouched: set[str] = set()
    repaired = 0
    seen: set[str] = set()
    with contextlib.ExitStack() as stack:
        if not mend:
            try:
                stack.enter_context(mirror.state.lock(tree.name, _PATIENCE))
            except LockedError:
                message = f"{tree.name}: signatures were not checked: another run is at work"
                mirror.reporter.event("warning", tree=tree.name, message=message)
                return Found([], 0, set())
        keyring = stack.enter_context(mirror.keyring(tree))
        own = stack.enter_context(_operators(mirror, tree))
        # Those that are shown come first: what they have in common with others is damage.
        for snapshot in sorted(kept, key=lambda snapshot: snapshot.id not in shown):
            found = _unsigned(mirror, snapshot, own) if own else None
            if found and mend and _signed_again(mirror, snapshot):
                repaired += 1
            elif found:
                unvouched.add(snapshot.id)
                _sort(mirror, tree, snapshot, found, shown, problems)
            for name, repository in snapshot.repositories.items():
                if repository.files in seen:
                    continue
                seen.add(repository.files)
                by = own if own and repository.signed_by in own.fingerprints else keyring
                for error in _check(mirror, tree, name, repository, by):
                    error.located(tree=tree.name, repository=name)
                    _sort(mirror, tree, snapshot, error, shown, problems)
    return Found(problems, repaired, unvouched)


def _sort(
    mirror: Mirror,
    tree: Tree,
    snapshot: Snapshot,
    error: MirrorError,
    shown: Collection[str],
    problems: list[MirrorError],
) -> None:
    if snapshot.id in shown:
        problems.append(error)
    else:
        message = f"snapshot {snapshot.id}, shown nowhere: {error}"
        mirror.reporter.event("warning", tree=tree.name, message=message)


def _unsigned(mirror: Mirror, snapshot: Snapshot, operators: Keyring) -> MirrorError | None:
    try:
        manifest.check(mirror, snapshot, operators)
    except MirrorError as error:
        return error
    return None


def _signed_again(mirror: Mirror, snapshot: Snapshot) -> bool:
    # A key that is not at hand leaves it damaged, which is told.
    with contextlib.suppress(ConfigError, SignatureError):
        if manifest.sign_again(mirror, snapshot):
            path = f"{snapshot.id}: {manifest.SIGNATURE}"
            mirror.reporter.event("repaired", tree=snapshot.tree, path=path)
            return True
    return False


@contextlib.contextmanager
def _operators(mirror: Mirror, tree: Tree) -> Iterator[Keyring | None]:
    """A keyring of the operators whose metadata is taken; None where there are none."""
    files = list(mirror.config.bundle_keys)
    if mirror.signer is not None:
        # The caller holds the tree's lock: the folder is this run's.
        file = mirror.state.scratch(tree.name) / OPERATORS_KEY
        file.write_bytes(mirror.signer().public_key())
        files.append(file)
    if not files:
        yield None
        return
    with mirror.keyring(dataclasses.replace(tree, gpgkey=tuple(files), fingerprints=())) as keyring:
        yield keyring


def _shown(mirror: Mirror, tree: Tree) -> set[str]:
    found = set()
    for channel in mirror.publisher.channels():
        with contextlib.suppress(MirrorError):
            publication = mirror.publisher.published(channel, tree.name)
            if publication is not None:
                found.add(publication.snapshot)
    return found


def _check(
    mirror: Mirror, tree: Tree, name: str, repository: Repository, keyring: Keyring
) -> Iterator[MirrorError]:
    """Bytes that are damaged have been told of already."""
    try:
        files = snapshots.decode_files(mirror.pool.read(repository.files))
        digests = {file.path: file.sha256 for file in files}
        if kinds.is_whole(name):
            yield from _check_list(mirror, tree, name, digests, keyring)
        if kinds.is_images(name):
            return
        repomd = mirror.pool.read(digests[REPOMD])
        signature = mirror.pool.read(digests[SIGNATURE]) if SIGNATURE in digests else None
    except (KeyError, MirrorError):
        return
    if repository.signed_by == "pinned" and tree.metadata_signature == "pinned":
        expected = tree.repomd_sha256.get(name)
        if expected not in (None, digests[REPOMD]):
            yield DigestError(
                "repomd.xml is not the pinned one",
                expected=f"sha256 {expected}",
                found=f"sha256 {digests[REPOMD]}",
                path=REPOMD,
                way_out=f"tuxmirror sync {tree.name}",
            )
    elif repository.signed_by not in ("pinned", LOCAL):
        try:
            keyring.verify_detached(repomd, signature or b"")
        except SignatureError as error:
            error.way_out = (
                f"tuxmirror sync {tree.name} verifies upstream afresh; or add the key to gpgkey"
            )
            yield error


def _check_list(
    mirror: Mirror, tree: Tree, name: str, digests: Mapping[str, str], keyring: Keyring
) -> Iterator[MirrorError]:
    """Of images: whether what vouched for them still does. Raises KeyError, MirrorError."""
    if kinds.is_images(name):
        data = mirror.pool.read(digests[kinds.CHECKSUM])
        try:
            vouching.prove_list(data, keyring)
        except MirrorError as error:
            yield error
        return
    repository = name.rpartition("/")[0]
    # One that is not configured any more has no pin to compare with.
    if repository in tree.kickstart:
        data = mirror.pool.read(digests[kinds.TREEINFO])
        try:
            vouching.prove_treeinfo(tree, name, data)
        except MirrorError as error:
            yield error
