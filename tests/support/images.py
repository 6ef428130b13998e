"""Images beside packages, as upstream has them: folders with a signed CHECKSUM, installation trees.

folder = add_images(tree, "isos", {"AlmaLinux-9.2-x86_64-boot.iso": b"…"})
pin = add_kickstart(tree, "BaseOS", {"images/install.img": b"…"})     # for `kickstart =`
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from tuxmirror.core import kinds

from .tree import UpstreamTree

INSTALLER = {
    "images/pxeboot/vmlinuz": b"kernel" * 1000,
    "images/pxeboot/initrd.img": b"initrd" * 3000,
    "images/install.img": b"squash" * 9000,
    "EFI/BOOT/BOOTX64.EFI": b"shim" * 500,
}


def checksum_list(images: Mapping[str, bytes], sizes: bool = True) -> str:
    """CHECKSUM before it is signed."""
    lines = []
    for name, data in images.items():
        if sizes:
            lines.append(f"# {name}: {len(data)} bytes")
        lines.append(f"SHA256 ({name}) = {_sha256(data)}")
    return "\n".join(lines) + "\n"


def add_images(
    tree: UpstreamTree,
    folder: str,
    images: Mapping[str, bytes],
    arch: str = "x86_64",
    signed_by=None,  # type: ignore[no-untyped-def]
    text: str | None = None,
) -> Path:
    """A folder of images with its CHECKSUM; where it lies."""
    place = tree.path / kinds.IMAGES[folder].format(arch=arch)
    place.mkdir(parents=True, exist_ok=True)
    for name, data in images.items():
        (place / name).write_bytes(data)
    key = signed_by or tree.key
    (place / "CHECKSUM").write_bytes(key.sign_clear(text or checksum_list(images)))
    return place


def treeinfo(
    images: Mapping[str, bytes], arch: str = "x86_64", repomd: bytes | None = None, more: str = ""
) -> str:
    """As lorax and pungi write it."""
    lines = [
        *("[general]", f"arch = {arch}", "family = AlmaLinux", "version = 9.2", ""),
        *(f"[images-{arch}]", "kernel = images/pxeboot/vmlinuz"),
        *("initrd = images/pxeboot/initrd.img", ""),
        *("[stage2]", "mainimage = images/install.img", ""),
        "[checksums]",
        *(f"{path} = sha256:{_sha256(data)}" for path, data in images.items()),
    ]
    if repomd is not None:
        lines.append(f"repodata/repomd.xml = sha256:{_sha256(repomd)}")
    return "\n".join(lines) + "\n" + more


def add_kickstart(
    tree: UpstreamTree,
    repo: str,
    images: Mapping[str, bytes] = INSTALLER,
    arch: str = "x86_64",
    info: str | None = None,
    vouch: bool = True,
) -> str:
    """The repository of now as an installation tree; what `kickstart =` says of it.

    `vouch`: `.treeinfo` has the digest of repomd.xml.
    """
    os_dir = tree.os_dir(repo, arch)
    place = os_dir.with_name(kinds.KICKSTART)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(os_dir, place)
    for path, data in images.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    repomd = (place / kinds.REPOMD).read_bytes() if vouch else None
    said = (info or treeinfo(images, arch, repomd)).encode()
    (place / kinds.TREEINFO).write_bytes(said)
    return f"{repo}/{arch}:{_sha256(said)}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
