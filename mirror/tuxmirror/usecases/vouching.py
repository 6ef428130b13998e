"""Who vouches for files that are no packages.

- CHECKSUM carries the signature of the tree's key; each image has its SHA-256 there.
- Nobody signs `.treeinfo`. Its own SHA-256 stands in the configuration, `kickstart = …`: such trees
  are made once, with the release. Each image has its SHA-256 in it. Packages and metadata of the
  tree are vouched for as everywhere, or by the SHA-256 of repomd.xml in the `.treeinfo`.

What neither of the two lists is not fetched.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ..core import checksums, treeinfo
from ..core.checksums import Image
from ..core.config import Tree
from ..core.errors import DigestError, MirrorError
from ..core.kinds import CHECKSUM, REPOMD, TREEINFO
from ..core.repomd import Repomd
from ..core.treeinfo import Treeinfo
from ..ports import Keyring


class ImageList(NamedTuple):
    """A CHECKSUM that was verified. `repomd` is it in the form of other indexes: its revision is
    the time of the signature."""

    repomd: Repomd
    images: tuple[Image, ...]
    signed_by: str


def prove_list(data: bytes, keyring: Keyring) -> ImageList:
    """Raises SignatureError, MetadataError."""
    try:
        said = keyring.verify_clear(data)
        images = checksums.parse(said.text)
    except MirrorError as error:
        raise error.located(path=CHECKSUM) from None
    index = Repomd(hashlib.sha256(data).hexdigest(), said.signed, ())
    return ImageList(index, images, said.fingerprint)


def prove_treeinfo(tree: Tree, repository: str, data: bytes) -> Treeinfo:
    """Raises DigestError where it is not the pinned one, MetadataError."""
    name, _, _ = repository.rpartition("/")
    expected = tree.kickstart[name]
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise DigestError(
            f"{TREEINFO} is not the pinned one",
            expected=f"sha256 {expected}",
            found=f"sha256 {found}",
            path=TREEINFO,
            way_out="nobody signs it: compare it by hand with another mirror's, then set"
            " kickstart = in the configuration",
        )
    return treeinfo.parse(data, name.rpartition("/")[2])


def check_repomd(info: Treeinfo, data: bytes) -> bool:
    """Whether the `.treeinfo` vouches for a repomd.xml. Raises DigestError: for another one."""
    found = hashlib.sha256(data).hexdigest()
    if info.repomd not in (None, found):
        raise DigestError(
            f"repomd.xml is not the one that {TREEINFO} speaks of",
            expected=f"sha256 {info.repomd}",
            found=f"sha256 {found}",
            path=REPOMD,
        )
    return info.repomd is not None
