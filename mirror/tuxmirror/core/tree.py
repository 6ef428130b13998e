"""One tree of the configuration: what it is made of, and which options go together.

`config` reads its section.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from . import kinds
from .addresses import LOOPBACK, is_in
from .convert import nearest
from .errors import ConfigError
from .names import OWN

# The operator's own key, beside those of a tree whose metadata he signed.
OPERATORS_KEY = "RPM-GPG-KEY-tuxmirror"
_TREE_FILES = ("TIME", "SNAPSHOT.json", "SNAPSHOT.json.asc", OPERATORS_KEY)

# Where an upstream wants its token in the path; see `Tree.token_file`.
TOKEN_PLACE = "{token}"  # noqa: S105
_RELEASE = re.compile(r"[0-9]+(\.[0-9]+)?")
_FIXED_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_LITERAL_TOKEN = re.compile(r"tux_[A-Za-z0-9_-]{28,}")


@dataclass(frozen=True)
class Tree:
    """One `[tree]` section. `name` is its path below a channel; `max_age` 0 means never."""

    name: str
    type: str = "rpm-md"
    upstream: tuple[str, ...] = ()
    mirrorlist: str | None = None
    source: Path | None = None
    repos: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    gpgkey: tuple[Path, ...] = ()
    fingerprints: tuple[str, ...] = ()
    metadata_signature: str = "required"
    repomd_sha256: Mapping[str, str] = field(default_factory=dict)
    policy: str | None = None
    open: bool = False
    latest: str | None = None
    max_age: int | None = None
    token_file: Path | None = None
    advisories: Path | None = None
    feeds: bool = True
    layout: str = "release"
    also: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    kickstart: Mapping[str, str] = field(default_factory=dict)

    @property
    def flat(self) -> bool:
        """Whether it has one repository an arch, as packages of our own are published."""
        return self.type == "local" or self.layout == "flat"

    @property
    def repositories(self) -> tuple[str, ...]:
        """`<Repo>/<arch>` of each, `<Repo>/debug/<arch>` and `<Repo>/Source` where they are wanted
        also, installation trees and folders of images (`core.kinds`); a flat tree's are its arches
        alone."""
        if self.flat:
            return self.arches
        found = [f"{repo}/{arch}" for repo in self.repos for arch in self.arches]
        if "debug" in self.also:
            found += [f"{repo}/debug/{arch}" for repo in self.repos for arch in self.arches]
        if "source" in self.also:
            found += [f"{repo}/Source" for repo in self.repos]
        found += [f"{name}/{kinds.KICKSTART}" for name in self.kickstart]
        found += [f"{folder}/{arch}" for folder in self.images for arch in self.arches]
        return tuple(found)

    def place(self, repository: str) -> str:
        """Where a repository's files lie below the tree and below its upstream, with a slash at
        the end: `BaseOS/x86_64/os/`, `BaseOS/debug/x86_64/`, `BaseOS/Source/`."""
        if kinds.is_images(repository):
            return kinds.place(repository)
        plain = repository.count("/") == 1 and not repository.endswith("/Source")
        return f"{repository}/os/" if plain and not self.flat else f"{repository}/"


def check_tree(tree: Tree, where: str) -> None:
    needed = ["arches", "gpgkey"]
    if tree.type == "local":
        needed.append("source")
    elif not tree.flat and not tree.images:
        needed.append("repos")
    for key in needed:
        if not getattr(tree, key):
            raise ConfigError(f"{where}: '{key}' is missing")
    if tree.type != "local" and not (tree.upstream or tree.mirrorlist):
        raise ConfigError(f"{where}: no upstream here and none in [main]")
    more = tree.also or tree.images or tree.kickstart
    if tree.layout == "flat" and (tree.repos or more or tree.mirrorlist):
        raise ConfigError(
            f"{where}: a flat tree has one repository an arch",
            expected="no repos =, also =, images =, kickstart =, mirrorlist =",
        )
    if tree.type == "local" and (tree.layout == "flat" or more):
        raise ConfigError(
            f"{where}: layout =, also =, images = and kickstart = are for trees of an upstream"
        )
    _check_kinds(tree, where)
    if tree.advisories and tree.type != "local":
        raise ConfigError(
            f"{where} advisories: only for packages of our own",
            expected="type = local; the advisories of other trees are in their metadata",
        )
    _check_key_files(tree, where)
    _check_latest(tree, where)
    _check_token(tree, where)
    pinned = tree.metadata_signature == "pinned"
    if pinned != bool(tree.repomd_sha256):
        raise ConfigError(f"{where}: 'metadata_signature = pinned' and 'repomd_sha256' go together")
    plain = {name for name in tree.repositories if not kinds.is_whole(name)}
    # An installation tree's own pin may say it; nothing keeps it from standing here as well.
    allowed = {name for name in tree.repositories if not kinds.is_images(name)}
    pins = set(tree.repomd_sha256)
    unpinned = (plain - pins) | (pins - allowed) if pinned else set()
    if unpinned:
        raise ConfigError(
            f"{where} repomd_sha256: every repository once, and no other",
            found=", ".join(sorted(unpinned)),
        )


def _check_kinds(tree: Tree, where: str) -> None:
    """What a repository is called says what it is."""
    for name in tree.repos:
        if name in kinds.IMAGES:
            raise ConfigError(
                f"{where} repos: {name} is a folder of images",
                expected="repositories of packages",
                way_out=f"images = {name}",
            )
    own = {f"{repo}/{arch}" for repo in tree.repos for arch in tree.arches}
    unknown = sorted(set(tree.kickstart) - own)
    if unknown:
        raise ConfigError(
            f"{where} kickstart: {unknown[0]} is no repository of the tree",
            expected=", ".join(sorted(own)) or "repos =",
            way_out=nearest(unknown[0], dict.fromkeys(own)),
        )


def _check_key_files(tree: Tree, where: str) -> None:
    """They are published at the tree's root under their own names."""
    names = [path.name for path in tree.gpgkey]
    if len(names) != len(set(names)):
        raise ConfigError(f"{where} gpgkey: two files have the same name")
    first_segments = {name.partition("/")[0] for name in tree.repositories}
    for name in names:
        if name in _TREE_FILES or name in first_segments:
            raise ConfigError(f"{where} gpgkey: a key file cannot be called {name}")


def _check_latest(tree: Tree, where: str) -> None:
    """What is served without a token has this name alone, see `entitlement`."""
    if tree.latest is None:
        return
    root, release, *_ = tree.name.split("/")
    if tree.type != "local" or root != OWN or not _RELEASE.fullmatch(release):
        raise ConfigError(
            f"{where} latest: for packages of our own, of one release",
            expected=f"type = local in a section such as [{OWN}/9.2/base]",
        )
    if not _FIXED_NAME.fullmatch(tree.latest):
        raise ConfigError(
            f"{where} latest = {tree.latest}: cannot be the name of a package here",
            expected="small letters, digits and '-', such as tuxcare-release",
        )


def _check_token(tree: Tree, where: str) -> None:
    """A token for upstream is named in its file alone, and travels where nobody listens."""
    for root in tree.upstream:
        if _LITERAL_TOKEN.search(root):
            raise ConfigError(
                f"{where} upstream: a token in a URL ends up in logs",
                way_out=f"put it into a file, name that with token_file =, and write {TOKEN_PLACE}"
                " in the URL, or nothing: then it is sent in a header",
            )
        if TOKEN_PLACE in root and not tree.token_file:
            raise ConfigError(f"{where} upstream: {TOKEN_PLACE} needs token_file =")
        parts = urlsplit(root)
        if tree.token_file and parts.scheme != "https" and not _is_here(parts.hostname or ""):
            raise ConfigError(
                f"{where} upstream: a token would travel unencrypted to {parts.hostname}",
                expected="https",
            )


def _is_here(host: str) -> bool:
    return host == "localhost" or is_in(host, LOOPBACK)
