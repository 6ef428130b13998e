"""rpm-md metadata cut to some of its packages, as text: what stays, stays byte for byte.

    <folder>/<sha256>-primary.xml.gz …      as compressed as upstream's: gzip or zstd

Nothing here depends on the time or on the order of a set, so the same input gives the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import createrepo_c
import zstandard

from ..core.errors import MetadataError
from ..core.package import Package
from ..core.policy.builds import ModuleBuild
from ..core.policy.outcome import Selection
from ..core.repomd import MetadataFile
from ..ports import Filtered, Metadata
from .files import storage_errors
from .modulemd import Document, documents
from .rpmmd import inflated
from .updateinfo_filter import cut_updateinfo

# What lists packages, by the type that repomd.xml gives it; `filelists-ext` is createrepo_c 1.0's.
_PER_PACKAGE = ("primary", "filelists", "other", "filelists-ext")
# The same once more, in forms that dnf can do without; and packages' deltas, which are not kept.
_DROPPED = re.compile(r".*_(db|zck)|prestodelta|deltainfo")
_BLOCK = 4 << 20
# The root element of primary says `packages=`, none of its names begins like this.
_START, _END = b"<package ", b"</package>"
_COUNT = re.compile(rb'\bpackages="\d*"')
_PKGID = re.compile(rb'pkgid="([0-9a-f]{64})"')
_CHECKSUM = re.compile(rb'<checksum [^>]*pkgid="YES"[^>]*>([0-9a-f]{64})</checksum>')
# A comment or CDATA: text in which tags would not be tags.
_UNSAFE = b"<!"
_GZIP_LEVEL = 5
_ZSTD_LEVEL = 8


class MetadataCutter:
    """See `ports.MetadataFilter`. `scratch` is a folder for inflated files."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def modules(self, metadata: Metadata) -> list[ModuleBuild]:
        return [d.build for d in self._documents(metadata) if d.build is not None]

    def cut(
        self,
        candidate: Metadata,
        shown: Metadata | None,
        packages: Sequence[Package],
        selection: Selection,
        folder: Path,
    ) -> Filtered:
        made: list[_Made] = []
        kept: list[str] = []
        for file in candidate.repomd.files:
            if file.type in _PER_PACKAGE:
                made.append(self._per_package(file, candidate, shown, packages, selection, folder))
            elif file.type == "updateinfo":
                made += self._updateinfo(file, candidate, shown, packages, selection, folder)
            elif file.type == "modules":
                made += self._modules(file, candidate, shown, selection, folder)
            elif not _DROPPED.fullmatch(file.type):
                kept.append(file.type)
        repomd = _repomd(candidate, made, kept)
        return Filtered(repomd, {f"repodata/{each.path.name}": each.path for each in made})

    def _plain(self, metadata: Metadata, file: MetadataFile):  # type: ignore[no-untyped-def]
        path = metadata.places[file.sha256]
        return inflated(self._scratch, path, file.open_sha256, file.open_size)

    def _per_package(
        self,
        file: MetadataFile,
        candidate: Metadata,
        shown: Metadata | None,
        packages: Sequence[Package],
        selection: Selection,
        folder: Path,
    ) -> _Made:
        """Upstream's file without what is left out, and with what is kept of the shown one."""
        left_out = selection.left_out.get(candidate.repository, frozenset())
        kept = selection.kept.get(candidate.repository, frozenset())
        written: Counter[str] = Counter()
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(self._plain(candidate, file))
            target = stack.enter_context(_Target(folder, file, candidate.places[file.sha256]))
            for chunk in _chunks(plain, file):
                if isinstance(chunk, _Around):
                    if chunk.after and kept:
                        self._add_kept(file.type, shown, kept, target, written)
                    target.write(_COUNT.sub(b'packages="%d"' % len(packages), chunk.text, 1))
                elif chunk.package not in left_out:
                    target.write(chunk.text)
                    written[chunk.package] += 1
        expected = Counter(package.sha256 for package in packages)
        if written != expected:
            wrong = sorted((written - expected) + (expected - written))
            raise _unsafe(file, f"each of {len(packages)} packages once", f"{wrong[0]} otherwise")
        return target.made(candidate)

    def _add_kept(
        self,
        type_: str,
        shown: Metadata | None,
        kept: Iterable[str],
        target: _Target,
        written: Counter[str],
    ) -> None:
        wanted = set(kept)
        file = shown.repomd.file(type_) if shown else None
        if shown is None or file is None:
            return
        with self._plain(shown, file) as plain:
            for chunk in _chunks(plain, file):
                if not isinstance(chunk, _Around) and chunk.package in wanted:
                    target.write(chunk.text)
                    written[chunk.package] += 1

    def _updateinfo(
        self,
        file: MetadataFile,
        candidate: Metadata,
        shown: Metadata | None,
        packages: Sequence[Package],
        selection: Selection,
        folder: Path,
    ) -> list[_Made]:
        texts = [self._text(candidate, file)]
        earlier = shown.repomd.file("updateinfo") if shown else None
        if shown and earlier and selection.kept.get(candidate.repository):
            texts.append(self._text(shown, earlier))
        text = cut_updateinfo(texts, packages)
        return self._write(file, candidate, text, folder)

    def _modules(
        self,
        file: MetadataFile,
        candidate: Metadata,
        shown: Metadata | None,
        selection: Selection,
        folder: Path,
    ) -> list[_Made]:
        left_out = selection.modules_left_out.get(candidate.repository, frozenset())
        kept = selection.modules_kept.get(candidate.repository, frozenset())
        stays = [
            document.text
            for document in self._documents(candidate)
            if document.build is None or document.build.nsvc not in left_out
        ]
        if shown and kept:
            stays += [
                document.text
                for document in self._documents(shown)
                if document.build is not None and document.build.nsvc in kept
            ]
        return self._write(file, candidate, b"".join(stays), folder)

    def _write(
        self, file: MetadataFile, candidate: Metadata, text: bytes | None, folder: Path
    ) -> list[_Made]:
        if not text:
            return []
        with _Target(folder, file, candidate.places[file.sha256]) as target:
            target.write(text)
        return [target.made(candidate)]

    def _documents(self, metadata: Metadata) -> list[Document]:
        file = metadata.repomd.file("modules")
        if file is None:
            return []
        return documents(self._text(metadata, file), metadata.repository)

    def _text(self, metadata: Metadata, file: MetadataFile) -> bytes:
        with self._plain(metadata, file) as plain:
            return Path(plain).read_bytes()


class _Around(NamedTuple):
    """What is before and `after` the packages."""

    text: bytes
    after: bool


class _Chunk(NamedTuple):
    package: str
    text: bytes


def _chunks(plain: Path, file: MetadataFile) -> Iterator[_Around | _Chunk]:
    """The document in pieces. Raises MetadataError where text could be taken for a tag."""
    pkgid = _CHECKSUM if file.type == "primary" else _PKGID
    buffer, begun = b"", False
    with plain.open("rb") as source:
        while block := source.read(_BLOCK):
            buffer += block
            if _UNSAFE in buffer:
                raise _unsafe(file, "plain elements", "a comment or CDATA")
            at = 0
            while (end := buffer.find(_END, at)) >= 0:
                start = buffer.find(_START, at, end)
                between = buffer[at : start if start >= 0 else end]
                if start < 0 or (begun and between.strip()):
                    raise _unsafe(file, "packages alone", repr(between[:80]))
                if not begun:
                    yield _Around(between, after=False)
                    begun = True
                text = buffer[start : end + len(_END)]
                at = end + len(_END)
                found = pkgid.search(text)
                if found is None or text.count(_START) != 1:
                    raise _unsafe(file, "each package by its SHA-256", repr(text[:80]))
                yield _Chunk(found[1].decode(), text + b"\n")
            buffer = buffer[at:]
    if not begun:
        head, _, tail = buffer.rpartition(b"</")
        yield _Around(head, after=False)
        buffer = b"</" + tail
    if not re.fullmatch(rb"\s*</\w+>\s*", buffer):
        raise _unsafe(file, "the end of the document", repr(buffer[:80]))
    yield _Around(buffer.lstrip(), after=True)


class _Made(NamedTuple):
    type: str
    path: Path
    sha256: str
    size: int
    open_sha256: str
    open_size: int


class _Target:
    """A file that is compressed and hashed while it is written; named by its content in the end."""

    def __init__(self, folder: Path, file: MetadataFile, like: Path) -> None:
        self._folder, self._type = folder, file.type
        with like.open("rb") as upstream:
            self._zstd = upstream.read(4) == b"\x28\xb5\x2f\xfd"
        self._open, self._packed = hashlib.sha256(), hashlib.sha256()
        self._open_size = self._size = 0
        self._path: Path | None = None

    def __enter__(self) -> _Target:
        with storage_errors(self._folder):
            descriptor, name = tempfile.mkstemp(dir=self._folder)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        self._path = Path(name)
        self._compressor: Any
        if self._zstd:
            self._compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
        else:
            # A gzip file without name and time.
            self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
        return self

    def write(self, text: bytes) -> None:
        self._open.update(text)
        self._open_size += len(text)
        self._put(self._compressor.compress(text))

    def _put(self, data: bytes) -> None:
        if data:
            self._packed.update(data)
            self._size += len(data)
            with storage_errors(self._folder):
                self._file.write(data)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._put(self._compressor.flush())
        with storage_errors(self._folder):
            self._file.close()

    def made(self, candidate: Metadata) -> _Made:
        assert self._path is not None  # noqa: S101
        form = "yaml" if self._type == "modules" else "xml"
        digest = self._packed.hexdigest()
        name = f"{digest}-{self._type}.{form}.{'zst' if self._zstd else 'gz'}"
        with storage_errors(self._folder):
            path = self._path.rename(self._folder / name)
        return _Made(self._type, path, digest, self._size, self._open.hexdigest(), self._open_size)


def _repomd(candidate: Metadata, made: Sequence[_Made], kept: Sequence[str]) -> bytes:
    """Upstream's index with other records: its revision and tags stay."""
    upstream = createrepo_c.Repomd(str(candidate.places[candidate.repomd.sha256]))
    repomd = createrepo_c.Repomd()
    repomd.set_revision(upstream.revision or str(candidate.repomd.revision))
    for tag in upstream.repo_tags:
        repomd.add_repo_tag(tag)
    for tag in upstream.content_tags:
        repomd.add_content_tag(tag)
    for cpe, name in upstream.distro_tags:
        repomd.add_distro_tag(name, cpe)
    times = {record.type: record.timestamp for record in upstream.records}
    for each in made:
        repomd.set_record(_record(each, times[each.type]))
    for record in upstream.records:
        if record.type in kept:
            repomd.set_record(record)
    repomd.sort_records()
    return str(repomd.xml_dump()).encode()


def _record(made: _Made, timestamp: int) -> createrepo_c.RepomdRecord:
    record = createrepo_c.RepomdRecord(made.type, None)
    record.location_href = f"repodata/{made.path.name}"
    record.checksum_type = record.checksum_open_type = "sha256"
    record.checksum, record.checksum_open = made.sha256, made.open_sha256
    record.size, record.size_open = made.size, made.open_size
    record.timestamp = timestamp
    return record


def _unsafe(file: MetadataFile, expected: str, found: str) -> MetadataError:
    return MetadataError(
        f"{file.type} cannot be cut safely", expected=expected, found=found, path=file.location
    )
