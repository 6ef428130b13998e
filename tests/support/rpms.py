"""Real RPMs, built and signed in process: about 200 a second.

rpm-rs writes format V4, which rpm 4.14 (EL8) to 4.20 (EL10) and 4.18 (Debian 12) read. It knows no
SOURCERPM and no MODULARITYLABEL, so the main header is rebuilt with them before it is signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from rpm_rs import (
    BuildConfig,
    CompressionType,
    DependencyFlags,
    FileOptions,
    Package,
    PackageBuilder,
    RpmFormat,
)

from . import rpmheader
from .keys import SigningKey, replace_rpm

BUILD_TIME = 1_695_000_000  # September 2023, when 9.2 was current
TAG_SUMMARY, TAG_BUILDHOST, TAG_SOURCERPM, TAG_MODULARITYLABEL = 1004, 1007, 1044, 5096
# noarch packages carry no name(isa) provide.
ISA = {"x86_64": "x86-64", "i686": "x86-32", "aarch64": "aarch-64"}

_DEPENDENCY = re.compile(r"(?P<name>\S+)(?:\s+(?P<op>[<>=]+)\s+(?P<evr>\S+))?")
_OPERATORS = {"<": "LESS", ">": "GREATER", "=": "EQUAL"}
_SCRIPTLETS = {
    "pretrans": "pre_trans_script",
    "pre": "pre_install_script",
    "post": "post_install_script",
    "preun": "pre_uninstall_script",
    "postun": "post_uninstall_script",
    "posttrans": "post_trans_script",
}


class Symlink(NamedTuple):
    """Content of a file that is a symbolic link."""

    target: str


class Directory(NamedTuple):
    """Content of a path that is a directory."""

    mode: int = 0o755


@dataclass(frozen=True)
class RpmSpec:
    """What to build. Dependencies are written as in a spec file: `openssl-libs >= 1:3.0.7`.

    Attributes:
        sourcerpm: file name (`nss-3.90.0-6.el9_2.src.rpm`); None names one after the package.
        files: content by absolute path; bytes, Symlink or Directory. Files in a bin or sbin folder
            are executable. Every package also owns a file in /usr/share/doc/<NVRA>/, so that two
            versions of an installonly package do not conflict.
        config: paths of `files` that are %config(noreplace).
        size: bytes of incompressible payload besides `files`, the same for the same NEVRA.
        scriptlets: shell code by name: pretrans, pre, post, preun, postun, posttrans.
        modularitylabel: `nodejs:18:9020020230315:rhel9`.
    """

    name: str
    version: str = "1.0"
    release: str = "1.el9"
    epoch: int = 0
    arch: str = "x86_64"
    sourcerpm: str | None = None
    summary: str = ""
    license: str = "MIT"
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    files: Mapping[str, bytes | Symlink | Directory] = field(default_factory=dict)
    config: tuple[str, ...] = ()
    vendor: str = "AlmaLinux"
    modularitylabel: str | None = None
    size: int = 0
    scriptlets: Mapping[str, str] = field(default_factory=dict)
    build_time: int = BUILD_TIME

    @property
    def nvra(self) -> str:
        return f"{self.name}-{self.version}-{self.release}.{self.arch}"

    @property
    def nevra(self) -> str:
        """As `dnf repoquery` writes it: the epoch only where it is not 0."""
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def evr(self) -> str:
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.release}"

    @property
    def filename(self) -> str:
        return f"{self.nvra}.rpm"

    @property
    def source(self) -> str:
        return self.sourcerpm or f"{self.name}-{self.version}-{self.release}.src.rpm"

    @property
    def contents(self) -> dict[str, bytes | Symlink | Directory]:
        """All it installs: `files`, and what every package owns."""
        documents = f"/usr/share/doc/{self.nvra}"
        contents = {f"{documents}/README": f"{self.nevra}\n".encode(), **self.files}
        if self.size:
            contents[f"{documents}/payload"] = Random(self.nevra).randbytes(self.size)
        return contents

    def but(self, **changes: Any) -> RpmSpec:
        """This package with some fields changed."""
        return replace(self, **changes)


def build_rpms(
    specs: Iterable[RpmSpec], directory: Path, key: SigningKey | None = None
) -> list[Path]:
    """Build packages into `directory`, in order, signed by `key` unless it is None.

    A file of the same name is replaced by rename, so hard links to it elsewhere keep their bytes.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return [_build_one(spec, directory / spec.filename, key) for spec in specs]


def tamper_payload(path: Path) -> Path:
    """Change one byte of the payload: signature and header stay good, the payload digest fails."""
    original = path.read_bytes()
    content = bytearray(original)
    content[-1 - (len(content) - rpmheader.segments(original).payload) // 3] ^= 0x01
    return _replace(path, bytes(content))


def tamper_header(path: Path) -> Path:
    """Change the summary and nothing else: the header's digests and signature fail."""
    content = path.read_bytes()
    header = rpmheader.segments(content).header
    summary = rpmheader.parse(content, header)[TAG_SUMMARY].data
    changed = bytes([summary[0] ^ 0x20]) + summary[1:]
    start = content.index(summary, header)
    return _replace(path, content[:start] + changed + content[start + len(summary) :])


def strip_signature(path: Path) -> Path:
    """Take the signature away; digests stay good."""
    package = Package.open(str(path))
    package.clear_signatures()
    replace_rpm(path, package)
    return path


def _replace(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.rename(path)
    return path


def _build_one(spec: RpmSpec, path: Path, key: SigningKey | None) -> Path:
    tags = {
        TAG_SOURCERPM: rpmheader.string_entry(spec.source),
        TAG_BUILDHOST: rpmheader.string_entry("builder.example.org"),
    }
    if spec.modularitylabel:
        tags[TAG_MODULARITYLABEL] = rpmheader.string_entry(spec.modularitylabel)
    package = Package.from_bytes(rpmheader.with_tags(_assemble(spec), tags))
    package.clear_signatures()  # computes the digests anew
    if key is not None:
        package.sign(key.rpm_signer)
    replace_rpm(path, package)
    return path


def _assemble(spec: RpmSpec) -> bytes:
    summary = spec.summary or f"The {spec.name} package"
    builder = PackageBuilder(spec.name, spec.version, spec.license, spec.arch, summary)
    builder.using_config(
        BuildConfig(
            format=RpmFormat.V4,
            compression=CompressionType.Gzip,
            compression_level=1,
            source_date=spec.build_time,
        )
    )
    builder.release(spec.release)
    builder.vendor(spec.vendor)
    builder.description(f"{summary}.")
    if spec.epoch:
        builder.epoch(spec.epoch)
    for kind in ("requires", "provides", "obsoletes", "conflicts", "recommends"):
        for text in getattr(spec, kind):
            getattr(builder, kind)(*_dependency(text))
    for name, script in spec.scriptlets.items():
        getattr(builder, _SCRIPTLETS[name])(script)
    for file_path, content in spec.contents.items():
        _add_file(builder, file_path, content, file_path in spec.config)
    return builder.build().to_bytes()


def _add_file(
    builder: PackageBuilder, path: str, content: bytes | Symlink | Directory, config: bool
) -> None:
    if isinstance(content, Symlink):
        builder.with_symlink(FileOptions.symlink(path, content.target))
    elif isinstance(content, Directory):
        builder.with_dir_entry(FileOptions.dir(path, permissions=content.mode))
    else:
        executable = Path(path).parent.name in ("bin", "sbin")
        mode = 0o755 if executable else 0o644
        options = FileOptions.new(path, permissions=mode, config=config, noreplace=config)
        builder.with_file_contents(content, options)


def _dependency(text: str) -> tuple[str, str | None, DependencyFlags | None]:
    match = _DEPENDENCY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a dependency: {text!r} (expected NAME or NAME OPERATOR EVR)")
    if match["op"] is None:
        return match["name"], None, None
    flags = DependencyFlags(0)
    for sign in match["op"]:
        flags |= DependencyFlags[_OPERATORS[sign]]
    return match["name"], match["evr"], flags
