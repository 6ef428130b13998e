"""Images of folders and installation trees: from their verified lists into the pool.

They may have 10 GB each: they come straight to the disk, and into the pool one by one.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.checksums import Image
from ..core.config import Tree
from ..core.errors import StorageError, VerificationError
from ..core.snapshot import File
from ..ports import Download
from .context import Mirror
from .fetch import Progress
from .metadata import check_space
from .source import Change


def fetch(mirror: Mirror, tree: Tree, change: Change) -> int:
    """What neither the pool nor this machine's disk has of the images; each is in the pool as soon
    as it is whole.

    Returns:
        The bytes fetched.

    Raises:
        NetworkError, DigestError: as the transport.
        StorageError.
    """
    wanted: dict[str, Download] = {}
    for name, state in change.fresh.items():
        here = change.contents[name].metadata
        for image in (image for image in state.images if image.sha256 not in here):
            urls = [f"{root}/{image.path}" for root in state.roots]
            wanted.setdefault(
                image.sha256, Download(urls, image.sha256, image.size, name, image.path)
            )
    missing = mirror.pool.missing(wanted)
    if not missing:
        return 0
    todo = [wanted[sha] for sha in wanted if sha in missing]
    total = sum(download.size or 0 for download in todo)
    check_space(mirror, total)
    mirror.reporter.event(
        "fetching", tree=tree.name, images=len(todo), packages=0, bytes=total, to_verify=0
    )
    progress = Progress(mirror, tree.name, len(todo), total)
    fetched = 0
    incoming = mirror.state.incoming(tree.name)
    for download, path in mirror.transport.files(todo, incoming, progress.bytes):
        fetched += path.stat().st_size
        mirror.pool.adopt(path, download.sha256)
        progress.file()
    return fetched


def listed(mirror: Mirror, images: Iterable[Image]) -> list[File]:
    """As they will be published, with their sizes. All of them are in the pool.

    Raises:
        StorageError: one is not.
        VerificationError: one has another size than its signed list says.
    """
    return [File(image.path, image.sha256, _size(mirror, image)) for image in images]


def _size(mirror: Mirror, image: Image) -> int:
    size = mirror.pool.size(image.sha256)
    if size is None:
        raise StorageError("missing in the pool", path=image.path)
    if image.size not in (None, size):
        raise VerificationError(
            "another size than its signed list says",
            expected=f"{image.size} bytes",
            found=f"{size} bytes",
            path=image.path,
        )
    return size
