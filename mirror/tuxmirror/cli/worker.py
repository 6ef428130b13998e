"""What a worker does with a batch: runs on its machine, for a `tuxmirror sync` on another.

The worker needs this package and what it stands on, credentials of the store in its surroundings,
and the files that `token_file` names. It keeps nothing: its scratch folder ends with the batch.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

from .. import __version__
from ..core.config import Config, Tree
from ..core.errors import ConfigError, MirrorError, StorageError
from ..usecases import fetch
from ..usecases.context import Mirror
from ..usecases.spread import Piece, Taken
from .wiring import make_mirror

# Said by the one who gave out the work.
_OURS = frozenset({"fetching", "progress"})


class Collector:
    """See `ports.Reporter`: keeps events for the one who gave out the work."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def event(self, name: str, **fields: object) -> None:
        if name not in _OURS:
            self.events.append((name, fields))


def take(config: Config, piece: Piece) -> Taken:
    """Fetch, verify and store a batch. Errors are part of the answer."""
    collector = Collector()
    try:
        _check_version(piece)
        with tempfile.TemporaryDirectory(prefix="tuxmirror-worker-", dir=_place(config)) as folder:
            tree = _with_keys(piece, Path(folder))
            own = dataclasses.replace(
                config,
                store=Path(folder, "local"),
                public=Path(folder, "public"),
                public_bucket=None,
                workers=None,
            )
            fetched = _fetch(make_mirror(own, collector), tree, piece)
    except MirrorError as error:
        return Taken(len(piece.jobs), 0, collector.events, error)
    except MemoryError:
        return Taken(len(piece.jobs), 0, collector.events, _too_small())
    return Taken(len(piece.jobs), fetched, collector.events, None)


def _too_small() -> StorageError:
    return StorageError(
        "a batch of packages needs more memory than a worker may have",
        way_out="give it more: worker_memory = (local:N), --memory-limit (dask worker); nothing was"
        " published",
    )


def _fetch(mirror: Mirror, tree: Tree, piece: Piece) -> int:
    wanted = {job.package.sha256: job for job in piece.jobs}
    # Who gave out the work knows of mirrors that a mirror list named.
    for url in {url for job in piece.jobs for url in job.urls}:
        mirror.transport.allow(url)
    # A batch that takes longer than a whole sync may holds the others up.
    mirror.transport.expire(mirror.config.deadline)
    with mirror.keyring(tree) as keyring:
        fetched = fetch.packages(mirror, tree, keyring, wanted)
    mirror.pool.flush()
    for url, reason in mirror.transport.failures:
        message = f"{url}: {reason}"
        mirror.reporter.event("warning", tree=tree.name, message=message)
    return fetched


def _place(config: Config) -> Path | None:
    """The folder that `local` names, where this machine has it; else that for temporary files."""
    return config.store if config.store.is_dir() else None


def _with_keys(piece: Piece, folder: Path) -> Tree:
    paths = []
    for name, data in piece.keys:
        path = folder / name
        path.write_bytes(data)
        paths.append(path)
    return dataclasses.replace(piece.tree, gpgkey=tuple(paths))


def _check_version(piece: Piece) -> None:
    own = f"tuxmirror {__version__}"
    if piece.tool != own:
        raise ConfigError(
            "the workers have another version of tuxmirror",
            expected=piece.tool,
            found=own,
            way_out="install the same one on all of them",
        )
