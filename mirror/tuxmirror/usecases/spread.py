"""Fetching and verifying by workers of other machines, in batches; see `fetch` for the work itself.

A batch may be done twice, or by two workers at once: what one of them stores has the content's own
name, so the other changes nothing. What no worker stored is not there in the end, and is asked for
again; only what is there can get into a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..core.config import Tree
from ..core.errors import MirrorError, StorageError, gravest
from ..ports import Executor, Keyring
from . import fetch
from .context import Mirror
from .fetch import Job

# Enough to keep a worker's connections busy; what a killed one takes along is little.
BATCH_FILES = 100
BATCH_BYTES = 64 << 20
_ROUNDS = 3


class Piece(NamedTuple):
    """A batch for a worker. `keys` are the tree's key files, name and bytes, so that what the
    workers' machines have for keys does not count; `tool` is the version that made it."""

    tree: Tree
    keys: tuple[tuple[str, bytes], ...]
    jobs: Sequence[Job]
    tool: str


class Taken(NamedTuple):
    """What became of a batch. `events` are for the reporter, by name."""

    jobs: int
    bytes: int
    events: Sequence[tuple[str, dict[str, object]]]
    error: MirrorError | None


def packages(
    mirror: Mirror, executor: Executor, tree: Tree, keyring: Keyring, wanted: Mapping[str, Job]
) -> int:
    """As `fetch.packages`. What is on this machine's disk already, this machine does."""
    here = {sha: job for sha, job in wanted.items() if job.path}
    total = fetch.packages(mirror, tree, keyring, here) if here else 0
    left = {sha: job for sha, job in wanted.items() if not job.path}
    for _ in range(_ROUNDS):
        if not left:
            return total
        total += _round(mirror, executor, tree, left)
        missing = mirror.pool.missing(left)
        left = {sha: job for sha, job in left.items() if sha in missing}
    if left:
        raise StorageError(
            "workers say that they stored packages which are not there",
            tree=tree.name,
            found=f"{len(left)} packages",
            way_out="nothing was published; see whether the workers use the same store, then run"
            " the same command again",
        )
    return total


def _round(mirror: Mirror, executor: Executor, tree: Tree, wanted: Mapping[str, Job]) -> int:
    keys = tuple((path.name, path.read_bytes()) for path in tree.gpgkey)
    size = sum(job.package.size for job in wanted.values())
    mirror.reporter.event(
        "fetching", tree=tree.name, packages=len(wanted), bytes=size, to_verify=len(wanted)
    )
    pieces = (Piece(tree, keys, batch, mirror.tool) for batch in _batches(list(wanted.values())))
    done = fetched = 0
    errors: list[MirrorError] = []
    for taken in executor.run(pieces):
        done, fetched = done + taken.jobs, fetched + taken.bytes
        for name, fields in taken.events:
            mirror.reporter.event(name, **fields)
        if taken.error is not None:
            errors.append(taken.error)
        mirror.reporter.event(
            "progress",
            tree=tree.name,
            done=done,
            total=len(wanted),
            bytes=fetched,
            total_bytes=size,
        )
    if errors:
        worst = gravest([error.exit_status for error in errors])
        first = next(error for error in errors if error.exit_status == worst)
        if len(errors) > 1:
            first.message += f" (and {len(errors) - 1} more batches failed)"
        raise first.located(tree=tree.name)
    return fetched


def _batches(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    batch: list[Job] = []
    size = 0
    for job in jobs:
        batch.append(job)
        size += job.package.size
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
