"""rpm-md files by createrepo_c, inflated and searched under limits first."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import lzma
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import createrepo_c
import zstandard

from ..core.errors import MetadataError
from ..core.package import Package
from ..core.repomd import MAX_OPEN_BYTES
from ..core.summary import Advisory
from .files import storage_errors

_CHUNK = 1 << 20


class RpmMetadata:
    """See `ports.MetadataReader`. `scratch` is a folder for inflated files."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def packages(
        self, primary: Path, open_sha256: str | None, open_size: int | None
    ) -> list[Package]:
        packages: list[Package] = []

        def take(package: createrepo_c.Package) -> None:
            packages.append(_package(package))

        with self._inflated(primary, open_sha256, open_size) as plain:
            try:
                createrepo_c.xml_parse_primary(
                    str(plain), pkgcb=take, warningcb=_refuse_warning, do_files=False
                )
            except createrepo_c.CreaterepoCError as error:
                raise MetadataError(f"primary is damaged: {error}") from None
        return packages

    def advisories(self, updateinfo: Path, open_size: int | None) -> list[Advisory]:
        with self._inflated(updateinfo, None, open_size) as plain:
            try:
                records = createrepo_c.UpdateInfo(str(plain)).updates
            except createrepo_c.CreaterepoCError as error:
                raise MetadataError(f"updateinfo is damaged: {error}") from None
        return [
            Advisory(
                id=record.id or "",
                severity=record.severity or "",
                cves=tuple(r.id for r in record.references if r.type == "cve"),
                title=record.title or "",
            )
            for record in records
        ]

    @contextlib.contextmanager
    def _inflated(
        self, path: Path, open_sha256: str | None, open_size: int | None
    ) -> Iterator[Path]:
        with tempfile.NamedTemporaryFile(dir=self._scratch, suffix=".xml") as target:
            _inflate(path, target, open_sha256, open_size)
            yield Path(target.name)


def _open(path: Path) -> IO[bytes]:
    """By what the file is, not by what it is called."""
    file = path.open("rb")
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if magic == b"\xfd7zXZ\x00":
        return lzma.LZMAFile(file)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        reader: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(file)
        return reader
    return file


def _inflate(path: Path, target: IO[bytes], open_sha256: str | None, open_size: int | None) -> None:
    limit = MAX_OPEN_BYTES if open_size is None else open_size
    sha, size, tail = hashlib.sha256(), 0, b""
    try:
        with _open(path) as source:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise MetadataError("inflates to more than promised", expected=f"{limit} bytes")
                # Escaped text holds no `<!`: only a DOCTYPE, an entity or CDATA brings one.
                if b"<!DOCTYPE" in tail + chunk or b"<!ENTITY" in tail + chunk:
                    raise MetadataError("has a DOCTYPE", expected="plain XML")
                tail = chunk[-16:]
                sha.update(chunk)
                with storage_errors(Path(target.name)):
                    target.write(chunk)
    except (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError) as error:
        raise MetadataError(f"cannot be inflated: {error}") from None
    with storage_errors(Path(target.name)):
        target.flush()
    if open_size is not None and size != open_size:
        raise MetadataError("inflates to less than promised", expected=f"{open_size} bytes")
    if open_sha256 is not None and sha.hexdigest() != open_sha256:
        raise MetadataError(
            "inflates to other bytes than promised", expected=open_sha256, found=sha.hexdigest()
        )


def _refuse_warning(kind: int, message: str) -> bool:
    raise MetadataError(f"primary is not what dnf would read: {message}")


def _package(package: createrepo_c.Package) -> Package:
    if package.location_base:
        raise MetadataError(
            f"{package.nevra()} is to be fetched from elsewhere",
            expected="a location below the repository",
            found=f"xml:base={package.location_base!r}",
        )
    if package.checksum_type != "sha256":
        raise MetadataError(
            f"{package.nevra()} has no SHA-256", expected="sha256", found=package.checksum_type
        )
    return Package(
        name=package.name,
        epoch=int(package.epoch or 0),
        version=package.version,
        release=package.release,
        arch=package.arch,
        location=package.location_href,
        sha256=package.pkgId,
        size=package.size_package,
        build_time=package.time_build,
        sourcerpm=package.rpm_sourcerpm or "",
    )
