"""`tuxmirror export`: snapshots into a signed bundle, for a site without a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..core import bundle as bundles
from ..core import kinds
from ..core import snapshot as snapshots
from ..core.bundle import Bundle, Carried, Item
from ..core.config import Tree
from ..core.errors import (
    ConfigError,
    DigestError,
    MirrorError,
    RefusedError,
    StorageError,
)
from ..core.snapshot import Snapshot
from ..ports import BundleHead, BundlePlace
from . import locks
from .context import Mirror
from .selection import find

_MARGIN_BYTES = 16 << 20
_REPAIR = "tuxmirror verify --repair, then export again"


class Wish(NamedTuple):
    """A tree's snapshot as `selection.find` knows it, and the one that the other site has."""

    tree: Tree
    snapshot: str
    since: str | None = None


def export(mirror: Mirror, wishes: Sequence[Wish], place: BundlePlace, dry_run: bool) -> None:
    """Write the bundle; while that lasts, nothing of it is pruned.

    Raises:
        ConfigError: no signing key, no such snapshot, something else is at the place.
        RefusedError: a channel shows nothing of a tree.
        LockedError: a tree is being exported, or pruned.
        DigestError, StorageError: a content is damaged or lost, or there is no room.
    """
    if mirror.signer is None:
        raise ConfigError(
            "a bundle is signed, and there is no signing_key",
            way_out="name the operator's key in [main]: signing_key =, gnupghome =",
        )
    with contextlib.ExitStack() as stack:
        for wish in wishes:
            stack.enter_context(mirror.state.lock(locks.reading(wish.tree.name)))
        bundle = _bundle(mirror, wishes)
        _tell(mirror, bundle, dry_run)
        if dry_run or not bundle.contents:
            return
        _check(mirror, bundle, place)
        head = _head(mirror, bundle, place)
        _write(mirror, bundle, head, place)
    mirror.reporter.event("exported", bytes=bundle.bytes, contents=len(bundle.contents))


def _bundle(mirror: Mirror, wishes: Sequence[Wish]) -> Bundle:
    carried = []
    wanted: dict[str, Item] = {}
    known: set[str] = set()
    for tree, text, since in wishes:
        snapshot = _meant(mirror, tree, text)
        base = find(mirror, tree, since) if since is not None else None
        carried.append(Carried(snapshot, base.id if base else None))
        for item in _contents(mirror, snapshot):
            wanted.setdefault(item.sha256, item)
        if base is not None:
            known |= {item.sha256 for item in _contents(mirror, base)}
    contents = tuple(item for sha, item in wanted.items() if sha not in known)
    # Of two trees the metadata comes first as well; within that, the order is that of digests.
    small = {item.sha256 for wish in carried for item in _small(mirror, wish.snapshot)}
    ordered = sorted(contents, key=lambda item: (item.sha256 not in small, item.sha256))
    return Bundle(int(mirror.clock()), mirror.tool, tuple(carried), tuple(ordered))


def _meant(mirror: Mirror, tree: Tree, text: str) -> Snapshot:
    if text in mirror.publisher.channels() and not mirror.publisher.published(text, tree.name):
        raise RefusedError(
            f"{text} shows nothing of it", tree=tree.name, way_out=f"tuxmirror sync {tree.name}"
        )
    return find(mirror, tree, text)


def _lists(mirror: Mirror, snapshot: Snapshot) -> Iterable[tuple[str, Item, list[snapshots.File]]]:
    """By repository: its file list, and what is in that."""
    for name, repository in snapshot.repositories.items():
        try:
            data = mirror.pool.read(repository.files)
        except MirrorError as error:
            error.way_out = _REPAIR
            raise error.located(tree=snapshot.tree) from None
        yield name, Item(repository.files, len(data)), snapshots.decode_files(data)


def _contents(mirror: Mirror, snapshot: Snapshot) -> Iterable[Item]:
    for _, own, files in _lists(mirror, snapshot):
        yield own
        for file in files:
            yield Item(file.sha256, file.size)


def _small(mirror: Mirror, snapshot: Snapshot) -> Iterable[Item]:
    """What has to be read before the packages: it says what they must be."""
    for name, own, files in _lists(mirror, snapshot):
        yield own
        for file in files:
            if kinds.is_metadata(name, file.path):
                yield Item(file.sha256, file.size)


def _tell(mirror: Mirror, bundle: Bundle, dry_run: bool) -> None:
    trees: list[Mapping[str, object]] = [
        {"tree": c.snapshot.tree, "snapshot": c.snapshot.id, "since": c.since} for c in bundle.trees
    ]
    mirror.reporter.event(
        "exporting",
        trees=trees,
        contents=len(bundle.contents),
        bytes=bundle.bytes,
        dry_run=dry_run,
    )


def _check(mirror: Mirror, bundle: Bundle, place: BundlePlace) -> None:
    """Before anything is written."""
    for sha in sorted(mirror.pool.missing(item.sha256 for item in bundle.contents)):
        raise StorageError("missing in the pool", path=str(mirror.pool.path(sha)), way_out=_REPAIR)
    needed = bundle.bytes + _MARGIN_BYTES
    free = place.free_bytes()
    if place.unfinished() is None and needed > free:
        raise StorageError(
            "not enough space for the bundle",
            expected=f"{needed >> 20} MiB free",
            found=f"{free >> 20} MiB free",
            way_out="make room, or export less: --since what the other site has",
        )


def _head(mirror: Mirror, bundle: Bundle, place: BundlePlace) -> BundleHead:
    """That of the run which was killed, where it can be gone on with: its signature stays."""
    assert mirror.signer is not None  # noqa: S101  # `export` refuses that
    half = place.unfinished()
    if half is not None and half.signature is not None:
        with contextlib.suppress(MirrorError):
            if bundles.decode(half.manifest).same_as(bundle):
                return half
    manifest = bundles.encode(bundle)
    [signature] = mirror.signer().sign([manifest])
    return BundleHead(manifest, signature)


def _write(mirror: Mirror, bundle: Bundle, head: BundleHead, place: BundlePlace) -> None:
    done = written = 0
    names = ", ".join(carried.snapshot.tree for carried in bundle.trees)

    def progress(number: int) -> None:
        nonlocal done, written
        done, written = done + 1, written + number
        mirror.reporter.event(
            "progress",
            tree=names,
            done=done,
            total=len(bundle.contents),
            bytes=written,
            total_bytes=bundle.bytes,
        )

    try:
        place.write(head, bundle.contents, mirror.pool.path, progress)
    except DigestError as error:
        error.way_out = _REPAIR
        raise
