"""rpm-md files by createrepo_c, inflated and searched under limits first."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import hashlib
import lzma
import re
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import createrepo_c
import zstandard

from ..core.advisory import model
from ..core.advisory.model import Scope
from ..core.errors import MetadataError
from ..core.package import Package
from ..core.repomd import MAX_OPEN_BYTES
from ..core.summary import Advisory
from .files import storage_errors
from .updateinfo import from_record

_CHUNK = 1 << 20
# What people publish inflates to ten, seldom twenty times its size; bombs to a thousand times.
_MAX_RATIO = 100
_ALWAYS_FINE = 16 << 20
_ENCODING = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)")
# A licence may stand before the root element.
_PROLOGUE = 64 << 10
_NUMBER = re.compile(r"[0-9]{1,9}")


class RpmMetadata:
    """See `ports.MetadataReader`. `scratch` is a folder for inflated files."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def packages(
        self, primary: Path, open_sha256: str | None, open_size: int | None
    ) -> list[Package]:
        packages: list[Package] = []
        refused: list[MetadataError] = []

        def take(package: createrepo_c.Package) -> bool:
            # createrepo_c would turn an exception into one of its own.
            try:
                packages.append(_package(package))
            except MetadataError as error:
                refused.append(error)
            return not refused

        def warn(_kind: int, message: str) -> bool:
            refused.append(MetadataError("primary is not what dnf would read", found=message))
            return False

        with self._inflated(primary, b"metadata", open_sha256, open_size) as plain:
            try:
                createrepo_c.xml_parse_primary(
                    str(plain), pkgcb=take, warningcb=warn, do_files=False
                )
            except createrepo_c.CreaterepoCError as error:
                refused.append(_damaged("primary", error, plain))
        if refused:
            raise refused[0]
        return packages

    def advisories(self, updateinfo: Path, open_size: int | None) -> list[Advisory]:
        return [
            Advisory(
                id=record.id or "",
                severity=record.severity or "",
                cves=tuple(r.id for r in record.references if r.type == "cve"),
                title=record.title or "",
            )
            for record in self._records(updateinfo, open_size)
        ]

    def errata(
        self, updateinfo: Path, open_size: int | None, scope: Scope, repository: str
    ) -> list[model.Advisory]:
        records = self._records(updateinfo, open_size)
        return [from_record(record, scope, repository) for record in records]

    def _records(
        self, updateinfo: Path, open_size: int | None
    ) -> Sequence[createrepo_c.UpdateRecord]:
        with self._inflated(updateinfo, b"updates", None, open_size) as plain:
            try:
                records: Sequence[createrepo_c.UpdateRecord]
                records = createrepo_c.UpdateInfo(str(plain)).updates
                return records
            except createrepo_c.CreaterepoCError as error:
                raise _damaged("updateinfo", error, plain) from None

    @contextlib.contextmanager
    def _inflated(
        self, path: Path, root: bytes, open_sha256: str | None, open_size: int | None
    ) -> Iterator[Path]:
        with inflated(self._scratch, path, open_sha256, open_size) as plain:
            _check_root(plain, root)
            yield plain


@contextlib.contextmanager
def inflated(
    scratch: Path, path: Path, open_sha256: str | None, open_size: int | None
) -> Iterator[Path]:
    """The plain text of a metadata file, for as long as the context lasts.

    Raises:
        MetadataError: a bomb, a DOCTYPE, not UTF-8, not what was promised.
    """
    # Without a name: a killed run leaves nothing behind.
    with tempfile.TemporaryFile(dir=scratch) as target:
        plain = Path(f"/proc/self/fd/{target.fileno()}")
        _inflate(path, target, open_sha256, open_size)
        yield plain


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


def _damaged(what: str, error: Exception, plain: Path) -> MetadataError:
    return MetadataError(
        f"{what} is damaged",
        expected=f"{what} as createrepo_c writes it",
        found=str(error).replace(str(plain), what).strip(),
    )


def _inflate(path: Path, target: IO[bytes], open_sha256: str | None, open_size: int | None) -> None:
    limit = MAX_OPEN_BYTES if open_size is None else open_size
    ratio_limit = max(_ALWAYS_FINE, path.stat().st_size * _MAX_RATIO)
    sha, size, tail = hashlib.sha256(), 0, b""
    utf8 = codecs.getincrementaldecoder("utf-8")()
    try:
        with _open(path) as source:
            while chunk := source.read(_CHUNK):
                _check_encoding(chunk, utf8, first=not size)
                size += len(chunk)
                if size > limit:
                    raise MetadataError("inflates to more than promised", expected=f"{limit} bytes")
                if size > ratio_limit:
                    raise MetadataError(
                        "inflates out of all proportion", expected=f"at most {ratio_limit} bytes"
                    )
                # Escaped text holds no `<!`: only a DOCTYPE, an entity or CDATA brings one.
                if b"<!DOCTYPE" in tail + chunk or b"<!ENTITY" in tail + chunk:
                    raise MetadataError(
                        "has a DOCTYPE", expected="plain XML", found="a DOCTYPE or an entity"
                    )
                tail = chunk[-16:]
                sha.update(chunk)
                with storage_errors(path):
                    target.write(chunk)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
        raise MetadataError(
            "cannot be inflated", expected="gzip, bzip2, xz or zstd", found=str(error)
        ) from None
    with storage_errors(path):
        target.flush()
    if open_size is not None and size != open_size:
        raise MetadataError(
            "inflates to less than promised", expected=f"{open_size} bytes", found=f"{size} bytes"
        )
    if open_sha256 is not None and sha.hexdigest() != open_sha256:
        raise MetadataError(
            "inflates to other bytes than promised", expected=open_sha256, found=sha.hexdigest()
        )


def _check_root(plain: Path, expected: bytes) -> None:
    """createrepo_c finds nothing in another document, and nothing wrong with it either."""
    with plain.open("rb") as file:
        head = re.sub(rb"<!--.*?-->|<\?.*?\?>", b"", file.read(_PROLOGUE), flags=re.DOTALL)
    found = re.match(rb"(?:\xef\xbb\xbf)?\s*<([\w:.-]+)", head)
    if found is None or found[1] != expected:
        raise MetadataError(
            "is another kind of document",
            expected=f"<{expected.decode()}>",
            found=f"<{found[1].decode(errors='replace')}>" if found else "no XML",
        )


def _check_encoding(chunk: bytes, utf8: codecs.IncrementalDecoder, first: bool) -> None:
    """UTF-8 and declared as such: in another encoding a DOCTYPE would go unseen.

    Some encodings that libxml2 takes crash it, too.
    """
    try:
        utf8.decode(chunk)
    except UnicodeDecodeError as error:
        raise MetadataError("is not UTF-8", expected="UTF-8", found=str(error)[:80]) from None
    if b"\0" in chunk:
        raise MetadataError("is not UTF-8", expected="UTF-8", found="a NUL byte")
    declared = _ENCODING.search(chunk[:1000]) if first else None
    if declared and declared[1].upper() not in (b"UTF-8", b"US-ASCII"):
        found = declared[1][:40].decode()
        raise MetadataError("is not UTF-8", expected="UTF-8", found=found)


def _package(package: createrepo_c.Package) -> Package:
    for field in ("name", "version", "release", "arch", "location_href", "pkgId", "checksum_type"):
        if not getattr(package, field):
            raise MetadataError(
                f"a package without {field}",
                expected="name, arch, version, release, checksum and location of each package",
                found=str(package.name),
            )
    if not _NUMBER.fullmatch(package.epoch or "0"):
        raise MetadataError(
            f"{package.name} has no epoch", expected="a number", found=repr(package.epoch[:40])
        )
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
