"""`tuxmirror status`: what is published, how old it is, what needs a person."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..core import health
from ..core.config import Tree
from ..core.errors import MirrorError
from ..core.policy.rules import REQUIRED, Channel
from . import following, last_verify
from .context import Mirror
from .source import BUNDLE


def status(mirror: Mirror, trees: Sequence[Tree]) -> list[dict[str, object]]:
    """One document a tree; times in seconds since the epoch. Reads only, and never fails as a
    whole: what cannot be read is said in its place.

    `level` and `findings` are what `core.health` says of it.
    """
    return [_judged(mirror, _tree(mirror, tree)) for tree in trees]


def _judged(mirror: Mirror, document: dict[str, object]) -> dict[str, object]:
    found = health.findings(document, mirror.clock())
    return {
        **document,
        "level": health.level(found),
        "findings": [finding._asdict() for finding in found],
    }


def _tree(mirror: Mirror, tree: Tree) -> dict[str, object]:
    run = mirror.state.last_run(tree.name)
    seen = mirror.state.upstream_time(tree.name)
    return {
        "tree": tree.name,
        "metadata_signature": "local" if tree.type == "local" else tree.metadata_signature,
        "comes_by": _comes_by(mirror, tree),
        "last_sync": run.time if run else None,
        "last_error": run.error if run else None,
        "last_verify": _verified(mirror, tree),
        "upstream_time": seen.value or None if seen else None,
        "max_age": _max_age(mirror, tree),
        "candidate": _candidate(mirror, tree),
        "channels": {channel: _shown(mirror, channel, tree) for channel in _channels(mirror)},
        "held": _held(mirror, tree),
        "policy": _policy(mirror, tree),
        "quarantine": mirror.state.quarantined(tree.name),
    }


def _verified(mirror: Mirror, tree: Tree) -> dict[str, object] | None:
    """None before the first `verify`."""
    last = last_verify.read(mirror, tree.name)
    return last._asdict() if last else None


def _comes_by(mirror: Mirror, tree: Tree) -> str:
    """`sync`, or `import` where a bundle brought what was verified last."""
    with contextlib.suppress(MirrorError):
        memory = mirror.state.memory(tree.name)
        if any(fields.root == BUNDLE for fields in memory.values()):
            return "import"
    return "sync"


def _policy(mirror: Mirror, tree: Tree) -> dict[str, dict[str, object]]:
    """By channel: how many packages its policy keeps back and until when, and the snapshot that
    waits for somebody to approve it."""
    found: dict[str, dict[str, object]] = {}
    for channel in mirror.config.channels.values():
        last = mirror.vetting.last(tree.name, channel.name)
        waiting = None
        if channel.approval == REQUIRED:
            waiting = _waiting(mirror, tree, channel, last.snapshot if last else None)
        if last is not None or waiting:
            facts = {"held": last.held, "until": last.until} if last else {"held": 0, "until": None}
            found[channel.name] = {**facts, "waiting": waiting}
    return found


def _waiting(mirror: Mirror, tree: Tree, channel: Channel, chosen: str | None) -> str | None:
    try:
        publication = mirror.publisher.published(channel.name, tree.name)
        choice = following.choose(mirror, tree, channel)
    except MirrorError:
        return None
    whole = choice.source.id if choice else None
    proposed = chosen if chosen and choice and choice.policy else whole
    shown = publication.snapshot if publication else None
    return proposed if proposed != shown else None


def _max_age(mirror: Mirror, tree: Tree) -> int | None:
    """In seconds; None where upstream's age does not count."""
    age = mirror.config.max_age if tree.max_age is None else tree.max_age
    return age or None if tree.type != "local" else None


def _held(mirror: Mirror, tree: Tree) -> dict[str, list[str]]:
    """By channel, the snapshots that are still there and that sync does not publish to it."""
    known = mirror.state.snapshots(tree.name)
    try:
        held = mirror.state.held(tree.name)
    except MirrorError:
        # The next sync says so.
        return {}
    kept = {channel: [name for name in known if name in ids] for channel, ids in held.items()}
    return {channel: names for channel, names in kept.items() if names}


def _channels(mirror: Mirror) -> list[str]:
    return [channel for channel in mirror.publisher.channels() if channel != "candidate"]


def _candidate(mirror: Mirror, tree: Tree) -> dict[str, object] | None:
    try:
        candidate = mirror.state.candidate(tree.name)
    except MirrorError as error:
        return error.as_dict()
    return _snapshot(mirror, tree, candidate) if candidate else None


def _shown(mirror: Mirror, channel: str, tree: Tree) -> dict[str, object] | None:
    try:
        publication = mirror.publisher.published(channel, tree.name)
    except MirrorError as error:
        return error.as_dict()
    if publication is None:
        return None
    retained = {"retained": len(publication.retained)}
    return {**_snapshot(mirror, tree, publication.snapshot), **retained}


def _snapshot(mirror: Mirror, tree: Tree, name: str) -> dict[str, object]:
    try:
        snapshot = mirror.state.snapshot(tree.name, name)
    except MirrorError as error:
        return {"snapshot": name, **error.as_dict()}
    facts = {"created": snapshot.created, "packages": snapshot.packages, "bytes": snapshot.bytes}
    return {"snapshot": name, **facts}
