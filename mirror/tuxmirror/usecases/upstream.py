"""What upstream shows now: which repositories changed, and proof that it is upstream who says so.

Roots are tried in order. One that is down, lags behind what was accepted, or shows a repomd.xml
that does not match its signature is passed over for the next. All repositories are asked at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ..core import kinds, treeinfo
from ..core import repomd as rules
from ..core.checksums import Image
from ..core.config import Tree
from ..core.errors import (
    DigestError,
    MirrorError,
    NetworkError,
    RollbackError,
    SignatureError,
    VerificationError,
)
from ..core.names import check_unique
from ..core.repomd import Repomd
from ..ports import (
    Document,
    DocumentRequest,
    Keyring,
    RepositoryMemory,
    Transport,
    Validators,
)
from . import vouching

REPOMD = kinds.REPOMD
SIGNATURE = "repodata/repomd.xml.asc"
MAX_MIRRORLIST = 64 * 1024
MAX_SIGNATURE = 64 * 1024
_SIGNATURE_ATTEMPTS = 3
_SIGNATURE_PAUSE = 0.3


class Shown(NamedTuple):
    """A repository as one of its roots shows it, not yet verified."""

    root: str
    data: bytes
    validators: Validators


class Fresh(NamedTuple):
    """A repository that changed, verified. `roots` in the order to fetch from.

    `data` are the bytes of its index, see `core.kinds`; `images` what it has beside packages and
    metadata, `beside` small files that are published with it, by their path.
    """

    roots: Sequence[str]
    repomd: Repomd
    data: bytes
    signature: bytes | None
    signed_by: str
    validators: Validators
    images: tuple[Image, ...] = ()
    beside: Mapping[str, bytes] = MappingProxyType({})


class Upstream:
    """One look at a tree's upstream.

    Args:
        memory: what was accepted in earlier runs, by repository.
        trust: names the keys and rules of this run; what was accepted under others is verified
            again.
        allow_rollback: take an older state than that.
    """

    def __init__(
        self,
        transport: Transport,
        tree: Tree,
        memory: Mapping[str, RepositoryMemory],
        trust: str,
        allow_rollback: bool,
    ) -> None:
        self._transport = transport
        self._tree = tree
        self._memory = memory
        self._trust = trust
        self._allow_rollback = allow_rollback
        self._roots: dict[str, list[str]] = {}
        # Signatures that came along with a repomd.xml nobody has seen before, by root.
        self._signatures: dict[str, Document | MirrorError] = {}
        # By repository: why each root was passed over.
        self._passed: dict[str, list[MirrorError]] = {}

    def changed(self) -> dict[str, Shown]:
        """Repositories that differ from what was accepted; one conditional request for each.

        Raises:
            NetworkError: no root of a repository delivers.
            RollbackError: every root is older than what was accepted.
        """
        self._roots = {name: self._configured_roots(name) for name in self._tree.repositories}
        self._passed = {name: [] for name in self._tree.repositories}
        shown: dict[str, Shown] = {}
        waiting = list(self._tree.repositories)
        while waiting:
            answers = self._ask(waiting)
            undecided = []
            for name, answer in zip(waiting, answers):
                state = self._judge(name, answer)
                if isinstance(state, MirrorError):
                    self._pass_over(name, state)
                    undecided.append(name)
                elif state is not None:
                    shown[name] = state
            waiting = undecided
        return shown

    def verify(self, shown: Mapping[str, Shown], keyring: Keyring) -> dict[str, Fresh]:
        """Proof for each of `changed`; where a root's does not hold, the next root is asked.

        Raises:
            SignatureError: no root has a repomd.xml that its signature covers.
            DigestError: none is the pinned one.
            MetadataError: signed, but not what a repository may say.
            NetworkError, RollbackError: as `changed`.
        """
        return {name: self._verify_one(name, state, keyring) for name, state in shown.items()}

    def still_current(self, fresh: Mapping[str, Fresh]) -> bool:
        """Whether upstream still shows what was fetched: it may have moved on meanwhile."""
        answers = self._transport.documents(
            [
                DocumentRequest(
                    f"{state.roots[0]}/{kinds.index(name)}", rules.MAX_BYTES, state.validators
                )
                for name, state in fresh.items()
            ]
        )
        return all(
            isinstance(answer, MirrorError) or answer.data in (None, state.data)
            for answer, state in zip(answers, fresh.values())
        )

    def accepted(self, fresh: Mapping[str, Fresh]) -> dict[str, RepositoryMemory]:
        """What is to be remembered once `fresh` was taken."""
        memory = {name: self._memory[name] for name in self._tree.repositories if name not in fresh}
        for name, state in fresh.items():
            memory[name] = RepositoryMemory(
                state.roots[0],
                state.validators,
                state.repomd.sha256,
                state.repomd.revision,
                self._trust,
            )
        return memory

    def roots(self, name: str) -> list[str]:
        """All that may have the repository's files, in the order to try them."""
        return list(dict.fromkeys([*self._configured_roots(name), *self._mirrors(name)]))

    def _configured_roots(self, name: str) -> list[str]:
        place = self._tree.place(name).rstrip("/")
        return [f"{root}/{place}" for root in self._tree.upstream] or self._mirrors(name)

    def _mirrors(self, name: str) -> list[str]:
        """The repository's roots from the mirror list; empty where there is none."""
        # Mirror lists know no places of debug and source packages.
        if not self._tree.mirrorlist or not self._tree.place(name).endswith("/os/"):
            return []
        repo, _, arch = name.partition("/")
        url = self._tree.mirrorlist.replace("{repo}", repo.lower())
        [answer] = self._transport.documents([DocumentRequest(url, MAX_MIRRORLIST)])
        if isinstance(answer, MirrorError) or answer.data is None:
            return []
        lines = answer.data.decode("ascii", "replace").split()
        urls = [line.replace("$basearch", arch).rstrip("/") for line in lines]
        urls = [url for url in urls if url.startswith(("http://", "https://"))][:10]
        for mirror in urls:
            self._transport.allow(mirror)
        return urls

    def _ask(self, names: Sequence[str]) -> list[Document | MirrorError]:
        """What the next root of each shows. Of what was never accepted the signature comes along:
        it will be needed, and a round trip is saved."""
        new = [
            self._roots[name][0]
            for name in names
            if name not in self._memory and not kinds.is_whole(name)
        ]
        requests = [self._request(name) for name in names]
        if self._tree.metadata_signature == "required":
            requests += [_signature_request(root) for root in new]
        answers = self._transport.documents(requests)
        self._signatures.update(zip(new, answers[len(names) :]))
        return answers[: len(names)]

    def _request(self, name: str) -> DocumentRequest:
        root = self._roots[name][0]
        known = self._memory.get(name)
        validators = known.validators if known and known.root == root else Validators()
        return DocumentRequest(f"{root}/{kinds.index(name)}", rules.MAX_BYTES, validators)

    def _judge(self, name: str, answer: Document | MirrorError) -> Shown | MirrorError | None:
        """What a root shows; an error to pass it over; None where nothing changed."""
        if isinstance(answer, MirrorError):
            return answer.located(path=kinds.index(name))
        known = self._memory.get(name)
        if answer.data is None:
            return None
        shown = Shown(self._roots[name][0], answer.data, answer.validators)
        if known and known.trust == self._trust and known.repomd == _sha256(answer.data):
            return None
        if kinds.is_images(name):
            # How old a list is its signature says, which is looked at later.
            return shown
        try:
            index = rules.parse(answer.data)
        except MirrorError as error:
            return error.located(path=REPOMD)
        return self._older(name, index.revision) or shown

    def _older(self, name: str, revision: int) -> RollbackError | None:
        known = self._memory.get(name)
        if known is None or revision >= known.revision or self._allow_rollback:
            return None
        return RollbackError(
            "upstream is older than what was accepted before",
            expected=f"revision {known.revision} or later",
            found=f"revision {revision} at {self._roots[name][0]}",
            path=kinds.index(name),
            way_out="if upstream really went back, say --allow-rollback",
        )

    def _pass_over(self, name: str, error: MirrorError) -> None:
        """Go on to the repository's next root, or raise what is to be said of all of them."""
        passed = self._passed[name]
        passed.append(error)
        self._roots[name].pop(0)
        configured = len(self._tree.upstream) or 1
        if not self._roots[name] and len(passed) == configured and self._tree.upstream:
            self._roots[name] = self._mirrors(name)
        if self._roots[name]:
            return
        for kind in (VerificationError, NetworkError, RollbackError):
            worst = next((error for error in passed if isinstance(error, kind)), None)
            if worst:
                others = "; ".join(e.message for e in passed if e is not worst)
                worst.found = "; ".join(filter(None, (worst.found, others))) or None
                raise worst.located(tree=self._tree.name, repository=name)
        raise error.located(tree=self._tree.name, repository=name)

    def _verify_one(self, name: str, shown: Shown, keyring: Keyring) -> Fresh:
        while True:
            try:
                return self._proven(name, shown, keyring)
            except (VerificationError, NetworkError, RollbackError) as error:
                self._pass_over(name, error)
            # The next root may be unchanged or unusable: `changed`'s rules hold for it too.
            shown = self._next(name)

    def _next(self, name: str) -> Shown:
        while True:
            [answer] = self._transport.documents([self._request(name)])
            state = self._judge(name, answer)
            if isinstance(state, Shown):
                return state
            self._pass_over(
                name, state or NetworkError(f"{self._roots[name][0]}: lags behind the others")
            )

    def _proven(self, name: str, shown: Shown, keyring: Keyring) -> Fresh:
        if kinds.is_images(name):
            return self._image_folder(name, shown, keyring)
        if kinds.is_kickstart(name):
            return self._kickstart(name, shown, keyring)
        return self._packages(name, shown, keyring)

    def _image_folder(self, name: str, shown: Shown, keyring: Keyring) -> Fresh:
        index, images, signer = vouching.prove_list(shown.data, keyring)
        older = self._older(name, index.revision)
        if older:
            raise older
        return Fresh(
            self._others(name, shown), index, shown.data, None, signer, shown.validators, images
        )

    def _kickstart(self, name: str, shown: Shown, keyring: Keyring) -> Fresh:
        url = f"{shown.root}/{kinds.TREEINFO}"
        [answer] = self._transport.documents([DocumentRequest(url, treeinfo.MAX_BYTES)])
        if isinstance(answer, MirrorError):
            raise answer.located(path=kinds.TREEINFO)
        data = answer.data or b""
        info = vouching.prove_treeinfo(self._tree, name, data)
        if vouching.check_repomd(info, shown.data):
            fresh = self._vouched(name, shown, keyring)
        else:
            fresh = self._packages(name, shown, keyring)
        check_unique(
            [*(file.location for file in fresh.repomd.files), *(i.path for i in info.images)]
        )
        return fresh._replace(images=info.images, beside={kinds.TREEINFO: data})

    def _vouched(self, name: str, shown: Shown, keyring: Keyring) -> Fresh:
        """By the `.treeinfo`; a good signature is published besides, where there is one."""
        [answer] = self._transport.documents([_signature_request(shown.root)])
        if not isinstance(answer, MirrorError) and answer.data:
            with contextlib.suppress(SignatureError):
                signer = keyring.verify_detached(shown.data, answer.data)
                return self._fresh(name, shown, answer.data, signer)
        return self._fresh(name, shown, None, "pinned")

    def _packages(self, name: str, shown: Shown, keyring: Keyring) -> Fresh:
        if self._tree.metadata_signature == "pinned":
            return self._pinned(name, shown)
        for attempt in range(_SIGNATURE_ATTEMPTS):
            signature = self._signature(shown.root)
            try:
                signer = keyring.verify_detached(shown.data, signature)
            except SignatureError:
                # Upstream may just be replacing the pair.
                if attempt == _SIGNATURE_ATTEMPTS - 1:
                    raise
                time.sleep(_SIGNATURE_PAUSE * (attempt + 1))
                shown = self._again(name)
                continue
            return self._fresh(name, shown, signature, signer)
        raise AssertionError("unreachable")

    def _again(self, name: str) -> Shown:
        [answer] = self._transport.documents([self._request(name)])
        state = self._judge(name, answer)
        if isinstance(state, Shown):
            return state
        raise state or NetworkError(f"{self._roots[name][0]}: changes while it is read")

    def _signature(self, root: str) -> bytes:
        answer = self._signatures.pop(root, None)
        if answer is None:
            [answer] = self._transport.documents([_signature_request(root)])
        if isinstance(answer, NetworkError):
            raise SignatureError(
                "there is no usable signature of repomd.xml",
                expected=f"{root}/{SIGNATURE}",
                found=answer.message,
                path=REPOMD,
                way_out="for a frozen tree without one: metadata_signature = pinned, with its"
                " repomd_sha256",
            )
        if isinstance(answer, MirrorError):
            raise answer.located(path=SIGNATURE)
        return answer.data or b""

    def _pinned(self, name: str, shown: Shown) -> Fresh:
        fresh = self._fresh(name, shown, None, "pinned")
        expected = self._tree.repomd_sha256.get(name)
        if fresh.repomd.sha256 != expected:
            raise DigestError(
                "repomd.xml is not the pinned one",
                expected=f"sha256 {expected}",
                found=f"sha256 {fresh.repomd.sha256}",
                path=REPOMD,
                way_out="compare it by hand, then set repomd_sha256 in the configuration",
            )
        return fresh

    def _fresh(self, name: str, shown: Shown, signature: bytes | None, signer: str) -> Fresh:
        index = rules.parse(shown.data)
        roots = self._others(name, shown)
        return Fresh(roots, index, shown.data, signature, signer, shown.validators)

    def _others(self, name: str, shown: Shown) -> list[str]:
        """All that may have what a root shows, that one first."""
        return [shown.root, *(root for root in self._roots[name] if root != shown.root)]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _signature_request(root: str) -> DocumentRequest:
    return DocumentRequest(f"{root}/{SIGNATURE}", MAX_SIGNATURE)
