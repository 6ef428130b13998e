"""`tuxmirror import`: a bundle's snapshots, verified as from any upstream and published.

The operator's signature covers the manifest, and that every byte. Beside it everything is verified
again with the keys of this site: metadata by the tree's, packages by the tree's, one by one.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ..core import bundle as bundles
from ..core import kinds, repomd
from ..core import snapshot as snapshots
from ..core.bundle import MANIFEST, SIGNATURE, Bundle, Carried
from ..core.config import Tree
from ..core.errors import (
    ConfigError,
    DigestError,
    RefusedError,
    RollbackError,
    SignatureError,
    VerificationError,
)
from ..core.snapshot import LOCAL, File, Repository, Snapshot
from ..ports import BundlePlace, Keyring, RepositoryMemory, Validators
from . import metadata, vouching
from . import sync as syncing
from .context import Mirror
from .metadata import Content
from .source import BUNDLE, Change, Source
from .upstream import REPOMD, Fresh
from .upstream import SIGNATURE as REPOMD_SIGNATURE


class Opened(NamedTuple):
    """A bundle whose signature holds; `keyring` has the key that made it."""

    bundle: Bundle
    place: BundlePlace
    keyring: Keyring


def import_bundle(mirror: Mirror, place: BundlePlace, options: syncing.Options) -> int:
    """Each tree on its own, as `sync` does. Returns the exit status of the run.

    Raises:
        ConfigError: no bundle_keys, or a tree that is not configured.
        VerificationError: no bundle, or its signature does not hold.
        LockedError: another import is at work.
    """
    with mirror.state.lock(BUNDLE), _opened(mirror, place) as opened:
        carried = {c.snapshot.tree: c for c in opened.bundle.trees}
        trees = [_configured(mirror, c.snapshot) for c in opened.bundle.trees]
        mirror.reporter.event(
            "bundle",
            trees=list(carried),
            created=opened.bundle.created,
            contents=len(opened.bundle.contents),
            bytes=opened.bundle.bytes,
        )

        def source(
            mirror: Mirror, tree: Tree, options: syncing.Options, stack: contextlib.ExitStack
        ) -> Source:
            folder = mirror.state.incoming(tree.name) / BUNDLE
            folder.mkdir(exist_ok=True)
            made = BundleSource(mirror, tree, opened, carried[tree.name], folder)
            made.allow_rollback = options.allow_rollback
            return made

        status = syncing.sync(mirror, trees, options, source)
        if not status and not options.dry_run:
            for tree in trees:
                shutil.rmtree(mirror.state.incoming(tree.name) / BUNDLE, ignore_errors=True)
        return status


@contextlib.contextmanager
def _opened(mirror: Mirror, place: BundlePlace) -> Iterator[Opened]:
    keys = mirror.config.bundle_keys
    if not keys:
        raise ConfigError(
            "whose bundles are taken is not configured",
            expected="[main] bundle_keys = the public key of the operator who exported it",
            way_out="it lies at the root of his own trees as RPM-GPG-KEY-tuxmirror; bring it here"
            " another way than the bundle, or compare its fingerprint",
        )
    head = place.head()
    mirror.state.clear_scratch(BUNDLE)
    with mirror.keyring(Tree(BUNDLE, gpgkey=keys)) as keyring:
        try:
            keyring.verify_detached(head.manifest, head.signature or b"")
        except SignatureError as error:
            raise SignatureError(
                error.message.replace("repomd.xml.asc", SIGNATURE),
                expected=error.expected,
                found=error.found,
                path=MANIFEST,
                way_out="copy the bundle again; if the operator has a new key, add it to"
                " bundle_keys. Nothing was changed",
            ) from None
        yield Opened(bundles.decode(head.manifest), place, keyring)


def _configured(mirror: Mirror, snapshot: Snapshot) -> Tree:
    tree = mirror.config.tree(snapshot.tree)
    if set(tree.repositories) != set(snapshot.repositories):
        raise ConfigError(
            f"[{tree.name}] has other repositories than the bundle",
            expected=", ".join(sorted(snapshot.repositories)),
            found=", ".join(sorted(tree.repositories)),
            way_out="say the same repos and arches as the mirror that exported it",
        )
    return tree


class BundleSource:
    """See `source.Source`. `folder` is where contents wait until they are verified."""

    ages = False

    def __init__(
        self, mirror: Mirror, tree: Tree, opened: Opened, carried: Carried, folder: Path
    ) -> None:
        self.allow_rollback = False
        self._mirror = mirror
        self._tree = tree
        self._opened = opened
        self._snapshot = carried.snapshot
        self._since = carried.since
        self._folder = folder
        self._items = {item.sha256: item for item in opened.bundle.contents}

    def look(self, current: Snapshot | None, keyring: Callable[[], Keyring]) -> Change | None:
        if current is not None and current.id == self._snapshot.id and self._is_whole(current):
            return None
        self._check_base()
        lists = self._lists()
        small, large = _parted(lists)
        places = self._fetch(small)
        fresh = {
            name: self._fresh(name, repository, lists[name], places, keyring)
            for name, repository in self._snapshot.repositories.items()
            if kinds.index(name) in lists[name]
        }
        self._check_rollback(fresh)
        contents = {
            name: metadata.read(self._mirror, self._folder, state.repomd, places)
            for name, state in fresh.items()
        }
        here = self._bring(large)
        self._check_complete(fresh, contents, lists)
        contents = {
            name: content._replace(metadata={**content.metadata, **_images(fresh[name], here)})
            for name, content in contents.items()
        }
        return Change(fresh, contents, here)

    def _is_whole(self, current: Snapshot) -> bool:
        """What was lost of it here, the bundle may have."""
        pool = self._mirror.pool
        for repository in current.repositories.values():
            if pool.missing([repository.files, repository.verified]):
                return False
            files = snapshots.decode_files(pool.read(repository.files))
            if pool.missing(file.sha256 for file in files):
                return False
        return True

    def _check_base(self) -> None:
        if self._since is None or self._since in self._mirror.state.snapshots(self._tree.name):
            return
        candidate = self._mirror.state.candidate(self._tree.name)
        again = f"--since {candidate}" if candidate else "the whole snapshot"
        raise RefusedError(
            f"the bundle builds upon snapshot {self._since}, which is not here",
            expected=self._since,
            found=", ".join(self._mirror.state.snapshots(self._tree.name)[-5:]) or "no snapshot",
            way_out=f"import the bundles in their order, or export {again}",
        )

    def _lists(self) -> dict[str, dict[str, File]]:
        """The file lists by repository and path; their bytes are those that the id names."""
        names = {r.files for r in self._snapshot.repositories.values()}
        places = self._fetch([File("file list", sha, self._size(sha)) for sha in sorted(names)])
        lists = {}
        for name, repository in self._snapshot.repositories.items():
            files = snapshots.decode_files(places[repository.files].read_bytes())
            lists[name] = {file.path: file for file in files}
        return lists

    def _size(self, sha256: str) -> int:
        return self._items[sha256].size if sha256 in self._items else 0

    def _fetch(self, files: list[File]) -> dict[str, Path]:
        """Where each content is: in the pool already, or copied here from the bundle."""
        brought = self._bring(files)
        here = {file.sha256 for file in files} - brought.keys()
        return {**brought, **{sha: self._mirror.pool.path(sha) for sha in here}}

    def _bring(self, files: list[File]) -> dict[str, Path]:
        """What the pool lacks, copied here from the bundle."""
        wanted = {file.sha256: file for file in files}
        missing = self._mirror.pool.missing(wanted)
        for sha in sorted(missing - self._items.keys()):
            raise VerificationError(
                "neither here nor in the bundle",
                expected=f"sha256 {sha}",
                path=wanted[sha].path,
                way_out="tuxmirror verify --repair here, or export the whole snapshot",
            )
        metadata.check_space(self._mirror, sum(wanted[sha].size for sha in missing))
        places: dict[str, Path] = {}
        items = self._opened.bundle.contents
        total = sum(self._items[sha].size for sha in missing)
        done = size = 0
        for item, path in self._opened.place.read(items, missing, self._folder):
            places[item.sha256] = path
            done, size = done + 1, size + item.size
            self._tell(done, len(missing), size, total)
        return places

    def _tell(self, done: int, total: int, size: int, total_bytes: int) -> None:
        self._mirror.reporter.event(
            "progress",
            tree=self._tree.name,
            done=done,
            total=total,
            bytes=size,
            total_bytes=total_bytes,
        )

    def _fresh(
        self,
        name: str,
        repository: Repository,
        files: Mapping[str, File],
        places: Mapping[str, Path],
        keyring: Callable[[], Keyring],
    ) -> Fresh:
        data = places[files[kinds.index(name)].sha256].read_bytes()
        if kinds.is_images(name):
            index, images, signer = vouching.prove_list(data, keyring())
            return Fresh([], index, data, None, signer, Validators(), images)
        signature = None
        if REPOMD_SIGNATURE in files:
            signature = places[files[REPOMD_SIGNATURE].sha256].read_bytes()
        try:
            index = repomd.parse(data)
            if kinds.is_kickstart(name):
                treeinfo = places[files[kinds.TREEINFO].sha256].read_bytes()
                info = vouching.prove_treeinfo(self._tree, name, treeinfo)
                if vouching.check_repomd(info, data) and signature is None:
                    signer = repository.signed_by
                else:
                    signer = self._signer(name, repository, data, signature, keyring)
                fresh = Fresh([], index, data, signature, signer, Validators(), info.images)
                return fresh._replace(beside={kinds.TREEINFO: treeinfo})
            signer = self._signer(name, repository, data, signature, keyring)
        except VerificationError as error:
            raise error.located(tree=self._tree.name, repository=name, path=REPOMD) from None
        return Fresh([], index, data, signature, signer, Validators())

    def _signer(
        self,
        name: str,
        repository: Repository,
        data: bytes,
        signature: bytes | None,
        keyring: Callable[[], Keyring],
    ) -> str:
        """Who vouches for a repomd.xml: as from upstream, or the operator who made it himself."""
        own = self._opened.keyring
        if repository.signed_by in own.fingerprints:
            return own.verify_detached(data, signature or b"")
        if self._tree.type == "local" and repository.signed_by == LOCAL:
            return LOCAL
        if self._tree.metadata_signature == "pinned":
            expected = self._tree.repomd_sha256[name]
            found = repomd.parse(data).sha256
            if found != expected:
                raise DigestError(
                    "repomd.xml is not the pinned one",
                    expected=f"sha256 {expected}",
                    found=f"sha256 {found}",
                )
            return "pinned"
        return keyring().verify_detached(data, signature or b"")

    def _check_rollback(self, fresh: Mapping[str, Fresh]) -> None:
        memory = self._mirror.state.memory(self._tree.name)
        for name, state in fresh.items():
            known = memory.get(name)
            if known and state.repomd.revision < known.revision and not self.allow_rollback:
                raise RollbackError(
                    "the bundle is older than what is here",
                    expected=f"revision {known.revision} or later",
                    found=f"revision {state.repomd.revision}",
                    repository=name,
                    way_out="if it is meant to be, say --allow-rollback",
                )

    def _check_complete(
        self,
        fresh: Mapping[str, Fresh],
        contents: Mapping[str, Content],
        lists: Mapping[str, Mapping[str, File]],
    ) -> None:
        """The snapshot is what its metadata says, neither more nor less."""
        for name, files in lists.items():
            made = _files(name, fresh[name], contents[name]) if name in fresh else set()
            if made != {(file.path, file.sha256) for file in files.values()}:
                raise VerificationError(
                    "the snapshot's files are not those of its metadata",
                    tree=self._tree.name,
                    repository=name,
                    way_out="report this to the operator who exported it; nothing was published",
                )

    def sealed(self, change: Change, current: Snapshot | None) -> Change:
        return change

    def still_current(self) -> bool:
        return True

    def accepted(self, change: Change) -> dict[str, RepositoryMemory]:
        trust = self._mirror.trust(self._tree)
        return {
            name: RepositoryMemory(
                BUNDLE, Validators(), state.repomd.sha256, state.repomd.revision, trust
            )
            for name, state in change.fresh.items()
        }


def _files(name: str, fresh: Fresh, content: Content) -> set[tuple[str, str]]:
    """Path and SHA-256 of each, as `metadata.file_list` and the images will list them."""
    return {
        *((p.location, p.sha256) for p in content.packages),
        *((m.location, m.sha256) for m in fresh.repomd.files),
        *((i.path, i.sha256) for i in fresh.images),
        *((path, hashlib.sha256(data).hexdigest()) for path, data in metadata.small(name, fresh)),
    }


def _images(fresh: Fresh, here: Mapping[str, Path]) -> dict[str, Path]:
    """Where each is that the bundle brought."""
    return {i.sha256: here[i.sha256] for i in fresh.images if i.sha256 in here}


def _parted(lists: Mapping[str, Mapping[str, File]]) -> tuple[list[File], list[File]]:
    """What says what there is, and the rest."""
    small: list[File] = []
    large: list[File] = []
    for name, files in lists.items():
        for file in files.values():
            (small if kinds.is_metadata(name, file.path) else large).append(file)
    return small, large
