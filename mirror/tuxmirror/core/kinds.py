"""What the name of a repository says of its kind.

    BaseOS/x86_64             packages: repodata/repomd.xml says what there is
    BaseOS/x86_64/kickstart   packages, and what installs a machine: `.treeinfo` says what
    isos/x86_64               images: CHECKSUM says what there is
    cloud/x86_64              images

Where their files lie is upstream's layout (repo.almalinux.org), and ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .names import REPODATA

REPOMD = "repodata/repomd.xml"
CHECKSUM = "CHECKSUM"
TREEINFO = ".treeinfo"
KICKSTART = "kickstart"

# Folders of images, and where an arch's files lie in them.
IMAGES: Mapping[str, str] = MappingProxyType(
    {"isos": "isos/{arch}/", "live": "live/{arch}/", "cloud": "cloud/{arch}/images/"}
)


def is_images(repository: str) -> bool:
    """Whether it is a folder of images: its index is a signed list of digests."""
    return repository.partition("/")[0] in IMAGES


def is_kickstart(repository: str) -> bool:
    """Whether it is an installation tree."""
    return repository.endswith(f"/{KICKSTART}")


def is_whole(repository: str) -> bool:
    """Whether it is mirrored as upstream has it, or not at all: no policy chooses from it.

    Digests of what is in it stand in files that others made and signed.
    """
    return is_images(repository) or is_kickstart(repository)


def index(repository: str) -> str:
    """The file that says what is in it, below the repository."""
    return CHECKSUM if is_images(repository) else REPOMD


def place(repository: str) -> str:
    """Where an image folder's files lie below the tree, with a slash at the end."""
    folder, _, arch = repository.partition("/")
    return IMAGES[folder].format(arch=arch)


def is_metadata(repository: str, path: str) -> bool:
    """Whether a file says what is in its repository; else it is a package or an image."""
    if is_images(repository):
        return path == CHECKSUM
    if is_kickstart(repository):
        return path == TREEINFO or path.startswith(REPODATA)
    return not path.endswith(".rpm")
