"""Snapshots: an immutable, complete state of one tree.

A snapshot is named by what it contains, so the same content has the same id on every mirror.
Each repository is one file list (`FileList`), itself stored by its SHA-256; the snapshot names
them. Making one costs nothing for repositories that did not change.

    file list                          SNAPSHOT.json
    ---------                          -------------
    <sha256> <size> Packages/a.rpm     {"tree": "almalinux/9.2", "id": …, "created": …,
    <sha256> <size> repodata/…          "repositories": {"BaseOS/x86_64": {"files": <sha256>, …}}}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

from .errors import VerificationError

ID_LENGTH = 16
# Who signed the metadata of packages of our own, where the operator has no `signing_key`.
LOCAL = "local"


class File(NamedTuple):
    """A file of a repository: its path there, content and size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Origin:
    """What a filtered repository was cut from.

    `files`, `repomd` and `signed_by` are the whole one's; `cut` names what was done to it: the same
    cut of the same repository is not made again. `shown` is the file list of the repository that
    describes what was kept and the whole one does not have any more; empty where nothing was.
    """

    files: str
    repomd: str
    signed_by: str
    cut: str
    shown: str = ""


@dataclass(frozen=True)
class Vetting:
    """How a snapshot came out of a policy.

    Attributes:
        upstream: the id of the snapshot that it was chosen from.
        policy, rules: the policy's name, and what its rules were (`Policy.digest`).
        channel: the channel it was chosen for.
        packages: how many the policy left out, kept and pulled in.
    """

    upstream: str
    policy: str
    rules: str
    channel: str
    packages: Mapping[str, int]


@dataclass(frozen=True)
class Repository:
    """One repository of a snapshot. `signed_by` are fingerprints, or `pinned` / `local`.

    `keys` names the set of keys its packages were verified with, see `keys_id`; `verified` is the
    SHA-256 of what was said of them then, see `encode_verified`.
    """

    files: str
    repomd: str
    revision: int
    packages: int
    bytes: int
    signed_by: str
    keys: str
    verified: str
    origin: Origin | None = None


@dataclass(frozen=True)
class Snapshot:
    """`created` is in seconds since the epoch and no part of the identity; nor is `tool`.

    `vetting` is None for what was verified and not filtered.
    """

    tree: str
    created: int
    repositories: Mapping[str, Repository]
    tool: str = ""
    vetting: Vetting | None = None

    @property
    def id(self) -> str:
        """The first 16 hex digits of the SHA-256 over the tree's name and its file lists."""
        content = {name: repository.files for name, repository in self.repositories.items()}
        text = json.dumps({"tree": self.tree, "repositories": content}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]

    @property
    def packages(self) -> int:
        return sum(repository.packages for repository in self.repositories.values())

    @property
    def bytes(self) -> int:
        return sum(repository.bytes for repository in self.repositories.values())


def encode(snapshot: Snapshot) -> bytes:
    """SNAPSHOT.json."""
    document: dict[str, object] = {
        "tree": snapshot.tree,
        "id": snapshot.id,
        "created": snapshot.created,
        "tool": snapshot.tool,
    }
    if snapshot.vetting is not None:
        document["vetting"] = asdict(snapshot.vetting)
    document["repositories"] = {
        name: _fields(repository) for name, repository in sorted(snapshot.repositories.items())
    }
    return (json.dumps(document, indent=1) + "\n").encode()


def _fields(repository: Repository) -> dict[str, object]:
    """Without what is not there: such snapshots stay the bytes that they were."""
    found = asdict(repository)
    if repository.origin is None:
        del found["origin"]
    elif not repository.origin.shown:
        del found["origin"]["shown"]
    return found


def decode(data: bytes, path: str) -> Snapshot:
    """The reverse of `encode`; `path` names the file in errors.

    Raises:
        VerificationError: damaged, or its id is not that of its content.
    """
    try:
        document = json.loads(data)
        snapshot = Snapshot(
            tree=document["tree"],
            created=document["created"],
            repositories={k: _repository(v) for k, v in document["repositories"].items()},
            tool=document["tool"],
            vetting=Vetting(**document["vetting"]) if "vetting" in document else None,
        )
        expected = document["id"]
    except (ValueError, TypeError, KeyError) as error:
        raise VerificationError(
            f"damaged snapshot: {error!r}",
            path=path,
            way_out="tuxmirror verify --repair, where a channel shows it; else tuxmirror prune"
            " --snapshot",
        ) from None
    if snapshot.id != expected:
        raise VerificationError(
            "the snapshot is not the one it says", expected=expected, found=snapshot.id, path=path
        )
    return snapshot


def _repository(found: Mapping[str, object]) -> Repository:
    origin = found.get("origin")
    values = {**found, "origin": Origin(**origin) if isinstance(origin, dict) else None}
    return Repository(**values)  # type: ignore[arg-type]


def encode_files(files: Iterable[File]) -> bytes:
    """A file list, sorted by path, so that the same files give the same bytes."""
    return "".join(f"{f.sha256} {f.size} {f.path}\n" for f in sorted(files)).encode()


def decode_files(data: bytes) -> list[File]:
    """The reverse of `encode_files`.

    The caller has compared the bytes with their SHA-256: its paths were checked before they were
    written.
    """
    files = []
    for line in data.decode().splitlines():
        sha256, size, path = line.split(" ", 2)
        files.append(File(path, sha256, int(size)))
    return files


def find_file(data: bytes, path: str) -> str | None:
    """The SHA-256 of one file of a list, without reading all the others; None if it has none."""
    end = data.find(f" {path}\n".encode())
    if end < 0:
        return None
    return data[data.rfind(b"\n", 0, end) + 1 : end].split(b" ")[0].decode()


def encode_verified(descriptions: Mapping[str, str]) -> bytes:
    """Which content was verified as which package: `core.package` descriptions by SHA-256."""
    return "".join(f"{sha} {text}\n" for sha, text in sorted(descriptions.items())).encode()


def decode_verified(data: bytes) -> dict[str, str]:
    """The reverse of `encode_verified`."""
    return dict(line.split(" ", 1) for line in data.decode().splitlines())


def keys_id(fingerprints: Iterable[str]) -> str:
    """A short name for a set of keys: what was verified with it need not be verified again."""
    return hashlib.sha256(" ".join(sorted(fingerprints)).encode()).hexdigest()[:ID_LENGTH]
