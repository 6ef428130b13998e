"""Fetch packages and verify them beside the transfer; what passed goes into the pool."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.config import Tree
from ..core.errors import (
    DeadlineError,
    MetadataError,
    MirrorError,
    NetworkError,
    StorageError,
)
from ..core.package import Header, Package
from ..ports import Download, Keyring, PackageVerifier, Verified
from .context import Mirror
from .metadata import check_space
from .source import Change

# Of what a store lost; one that loses more is not to be trusted with a mirror.
_ROUNDS = 3


class Job(NamedTuple):
    """One content to verify: `path` where it is on the disk already, else below one of `roots`."""

    package: Package
    repository: str
    roots: Sequence[str]
    path: Path | None

    @property
    def urls(self) -> list[str]:
        # Made when it is fetched: 30,000 of them are 8 MB.
        return [f"{root}/{self.package.location}" for root in self.roots]


def jobs(change: Change, known: Mapping[str, str]) -> dict[str, Job]:
    """What is still to be verified, by SHA-256.

    Args:
        known: what was verified before with these keys, and as which package.

    Raises:
        MetadataError: two repositories describe one content differently.
    """
    wanted: dict[str, Job] = {}
    for name, content in change.contents.items():
        roots = change.fresh[name].roots
        for package in content.packages:
            if package.sha256 in known and known[package.sha256] == package.description:
                continue
            first = wanted.get(package.sha256)
            if first is None:
                path = change.packages.get(package.sha256)
                wanted[package.sha256] = Job(package, name, roots, path)
            else:
                _check_same(first, package, name)
    return wanted


def _check_same(first: Job, package: Package, repository: str) -> None:
    for field in (*Header._fields, "size"):
        if getattr(first.package, field) != getattr(package, field):
            raise MetadataError(
                f"one content is described differently by {first.repository}: {field}",
                repository=repository,
                path=package.location,
            )


def packages(mirror: Mirror, tree: Tree, keyring: Keyring, wanted: Mapping[str, Job]) -> int:
    """Fetch what the pool lacks, verify all of `wanted`, put what passed into the pool.

    What the pool took and then turns out to have lost is fetched again.

    Returns:
        The bytes fetched.

    Raises:
        VerificationError: some did not pass; they are in the quarantine, the rest is kept.
        NetworkError, DeadlineError, DigestError, StorageError.
    """
    total = _once(mirror, tree, keyring, wanted)
    for _ in range(_ROUNDS):
        lost = {sha: wanted[sha] for sha in mirror.pool.lost() if sha in wanted}
        if not lost:
            return total
        message = f"the store acknowledged {len(lost)} packages and lost them; once more"
        mirror.reporter.event("warning", tree=tree.name, message=message)
        if any(job.path for job in lost.values()):
            break
        total += _once(mirror, tree, keyring, lost)
    raise StorageError(
        "the store acknowledges packages and loses them",
        tree=tree.name,
        way_out="nothing was published; look at the store, then run the same command again",
    )


def _once(mirror: Mirror, tree: Tree, keyring: Keyring, wanted: Mapping[str, Job]) -> int:
    missing = mirror.pool.missing(wanted)
    here = {sha: job.path for sha, job in wanted.items() if job.path and sha in missing}
    todo = [job for sha, job in wanted.items() if sha in missing and sha not in here]
    total = sum(job.package.size for job in todo)
    check_space(mirror, total)
    if wanted:
        mirror.reporter.event(
            "fetching", tree=tree.name, packages=len(todo), bytes=total, to_verify=len(wanted)
        )
    progress = Progress(mirror, tree.name, len(todo), total)
    intake = _Intake(mirror, tree, wanted)
    with mirror.verifier(keyring) as verifier:
        for sha, job in wanted.items():
            if sha not in missing:
                verifier.submit(job.package, mirror.pool.path(sha))
            elif sha in here:
                verifier.submit(job.package, here[sha])
            for result in verifier.results():
                intake.take(result)
        try:
            _transfer(mirror, tree, todo, verifier, intake, progress)
        except (DeadlineError, NetworkError):
            # What has come is kept: the next run need not fetch it again.
            _settle(verifier, intake)
            raise
        _settle(verifier, intake)
    intake.settle()
    return total


def _settle(verifier: PackageVerifier, intake: _Intake) -> None:
    for result in verifier.finish():
        intake.take(result)


def _transfer(
    mirror: Mirror,
    tree: Tree,
    todo: Iterable[Job],
    verifier: PackageVerifier,
    intake: _Intake,
    progress: Progress,
) -> None:
    """Verification runs beside the transfer: what has come is handed over at once."""
    by_sha = {job.package.sha256: job.package for job in todo}
    downloads = map(_download, todo)
    incoming = mirror.state.incoming(tree.name)
    for download, path in mirror.transport.files(downloads, incoming, progress.bytes):
        progress.file()
        verifier.submit(by_sha[download.sha256], path)
        for result in verifier.results():
            intake.take(result)


def _download(job: Job) -> Download:
    package = job.package
    return Download(job.urls, package.sha256, package.size, job.repository, package.location)


class Progress:
    """Tells how far a transfer is; bytes as they come."""

    def __init__(self, mirror: Mirror, tree: str, total: int, total_bytes: int) -> None:
        self._mirror, self._tree = mirror, tree
        self._total, self._total_bytes = total, total_bytes
        self._done = self._bytes = 0

    def bytes(self, number: int) -> None:
        self._bytes += number

    def file(self) -> None:
        self._done += 1
        self._mirror.reporter.event(
            "progress",
            tree=self._tree,
            done=self._done,
            total=self._total,
            bytes=self._bytes,
            total_bytes=self._total_bytes,
        )


class _Intake:
    """Verified packages go into the pool, refused ones into the quarantine."""

    _NAMED = 20
    _WAY_OUT = "nothing was published; the file is kept in the quarantine"

    def __init__(self, mirror: Mirror, tree: Tree, wanted: Mapping[str, Job]) -> None:
        self._mirror, self._tree, self._wanted = mirror, tree, wanted
        self._refused: list[MirrorError] = []

    def take(self, result: Verified) -> None:
        if result.error is None:
            self._mirror.pool.adopt(result.path, result.package.sha256)
            return
        repository = self._wanted[result.package.sha256].repository
        error = result.error.located(tree=self._tree.name, repository=repository)
        error.way_out = error.way_out or self._WAY_OUT
        self._refused.append(error)
        if not self._mirror.pool.same(result.path, result.package.sha256):
            self._mirror.state.quarantine(self._tree.name, result.path, error)
        self._mirror.reporter.event("quarantine", **error.as_dict())

    def settle(self) -> None:
        if not self._refused:
            return
        first, *others = self._refused
        if others:
            names = ", ".join(str(e.path) for e in itertools.islice(others, self._NAMED))
            first.message += f"; and {len(others)} more refused: {names}"
        raise first
