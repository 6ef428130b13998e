"""What the use-cases need from the world. Adapters implement these; tests bring simulators.

Every method raises only errors of `core.errors`; what a method does on top of that is in its
docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from .core.advisory import model
from .core.advisory.documents import Node
from .core.advisory.model import Scope
from .core.audit.host import Host
from .core.audit.report import Report
from .core.bundle import Item
from .core.errors import MirrorError
from .core.package import Package
from .core.policy.ages import FirstSeen
from .core.policy.builds import ModuleBuild
from .core.policy.closure import Requirements
from .core.policy.decisions import Decision
from .core.policy.outcome import Selection
from .core.publication import Publication
from .core.repomd import Repomd
from .core.site import SitePart
from .core.snapshot import File, Snapshot
from .core.summary import Advisory


class Validators(NamedTuple):
    """What a server said to recognise a document by (HTTP's ETag and Last-Modified)."""

    etag: str | None = None
    last_modified: str | None = None


class Document(NamedTuple):
    """A small document. `data` is None where it did not change; `status` is HTTP's."""

    url: str
    status: int
    data: bytes | None
    validators: Validators


class DocumentRequest(NamedTuple):
    """One URL, at most `max_bytes` of answer."""

    url: str
    max_bytes: int
    validators: Validators = Validators()


class Download(NamedTuple):
    """A file wanted: its content is known by SHA-256 and size, it may come from any of `urls`.

    `repository` and `path` say in errors which file it is.
    """

    urls: Sequence[str]
    sha256: str
    size: int
    repository: str
    path: str


class Failure(NamedTuple):
    """A mirror that did not deliver, and why. For the summary: "which mirror failed?"."""

    url: str
    reason: str


class Transport(Protocol):
    """HTTP."""

    def documents(self, requests: Sequence[DocumentRequest]) -> list[Document | MirrorError]:
        """Small documents, all at once, in the order asked for; an error in place of a
        document that could not be had (NetworkError) or is too large (MetadataError)."""

    def files(
        self,
        downloads: Iterable[Download],
        directory: Path,
        progress: Callable[[int], None] = ...,
    ) -> Iterator[tuple[Download, Path]]:
        """Fetch into `directory`, yield each as it is complete, in any order.

        What arrives has the size and SHA-256 asked for, nothing else is known of it. Partial
        files stay there and are resumed by a later run. `progress` gets the bytes as they come.

        Raises:
            NetworkError: none of a file's URLs delivered.
            DigestError: all that was delivered was something else.
        """

    def allow(self, url: str) -> None:
        """A mirror that a configured mirror list named: redirects to its host are fine."""

    @property
    def failures(self) -> Sequence[Failure]:
        """What went wrong on the way, also where another mirror made up for it."""


class Pool(Protocol):
    """Verified content by SHA-256; immutable."""

    def missing(self, wanted: Iterable[str]) -> set[str]:
        """Those of `wanted` that are not in the pool."""

    def path(self, sha256: str) -> Path:
        """A file to read it from: where it is or would be, or, of a pool that is elsewhere, a
        copy. Raises StorageError, DigestError where no such copy can be had."""

    def same(self, path: Path, sha256: str) -> bool:
        """Whether a file is what `path` gave, or a hard link of it."""

    def link(self, sha256: str, target: str) -> None:
        """Give it a name outside. Raises FileNotFoundError where the pool has lost it."""

    def read(self, sha256: str) -> bytes:
        """A small file, its digest checked again. Raises DigestError, StorageError."""

    def adopt(self, path: Path, sha256: str) -> None:
        """Move a file whose content was verified into the pool; nothing, if it is there.

        It may be under way until `lost` or `flush` is called, which tell of trouble then.
        """

    def lost(self) -> Collection[str]:
        """What was adopted since the last call and is not there now. Waits. Raises StorageError."""

    def add(self, data: bytes) -> str:
        """A small file from memory; its SHA-256."""

    def digest(self, sha256: str) -> str | None:
        """What its bytes have for a SHA-256 by now; None where it is lost. Reads all of it."""

    def set_aside(self, sha256: str) -> None:
        """A damaged file loses its name here; its bytes are kept for a while."""

    def contents(self) -> Iterator[tuple[str, int]]:
        """All that is there: SHA-256 and bytes."""

    def remove(self, contents: Iterable[str]) -> None:
        """Give them up. The caller knows that nothing names them."""

    def leftovers(self, before: float) -> list[Path]:
        """What was set aside, before a time in seconds since the epoch."""

    def free_bytes(self) -> int:
        """Space left."""

    def flush(self) -> None:
        """All that was added is there to stay afterwards. Raises StorageError."""


class Keyring(Protocol):
    """The keys of one tree, and signatures on metadata."""

    fingerprints: frozenset[str]

    def verify_detached(self, data: bytes, signature: bytes) -> str:
        """The fingerprint of the primary key that signed `data`.

        Raises:
            SignatureError: anything but one good signature of an allowed, valid key over
                SHA-256 or better.
        """


class Signer(Protocol):
    """The operator's key, `signing_key` of the configuration."""

    fingerprint: str

    def public_key(self) -> bytes:
        """Its public half, ASCII-armoured: what clients are to trust. Raises ConfigError."""

    def sign(self, documents: Sequence[bytes]) -> list[bytes]:
        """An ASCII-armoured detached signature over each, SHA-256, verified before it is given.

        Several at once cost little more than one.

        Raises:
            ConfigError: no such key, no secret half, expired, revoked, or not to be unlocked.
            SignatureError: no signature was made, or not one that holds.
            StorageError.
        """


class Verified(NamedTuple):
    """A package that passed (`error` is None) or did not."""

    package: Package
    path: Path
    error: MirrorError | None


class PackageVerifier(AbstractContextManager["PackageVerifier"], Protocol):
    """Checks packages beside the transfer, against the keys of one tree alone."""

    def submit(self, package: Package, path: Path) -> None:
        """Queue a package whose bytes are already those of the metadata."""

    def results(self) -> Iterator[Verified]:
        """What is decided by now; does not wait."""

    def finish(self) -> Iterator[Verified]:
        """All that is left; waits."""


class MetadataReader(Protocol):
    """rpm-md files, already verified by their digest, still parsed under limits."""

    def packages(
        self, primary: Path, open_sha256: str | None, open_size: int | None
    ) -> list[Package]:
        """What primary lists. Raises MetadataError."""

    def advisories(self, updateinfo: Path, open_size: int | None) -> list[Advisory]:
        """What updateinfo lists, in short. Raises MetadataError."""

    def errata(
        self, updateinfo: Path, open_size: int | None, scope: Scope, repository: str
    ) -> list[model.Advisory]:
        """What updateinfo lists, whole: for a scope, in one of its repositories.

        Raises MetadataError.
        """


class RepositoryMemory(NamedTuple):
    """What is remembered of an upstream repository between runs.

    `trust` names keys and rules that it was accepted under: under others it is looked at afresh.
    """

    root: str
    validators: Validators
    repomd: str
    revision: int
    trust: str


class UpstreamTime(NamedTuple):
    """The newest TIME that upstream showed (0: none yet) and when we looked; in seconds."""

    value: int
    looked: int


class LastRun(NamedTuple):
    """How the last sync of a tree went; `error` as `MirrorError.as_dict`, None if it went well."""

    time: int
    error: dict[str, object] | None


class State(Protocol):
    """What the mirror knows beside the content."""

    def lock(self, name: str, wait: float = 0.0) -> AbstractContextManager[None]:
        """Held while the context lasts, gone with the process.

        Raises LockedError where another has it, after `wait` seconds.
        """

    def memory(self, tree: str) -> dict[str, RepositoryMemory]:
        """By repository; empty where nothing was accepted yet or the record is unreadable."""

    def accept(self, tree: str, candidate: str, memory: dict[str, RepositoryMemory]) -> None:
        """One step: the snapshot that was verified last, and what upstream showed for it."""

    def upstream_time(self, tree: str) -> UpstreamTime | None:
        """None where nobody looked yet."""

    def set_upstream_time(self, tree: str, value: int, looked: int) -> UpstreamTime: ...

    def save_snapshot(self, snapshot: Snapshot, signature: bytes | None = None) -> None:
        """With the operator's signature over SNAPSHOT.json; one that is there stays as it is."""

    def signature(self, tree: str, snapshot_id: str) -> bytes | None:
        """Of SNAPSHOT.json; None where nobody signed it."""

    def snapshot(self, tree: str, snapshot_id: str) -> Snapshot:
        """Raises RefusedError where there is none, VerificationError where it is damaged."""

    def snapshots(self, tree: str) -> list[str]:
        """The ids, oldest first."""

    def trees(self) -> list[str]:
        """Those that have snapshots, also where they are not configured any more."""

    def remove_snapshot(self, tree: str, snapshot_id: str) -> None:
        """Forget it. The caller knows that nothing needs it."""

    def leftovers(self, tree: str, before: float) -> list[Path]:
        """Files in `incoming` that nobody touched since; seconds since the epoch."""

    def candidate(self, tree: str) -> str | None:
        """The id of the snapshot that was last verified."""

    def incoming(self, tree: str) -> Path:
        """Where unverified files wait."""

    def scratch(self, tree: str) -> Path:
        """A folder for what no other run needs. The caller holds the lock."""

    def clear_scratch(self, tree: str) -> None:
        """What a killed run left goes. The caller holds the lock."""

    def quarantine(self, tree: str, path: Path, error: MirrorError) -> None:
        """Keep a refused file with the reason."""

    def quarantined(self, tree: str) -> list[dict[str, object]]:
        """What is kept there: the errors as `MirrorError.as_dict` gave them, and `file`."""

    def held(self, tree: str) -> dict[str, frozenset[str]]:
        """By channel: snapshots that are not published there unless somebody names them.

        Raises VerificationError where the record is unreadable.
        """

    def set_held(self, tree: str, channel: str, snapshots: Collection[str]) -> None: ...

    def record_run(self, tree: str, run: LastRun) -> None: ...

    def last_run(self, tree: str) -> LastRun | None:
        """None where there was none, or nobody can tell any more."""

    def note(self, name: str) -> bytes | None:
        """A small document that a use-case keeps for its next run; None where there is none."""

    def set_note(self, name: str, data: bytes | None) -> None:
        """Readers see the old bytes or the new ones; None removes it. Raises StorageError."""


class Flaw(NamedTuple):
    """A published file that is not as it should be: SHA-256 wanted and found.

    `expected` is None for one that nothing names, `found` is None for one that is missing.
    """

    path: str
    expected: str | None
    found: str | None


class Publisher(Protocol):
    """What customers see. One switch shows everything of a channel at once."""

    def channels(self) -> list[str]:
        """Those that show anything."""

    def published(self, channel: str, tree: str) -> Publication | None:
        """Raises VerificationError where the record of what is published is damaged."""

    def publish(
        self,
        channel: str,
        tree: str,
        publication: Publication,
        files: Collection[File],
        extras: dict[str, bytes],
        site: Collection[SitePart] = (),
    ) -> None:
        """Switch. Until the last step nothing is visible, after it everything is.

        Args:
            files: the snapshot's and the retained ones, by their path below the tree.
            extras: small files at the tree's root.
            site: parts that take the place of what their owners showed in the channel (without
                files: show nothing any more); the parts of all others stay. Their contents are
                in the pool.

        Raises:
            RefusedError: a part wants a path that something else has.
            StorageError: nothing was switched.
        """

    def publish_site(self, channel: str, site: Collection[SitePart]) -> None:
        """The same, where no tree changes."""

    def site_names(self, channel: str) -> dict[str, str]:
        """The names of the parts that a channel shows, by owner; cheap."""

    def site(self, channel: str) -> dict[str, SitePart]:
        """The parts that a channel shows, by owner.

        Raises VerificationError, StorageError where a record is damaged or missing.
        """

    def site_parts(self) -> list[SitePart]:
        """All parts that are there, also where no channel shows them any more."""

    def publications(self, tree: str) -> list[Publication]:
        """All that are there, also where no channel shows them any more.

        Raises VerificationError where a record is damaged.
        """

    def trees(self) -> list[str]:
        """Those that were ever published and still have a publication."""

    def inspect(self, channel: str, tree: str, contents: Mapping[str, str]) -> Iterator[Flaw]:
        """Where what is shown differs from `contents`, SHA-256 by path.

        A file that is the pool's own is not read again.
        """

    def mend(self, channel: str, tree: str, flaw: Flaw) -> None:
        """Put the pool's file in its place, or take away what nothing names."""

    def inspect_site(self, channel: str) -> Iterator[Flaw]:
        """Where the site differs from the records of its parts; paths are below the channel."""

    def mend_site(self, channel: str, flaw: Flaw) -> None:
        """As `mend`."""

    def tidy(self, tree: str) -> None:
        """Remove what no channel needs any more: old generations, publications of the tree,
        parts of sites.

        The caller holds what `usecases.publish.showing` gives.
        """


class BundleHead(NamedTuple):
    """A bundle's manifest and the signature over it; None where it has none."""

    manifest: bytes
    signature: bytes | None


class BundlePlace(Protocol):
    """Where a bundle is, or will be: a directory, or a file; nothing of it is trusted."""

    def head(self) -> BundleHead:
        """Raises VerificationError where there is no bundle."""

    def unfinished(self) -> BundleHead | None:
        """Of a bundle that was not written to its end, if `write` can go on with that alone."""

    def free_bytes(self) -> int:
        """Space left for one."""

    def write(
        self,
        head: BundleHead,
        items: Sequence[Item],
        source: Callable[[str], Path],
        progress: Callable[[int], None],
    ) -> None:
        """Make it; it is there when all of it is. `source` says where a content lies by SHA-256,
        `progress` gets the bytes of each. What a killed run wrote is used again.

        Raises:
            ConfigError: something else is there.
            DigestError: a content is not the one of that name.
            StorageError.
        """

    def read(
        self, items: Sequence[Item], wanted: Collection[str], folder: Path
    ) -> Iterator[tuple[Item, Path]]:
        """Those of `items`, all of the manifest's in its order, that are wanted, copied to
        `folder` under their SHA-256.

        Raises:
            VerificationError: missing, or not what the manifest says.
            StorageError.
        """


class Journal(Protocol):
    """The log of who made channels show what, see `core.journal`."""

    def append(self, time: int, action: str, **fields: object) -> None:
        """On the disk afterwards. Fields that are None are left out."""

    def entries(self) -> list[dict[str, Any]]:
        """Oldest first. Raises VerificationError where it was altered."""


class HostReader(Protocol):
    """Hosts that can be looked at."""

    def read(self, root: Path) -> Host:
        """What is installed below a root directory. Raises ConfigError."""


class PageRenderer(Protocol):
    """The tracker's pages from their templates."""

    @property
    def version(self) -> str:
        """Changes whenever the same values would give other bytes."""

    def assets(self) -> dict[str, bytes]:
        """Style and script, by their path below the channel."""

    def render(self, template: str, path: str, values: Mapping[str, object]) -> bytes:
        """A page that will lie at `path` below the channel."""

    def audit(self, report: Report) -> bytes:
        """A page of its own, without any other file."""


class OvalScanner(Protocol):
    """OpenSCAP."""

    def analyse(self, definitions: bytes, characteristics: bytes, html: bool = False) -> bytes:
        """The OVAL results of a host that is described by its system characteristics, or
        OpenSCAP's own report of them.

        Raises:
            ConfigError: there is no OpenSCAP here.
            VerificationError: it could not judge them; quotes what it said.
        """

    def validate(self, definitions: bytes, schematron: bool = False) -> None:
        """By the schema of OVAL definitions; by its schematron rules too, which takes minutes
        above a few hundred definitions.

        Raises:
            ConfigError: there is no OpenSCAP here.
            VerificationError: they are not valid; quotes what it said.
        """


class AdvisoryFiles(Protocol):
    """A folder of advisories, or of data of CVEs."""

    def fingerprint(self) -> str:
        """Changes whenever a file does. Raises ConfigError where there is no folder."""

    def nodes(self) -> Iterator[Node]:
        """The documents in its YAML and JSON files. Raises AdvisoryError."""

    def json(self) -> Iterator[tuple[str, bytes]]:
        """Its JSON files, by name."""


class Executor(Protocol):
    """Does pieces of work somewhere, in any order; one may be done more than once."""

    def run(self, pieces: Iterable[Any]) -> Iterator[Any]:
        """What became of each, as it ends.

        Raises:
            NetworkError: nobody does the work.
            ConfigError, VerificationError: they cannot, or it ends them.
        """


class Reporter(Protocol):
    """Where events go: a terminal, JSON lines, or nowhere."""

    def event(self, name: str, **fields: object) -> None: ...


class Clock(Protocol):
    def __call__(self) -> float: ...


class LocalRepository(NamedTuple):
    """A repository made of our own packages: below `root`, nothing of it verified yet."""

    root: Path
    repomd: bytes


class LocalSource(Protocol):
    """A directory of built and signed RPMs."""

    def fingerprint(self) -> str:
        """Changes whenever the packages do. Raises ConfigError."""

    def stage(self, arch: str, folder: Path) -> LocalRepository:
        """A copy of what belongs to `arch`, with repodata, below `folder`."""

    def advise(
        self, made: LocalRepository, advisories: Sequence[model.Advisory], name: str
    ) -> LocalRepository:
        """The same repository with these advisories as its updateinfo, which calls it `name`."""


class LastVetting(NamedTuple):
    """What a policy last came to for a channel.

    `inputs` names all that it depends on; with the same ones it comes to the same before `until`.
    """

    inputs: str
    snapshot: str
    until: int | None
    held: int


class VettingRecords(Protocol):
    """What people decided, and what policies have to remember."""

    def decisions(self) -> tuple[Decision, ...]:
        """Raises VerificationError where the record is damaged: then nobody knows what is held."""

    def set_decisions(self, decisions: Sequence[Decision]) -> None: ...

    def first_seen(self, tree: str) -> FirstSeen | None:
        """None where nothing was recorded yet. Raises VerificationError."""

    def set_first_seen(self, tree: str, seen: FirstSeen) -> None: ...

    def last(self, tree: str, channel: str) -> LastVetting | None:
        """None where there is none, or it is unreadable: it can be found out again."""

    def set_last(self, tree: str, channel: str, last: LastVetting) -> None: ...

    def plan(self, plan_id: str) -> bytes | None:
        """None where there is none of that id."""

    def save_plan(self, plan_id: str, data: bytes) -> None: ...

    def plans(self) -> list[str]:
        """The ids, oldest first."""

    def remove_plan(self, plan_id: str) -> None: ...


class Metadata(NamedTuple):
    """A repository's verified metadata: its index, and where each file of it is, by SHA-256."""

    repository: str
    repomd: Repomd
    places: Mapping[str, Path]


class Filtered(NamedTuple):
    """A repository's metadata cut to some of its packages.

    `repomd` names `made`, which are new, and what was left as it is; `made` by their location.
    """

    repomd: bytes
    made: Mapping[str, Path]


class MetadataFilter(Protocol):
    """Cuts rpm-md metadata to what is shown; what it says of a package stays byte for byte."""

    def modules(self, metadata: Metadata) -> list[ModuleBuild]:
        """What its modulemd lists; nothing where there is none. Raises MetadataError."""

    def cut(
        self,
        candidate: Metadata,
        shown: Metadata | None,
        packages: Sequence[Package],
        selection: Selection,
        folder: Path,
    ) -> Filtered:
        """The metadata of `packages`, which are all that is left of the repository.

        The same input gives the same bytes.

        Args:
            shown: where what `selection` keeps is described.
            selection: by the name of `candidate.repository`.
            folder: for what is made.

        Raises:
            MetadataError: it cannot be cut safely.
            StorageError.
        """


class Solver(Protocol):
    """Dependencies, by libsolv."""

    def requirements(self, metadata: Sequence[Metadata], arch: str) -> Requirements:
        """What the packages of all of these together need, on one arch. Raises MetadataError."""

    def compare(self, one: tuple[str, str, str], other: tuple[str, str, str]) -> int:
        """Epoch, version and release as rpm orders them: negative, 0 or positive."""
