"""What a repository of a snapshot consists of, read from the pool."""

from __future__ import annotations

from ..core import kinds, repomd
from ..core import snapshot as snapshots
from ..core.config import Tree
from ..core.errors import MirrorError, StorageError
from ..core.kinds import REPOMD
from ..core.repomd import Repomd
from ..core.snapshot import Repository
from ..ports import Metadata
from . import metadata
from .context import Mirror
from .metadata import Content

_WAY_OUT = "tuxmirror verify --repair fetches what is lost again"


def read(mirror: Mirror, tree: Tree, name: str, repository: Repository) -> Content:
    """Its packages and advisories.

    Raises:
        StorageError: the pool has lost a file.
        VerificationError: one of them is damaged.
    """
    found = metadata_of(mirror, tree, name, repository)
    try:
        return metadata.read(mirror, mirror.state.incoming(tree.name), found.repomd, found.places)
    except MirrorError as error:
        error.way_out = error.way_out or _WAY_OUT
        raise error.located(tree=tree.name, repository=name) from None


def metadata_of(mirror: Mirror, tree: Tree, name: str, repository: Repository) -> Metadata:
    """Where its metadata is; repomd.xml among its places. A folder of images has none.

    Raises:
        StorageError: the pool has lost a file.
        VerificationError: the file list or repomd.xml is damaged.
    """
    try:
        if kinds.is_images(name):
            return Metadata(name, Repomd(repository.repomd, repository.revision, ()), {})
        index = index_of(mirror, repository)
        wanted = [*(file.sha256 for file in index.files), index.sha256]
        for sha in sorted(mirror.pool.missing(wanted)):
            raise StorageError("missing in the pool", path=sha)
        places = {sha: mirror.pool.path(sha) for sha in wanted}
        return Metadata(name, index, places)
    except MirrorError as error:
        error.way_out = error.way_out or _WAY_OUT
        raise error.located(tree=tree.name, repository=name) from None


def index_of(mirror: Mirror, repository: Repository) -> Repomd:
    """Its repomd.xml.

    Raises:
        StorageError: the pool has lost a file.
        VerificationError: the file list or repomd.xml is damaged.
    """
    data = mirror.pool.read(repository.files)
    sha256 = snapshots.find_file(data, REPOMD)
    if sha256 is None:
        raise StorageError("the file list names no repomd.xml", path=repository.files)
    return repomd.parse(mirror.pool.read(sha256))
