"""Repodata for packages of our own, by the createrepo_c command."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import createrepo_c
import rpm

from ..core.advisory.model import Advisory
from ..core.errors import ConfigError, StorageError
from ..core.names import check_location
from ..ports import LocalRepository
from . import updateinfo
from .files import storage_errors

# Packages of these arches belong into a repository of the other.
_ALSO = {"x86_64": ("noarch", "i686"), "aarch64": ("noarch",)}


class RpmDirectory:
    """See `ports.LocalSource`. RPMs may lie anywhere below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def packages(self) -> list[Path]:
        """Raises ConfigError where the folder is missing or two files share a name."""
        if not self._root.is_dir():
            raise ConfigError(f"source {self._root}: no such directory")
        files = sorted(path for path in self._root.rglob("*.rpm") if path.is_file())
        names = [check_location(path.name) for path in files]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"source {self._root}: {name} is there twice")
        return files

    def fingerprint(self) -> str:
        """Changes whenever the folder's packages do (names, sizes, times)."""
        sha = hashlib.sha256()
        for path in self.packages():
            status = path.stat()
            sha.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        return sha.hexdigest()

    def stage(self, arch: str, folder: Path) -> LocalRepository:
        """See `ports.LocalSource`.

        The copies are the bytes that get verified, whatever happens in the source meanwhile.
        """
        root = Path(tempfile.mkdtemp(dir=folder, prefix="local-"))
        wanted = {arch, *_ALSO.get(arch, ("noarch",))}
        packages = root / "Packages"
        with storage_errors(root):
            packages.mkdir()
            for path in self.packages():
                if _arch(path) in wanted:
                    shutil.copyfile(path, packages / path.name)
                    shutil.copystat(path, packages / path.name)
        newest = max((int(p.stat().st_mtime) for p in packages.iterdir()), default=0)
        _createrepo(root, newest)
        return LocalRepository(root, (root / "repodata/repomd.xml").read_bytes())

    def advise(
        self, made: LocalRepository, advisories: Sequence[Advisory], name: str
    ) -> LocalRepository:
        """See `ports.LocalSource`."""
        index = made.root / "repodata" / "repomd.xml"
        plain = index.with_name("updateinfo.xml.gz")
        repomd = createrepo_c.Repomd(str(index))
        with storage_errors(plain):
            plain.write_bytes(gzip.compress(updateinfo.write(advisories, name), mtime=0))
            record = createrepo_c.RepomdRecord("updateinfo", str(plain))
            record.fill(createrepo_c.SHA256)
            record.timestamp = int(repomd.revision)
            record.rename_file()
            repomd.set_record(record)
            index.write_text(repomd.xml_dump())
        return made._replace(repomd=index.read_bytes())


def _arch(path: Path) -> str:
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(-1)
    try:
        with path.open("rb") as file:
            header = transaction.hdrFromFdno(file.fileno())
    except rpm.error:
        # Verification will refuse it by name; here it only must not get lost.
        return "noarch"
    return "src" if header.isSource() else str(header[rpm.RPMTAG_ARCH])


def _createrepo(root: Path, revision: int) -> None:
    """The same packages give the same bytes: times come from the packages."""
    result = subprocess.run(
        [
            "createrepo_c", "--quiet", "--general-compress-type=gz", "--no-database",
            f"--revision={revision}", "--set-timestamp-to-revision", str(root),
        ],
        check=False,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    if result.returncode:
        raise StorageError(
            "createrepo_c failed", found=result.stderr.decode(errors="replace").strip()[-500:]
        )
