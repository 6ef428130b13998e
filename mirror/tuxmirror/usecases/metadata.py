"""From a verified repomd.xml to metadata that is verified and read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..core import kinds
from ..core.config import Tree
from ..core.errors import MirrorError, StorageError, VerificationError
from ..core.package import Package, check_packages
from ..core.repomd import Repomd
from ..core.snapshot import File
from ..core.summary import Advisory
from ..ports import Download
from .context import Mirror
from .upstream import SIGNATURE, Fresh

# Room for what is not counted: directories, metadata that is regenerated, the log.
_MARGIN_BYTES = 64 << 20


class Content(NamedTuple):
    """A repository's metadata, read. `metadata` says where each file is by now."""

    packages: list[Package]
    advisories: list[Advisory]
    metadata: dict[str, Path]


def fetch(mirror: Mirror, tree: Tree, fresh: Mapping[str, Fresh]) -> dict[str, Content]:
    """Fetch and read the metadata of changed repositories; the pool is not touched.

    Raises:
        NetworkError, DigestError: as the transport.
        MetadataError: what no honest repository would say.
    """
    incoming = mirror.state.incoming(tree.name)
    wanted = {
        file.sha256: Download(
            urls=[f"{root}/{file.location}" for root in state.roots],
            sha256=file.sha256,
            size=file.size,
            repository=name,
            path=file.location,
        )
        for name, state in fresh.items()
        for file in state.repomd.files
    }
    missing = mirror.pool.missing(wanted)
    check_space(mirror, sum(wanted[sha].size or 0 for sha in missing))
    places = {sha: mirror.pool.path(sha) for sha in wanted if sha not in missing}
    downloads = [wanted[sha] for sha in wanted if sha in missing]
    for download, path in mirror.transport.files(downloads, incoming):
        places[download.sha256] = path
    contents = {}
    for name, state in fresh.items():
        try:
            contents[name] = read(mirror, incoming, state.repomd, places)
        except MirrorError as error:
            raise error.located(tree=tree.name, repository=name) from None
    return contents


def read(mirror: Mirror, scratch: Path, index: Repomd, places: Mapping[str, Path]) -> Content:
    """What a repository's metadata says. `places` are its files by SHA-256.

    Raises:
        MetadataError: see `core.package.check_packages` and the reader.
    """
    primary = index.file("primary")
    if primary is None:
        # Of images: the parser of repomd.xml refuses one without.
        return Content([], [], {})
    reader = mirror.metadata(scratch)
    try:
        packages = reader.packages(places[primary.sha256], primary.open_sha256, primary.open_size)
        check_packages(packages)
    except MirrorError as error:
        raise error.located(path=primary.location) from None
    own = {file.sha256: places[file.sha256] for file in index.files}
    return Content(packages, _advisories(mirror, scratch, index, places), own)


def _advisories(
    mirror: Mirror, scratch: Path, index: Repomd, places: Mapping[str, Path]
) -> list[Advisory]:
    file = index.file("updateinfo")
    if file is None:
        return []
    try:
        return mirror.metadata(scratch).advisories(places[file.sha256], file.open_size)
    except MirrorError as error:
        raise error.located(path=file.location) from None


def check_space(mirror: Mirror, needed: int) -> None:
    free = mirror.pool.free_bytes()
    if needed and needed + _MARGIN_BYTES > free:
        raise StorageError(
            "not enough space for what is to be fetched",
            expected=f"{(needed + _MARGIN_BYTES) >> 20} MiB free",
            found=f"{free >> 20} MiB free",
            path=str(mirror.config.store),
            way_out="make room, then run the same command again; what is there is not lost",
        )


def adopt(mirror: Mirror, contents: Mapping[str, Content]) -> None:
    """Verified and read: now it belongs into the pool."""
    # Repositories of a tree may have the very same file, and a pool may take its time with one.
    places = {sha: path for content in contents.values() for sha, path in content.metadata.items()}
    for sha, path in places.items():
        if not mirror.pool.same(path, sha):
            if not path.exists():
                # A run before this one may have come so far.
                if not mirror.pool.missing([sha]):
                    continue
                raise VerificationError("metadata vanished meanwhile", path=str(path))
            mirror.pool.adopt(path, sha)


def file_list(name: str, fresh: Fresh, content: Content, mirror: Mirror) -> list[File]:
    """All files of a repository as it will be published, but its images; its index byte for byte
    upstream's."""
    files = [File(p.location, p.sha256, p.size) for p in content.packages]
    files += [File(m.location, m.sha256, m.size) for m in fresh.repomd.files]
    return files + [File(path, mirror.pool.add(d), len(d)) for path, d in small(name, fresh)]


def small(name: str, fresh: Fresh) -> list[tuple[str, bytes]]:
    """Path and bytes of what says what is in a repository: its index, a signature, `.treeinfo`."""
    files = [(kinds.index(name), fresh.data), *fresh.beside.items()]
    if fresh.signature is not None:
        files.append((SIGNATURE, fresh.signature))
    return files
