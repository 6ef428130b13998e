"""Writes the repodata of one repository as AlmaLinux's looks, with createrepo_c.

    os/Packages/*.rpm
    os/repodata/repomd.xml                      revision = epoch of the publish
    os/repodata/repomd.xml.asc                  unless it is left out
    os/repodata/<sha256>-{primary,filelists,other,updateinfo}.xml.gz
    os/repodata/<sha256>-comps.xml, …-comps.xml.gz, …-modules.yaml.gz

A new repodata is made beside the old one and put in its place by rename, so that hard-linked copies
of a tree keep theirs.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from xml.sax.saxutils import escape

import createrepo_c as cr

from .keys import SigningKey
from .rpms import RpmSpec


@dataclass(frozen=True)
class Advisory:
    """An updateinfo record, `ALSA-2023:7747` and the like.

    Attributes:
        kind: "security", "bugfix" or "enhancement".
        packages: what fixes it; those that are in the repository are listed there.
        module: "name:stream:version:context:arch" of the collection, for modular packages.
    """

    id: str
    title: str
    packages: tuple[RpmSpec, ...]
    kind: str = "security"
    severity: str = "Moderate"
    cves: tuple[str, ...] = ()
    issued: int = 1_695_000_000
    module: str | None = None
    reboot: bool = False


@dataclass(frozen=True)
class Group:
    """A comps group."""

    id: str
    name: str
    packages: tuple[str, ...]


@dataclass
class Extras:
    """What a repository carries besides packages."""

    advisories: list[Advisory] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    modules: str = ""


def write_repodata(os_dir: Path, extras: Extras, revision: int) -> None:
    """Describe the packages under `os_dir` in `os_dir/repodata`, unsigned."""
    new = os_dir / ".repodata.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    packages = sorted(os_dir.rglob("*.rpm"))
    records = _package_records(new, os_dir, packages)
    names = {path.name for path in packages}
    updateinfo = _updateinfo(extras.advisories, names)
    if updateinfo:
        records.append(_record(new, "updateinfo", "updateinfo.xml.gz", _gzip(updateinfo)))
    if extras.groups:
        comps = _comps(extras.groups)
        records.append(_record(new, "group", "comps.xml", comps))
        records.append(_record(new, "group_gz", "comps.xml.gz", _gzip(comps)))
    if extras.modules:
        modules = _gzip(extras.modules.encode())
        records.append(_record(new, "modules", "modules.yaml.gz", modules))
    repomd = cr.Repomd()
    repomd.set_revision(str(revision))
    for record in records:
        record.timestamp = revision
        repomd.set_record(record)
    (new / "repomd.xml").write_text(repomd.xml_dump())
    shutil.rmtree(os_dir / "repodata", ignore_errors=True)
    new.rename(os_dir / "repodata")


def make_repository(
    directory: Path, key: SigningKey | None = None, extras: Extras | None = None
) -> None:
    """Turn a folder of packages into a repository, signed if there is a key."""
    write_repodata(directory, extras or Extras(), int(time.time()))
    sign_repodata(directory, key)


def sign_repodata(os_dir: Path, key: SigningKey | None) -> None:
    """Write repomd.xml.asc, or take it away when `key` is None."""
    repomd = os_dir / "repodata" / "repomd.xml"
    if key is None:
        repomd.with_name("repomd.xml.asc").unlink(missing_ok=True)
    else:
        key.sign_detached(repomd)


def metadata_path(os_dir: Path, kind: str) -> Path:
    """The file of a kind ("primary", "modules", …) that repomd.xml names.

    Raises LookupError when it names none.
    """
    for record in cr.Repomd(str(os_dir / "repodata" / "repomd.xml")).records:
        if record.type == kind:
            return os_dir / record.location_href
    raise LookupError(f"{os_dir}/repodata/repomd.xml has no {kind!r}")


def edit_metadata(os_dir: Path, kind: str, edit: Callable[[str], str]) -> Path:
    """Change the text of a gzipped metadata file and make repomd.xml agree with it, unsigned.

    For hostile metadata that is consistent in itself. Returns the new file.
    """
    old = metadata_path(os_dir, kind)
    plain = edit(gzip.decompress(old.read_bytes()).decode()).encode()
    packed = _gzip(plain)
    new = old.with_name(re.sub(r"^[0-9a-f]{64}", hashlib.sha256(packed).hexdigest(), old.name))
    old.unlink()
    new.write_bytes(packed)
    record = cr.RepomdRecord(kind, str(new))
    record.fill(cr.SHA256)
    edit_repomd(os_dir, lambda text: _swap_record(text, kind, record, new))
    return new


def edit_repomd(os_dir: Path, edit: Callable[[str], str]) -> None:
    """Change the text of repomd.xml; the signature is stale then."""
    repomd = os_dir / "repodata" / "repomd.xml"
    text = edit(repomd.read_text())
    repomd.unlink()
    repomd.write_text(text)


def _swap_record(text: str, kind: str, record: cr.RepomdRecord, path: Path) -> str:
    pattern = re.compile(rf'<data type="{kind}">.*?</data>', re.DOTALL)
    block = pattern.search(text)
    if block is None:
        raise LookupError(f"repomd.xml has no {kind!r}")
    changed = block[0]
    for element, value in (
        (r"<checksum type=\"sha256\">", record.checksum),
        (r"<open-checksum type=\"sha256\">", record.checksum_open),
        ("<size>", str(record.size)),
        ("<open-size>", str(record.size_open)),
    ):
        changed = re.sub(rf"({element})[^<]*", rf"\g<1>{value}", changed)
    changed = re.sub(r'href="[^"]*"', f'href="repodata/{path.name}"', changed)
    return text[: block.start()] + changed + text[block.end() :]


def _package_records(new: Path, os_dir: Path, packages: Sequence[Path]) -> list[cr.RepomdRecord]:
    files = {
        "primary": cr.PrimaryXmlFile(str(new / "primary.xml.gz"), cr.GZ_COMPRESSION),
        "filelists": cr.FilelistsXmlFile(str(new / "filelists.xml.gz"), cr.GZ_COMPRESSION),
        "other": cr.OtherXmlFile(str(new / "other.xml.gz"), cr.GZ_COMPRESSION),
    }
    for file in files.values():
        file.set_num_of_pkgs(len(packages))
    for path in packages:
        package = cr.package_from_rpm(str(path), checksum_type=cr.SHA256)
        package.location_href = str(path.relative_to(os_dir))
        for file in files.values():
            file.add_pkg(package)
    for file in files.values():
        file.close()
    return [_fill(kind, new / f"{kind}.xml.gz") for kind in files]


def _record(new: Path, kind: str, name: str, content: bytes) -> cr.RepomdRecord:
    (new / name).write_bytes(content)
    return _fill(kind, new / name)


def _fill(kind: str, path: Path) -> cr.RepomdRecord:
    record = cr.RepomdRecord(kind, str(path))
    record.fill(cr.SHA256)
    record.rename_file()
    return record


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=6, mtime=0)


def _updateinfo(advisories: Iterable[Advisory], present: set[str]) -> bytes:
    info = cr.UpdateInfo()
    count = 0
    for advisory in advisories:
        packages = [spec for spec in advisory.packages if spec.filename in present]
        if packages:
            info.append(_update_record(advisory, packages))
            count += 1
    return info.xml_dump().encode() if count else b""


def _update_record(advisory: Advisory, packages: Iterable[RpmSpec]) -> cr.UpdateRecord:
    record = cr.UpdateRecord()
    record.fromstr = "packager@almalinux.org"
    record.status = "final"
    record.type = advisory.kind
    record.version = "3"
    record.id = advisory.id
    record.title = advisory.title
    record.severity = advisory.severity if advisory.kind == "security" else "None"
    record.issued_date = record.updated_date = _naive(advisory.issued)
    record.summary = advisory.title
    record.description = f"{advisory.title}. Made for tests."
    record.rights = "Copyright 2023 AlmaLinux OS"
    for cve in advisory.cves:
        record.append_reference(_reference(cve))
    record.append_collection(_collection(advisory, packages))
    return record


def _naive(epoch: int) -> datetime:
    # createrepo_c writes what it gets; updateinfo's dates are UTC.
    return datetime.fromtimestamp(epoch, timezone.utc).replace(tzinfo=None)


def _reference(cve: str) -> cr.UpdateReference:
    reference = cr.UpdateReference()
    reference.href = f"https://access.redhat.com/security/cve/{cve}"
    reference.id = reference.title = cve
    reference.type = "cve"
    return reference


def _collection(advisory: Advisory, packages: Iterable[RpmSpec]) -> cr.UpdateCollection:
    collection = cr.UpdateCollection()
    collection.shortname = collection.name = "almalinux-9-for-x86_64"
    if advisory.module:
        name, stream, version, context, arch = advisory.module.split(":")
        module = cr.UpdateCollectionModule()
        module.name, module.stream = name, stream
        module.version, module.context, module.arch = int(version), context, arch
        collection.module = module
    for spec in packages:
        package = cr.UpdateCollectionPackage()
        package.name, package.version, package.release = spec.name, spec.version, spec.release
        package.epoch, package.arch, package.src = str(spec.epoch), spec.arch, spec.source
        package.filename = spec.filename
        package.reboot_suggested = advisory.reboot
        collection.append(package)
    return collection


def _comps(groups: Iterable[Group]) -> bytes:
    parts = ['<?xml version="1.0" encoding="UTF-8"?>', "<comps>"]
    for group in groups:
        parts += [
            f"  <group>\n    <id>{escape(group.id)}</id>\n    <name>{escape(group.name)}</name>",
            "    <default>false</default>\n    <uservisible>true</uservisible>\n    <packagelist>",
            *(
                f'      <packagereq type="mandatory">{escape(n)}</packagereq>'
                for n in group.packages
            ),
            "    </packagelist>\n  </group>",
        ]
    return "\n".join([*parts, "</comps>", ""]).encode()
