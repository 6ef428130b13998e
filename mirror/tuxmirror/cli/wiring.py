"""Which adapter stands behind which port."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from pathlib import Path

from .. import __version__
from ..core.config import Config, Tree
from ..core.convert import LOCAL_WORKERS
from ..core.errors import ConfigError
from ..ports import PageRenderer, Reporter, Signer
from ..usecases.context import Mirror
from ..usecases.memory import Memory
from .storage import make_storage

TOOL = f"tuxmirror {__version__}"


def make_mirror(config: Config, reporter: Reporter) -> Mirror:
    """Everything a use-case of the mirror needs. Raises ConfigError, StorageError."""
    import time

    from ..adapters.curl import CurlTransport
    from ..adapters.oscap import Oscap

    pool, state, publisher, journal, vetting = make_storage(config)
    return Mirror(
        config=config,
        transport=CurlTransport(_roots(config), config.parallel, token_files=_token_files(config)),
        pool=pool,
        state=state,
        publisher=publisher,
        journal=journal,
        pages=_pages,
        reporter=reporter,
        clock=time.time,
        keyring=lambda tree: _keyring(tree, state.scratch(tree.name)),
        verifier=_verifier,
        metadata=_metadata(),
        local_source=_local_source,
        trust=trust,
        advisory_files=_advisory_files,
        scanner=Oscap(),
        tool=TOOL,
        signer=functools.partial(_signer, config) if config.signing_key else None,
        vetting=vetting,
        solver=_solver,
        metadata_filter=_metadata_filter,
        memory=Memory(),
        executor=_executor(config) if config.workers else None,
    )


def _executor(config: Config):  # type: ignore[no-untyped-def]
    from .worker import take

    address, function = str(config.workers), functools.partial(take, for_workers(config))
    if address.startswith(LOCAL_WORKERS):
        from ..adapters.local_executor import LocalExecutor

        processes = int(address[len(LOCAL_WORKERS) :])
        return LocalExecutor(function, processes, config.worker_memory)
    from ..adapters.dask_executor import DaskExecutor

    return DaskExecutor(address, function)


def for_workers(config: Config) -> Config:
    """What workers are told: nothing that is secret, or of no use to them."""
    return dataclasses.replace(
        config,
        trees={name: tree for name, tree in config.trees.items() if tree.type != "local"},
        database="sqlite",
        signing_key=None,
        gnupghome=None,
        passphrase_file=None,
    )


def _roots(config: Config) -> list[str]:
    lists = [tree.mirrorlist for tree in config.trees.values() if tree.mirrorlist]
    return [root for tree in config.trees.values() for root in tree.upstream] + lists


def _token_files(config: Config) -> dict[str, Path]:
    return {
        root: tree.token_file
        for tree in config.trees.values()
        for root in tree.upstream
        if tree.token_file
    }


def trust(tree: Tree) -> str:
    """Names the keys and rules a tree's content is accepted under.

    Raises:
        ConfigError: a key file cannot be read.
    """
    sha = hashlib.sha256()
    for key in tree.gpgkey:
        try:
            sha.update(key.read_bytes())
        except OSError as error:
            raise ConfigError(f"gpgkey {key}: {error.strerror}", tree=tree.name) from None
    rules = (sorted(tree.fingerprints), tree.metadata_signature, sorted(tree.repomd_sha256.items()))
    sha.update(repr(rules).encode())
    if tree.kickstart:
        sha.update(repr(sorted(tree.kickstart.items())).encode())
    return sha.hexdigest()[:16]


# What only a changed upstream needs is not even imported before.


def _keyring(tree: Tree, scratch: Path):  # type: ignore[no-untyped-def]
    import contextlib

    from ..adapters.keyring import GpgKeyring

    return contextlib.closing(GpgKeyring(tree.gpgkey, tree.fingerprints, scratch))


def _signer(config: Config) -> Signer:
    from ..adapters.signer import GpgSigner

    assert config.signing_key is not None  # noqa: S101  # asked for only where there is one
    return GpgSigner(config.signing_key, config.gnupghome, config.passphrase_file)


def _pages() -> PageRenderer:
    from ..adapters.pages import JinjaPages

    return JinjaPages()


def _solver(scratch: Path):  # type: ignore[no-untyped-def]
    from ..adapters.solver import LibsolvSolver

    return LibsolvSolver(scratch)


def _metadata_filter(scratch: Path):  # type: ignore[no-untyped-def]
    from ..adapters.metadata_filter import MetadataCutter

    return MetadataCutter(scratch)


def _verifier(keyring):  # type: ignore[no-untyped-def]
    from ..adapters.rpm_verifier import RpmVerifier

    return RpmVerifier(keyring)


def _metadata():  # type: ignore[no-untyped-def]
    """A reader for each folder; one process behind all of them."""
    process = None

    def reader(scratch: Path):  # type: ignore[no-untyped-def]
        nonlocal process
        from ..adapters.metadata_process import BoundedMetadata, MetadataProcess

        process = process or MetadataProcess()
        return BoundedMetadata(scratch, process)

    return reader


def _local_source(root: Path):  # type: ignore[no-untyped-def]
    from ..adapters.createrepo import RpmDirectory

    return RpmDirectory(root)


def _advisory_files(root: Path):  # type: ignore[no-untyped-def]
    from ..adapters.advisory_files import AdvisoryFolder

    return AdvisoryFolder(root)
