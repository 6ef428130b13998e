"""What a repository of a snapshot consists of, read from the pool."""

from __future__ import annotations

from ..core import repomd
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError, StorageError
from ..core.snapshot import Repository
from . import metadata
from .context import Mirror
from .metadata import Content

REPOMD = "repodata/repomd.xml"
_WAY_OUT = "tuxmirror verify --repair fetches what is lost again"


def read(mirror: Mirror, tree: Tree, name: str, repository: Repository) -> Content:
    """Its packages and advisories.

    Raises:
        StorageError: the pool has lost a file.
        VerificationError: one of them is damaged.
    """
    try:
        files = snapshots.decode_files(mirror.pool.read(repository.files))
        by_path = {file.path: file.sha256 for file in files}
        index = repomd.parse(mirror.pool.read(by_path[REPOMD]))
        for sha in sorted(mirror.pool.missing(file.sha256 for file in index.files)):
            raise StorageError("missing in the pool", path=sha)
        places = {file.sha256: mirror.pool.path(file.sha256) for file in index.files}
        return metadata.read(mirror, mirror.state.incoming(tree.name), index, places)
    except MirrorError as error:
        error.way_out = error.way_out or _WAY_OUT
        raise error.located(tree=tree.name, repository=name) from None
