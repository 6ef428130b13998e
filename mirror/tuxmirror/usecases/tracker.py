"""The CVE tracker as a part of a channel's site.

Only pages whose key changed are rendered: `state/notes/tracker-pages.<channel>.json` remembers the
key and the content of each. `tracker.<channel>.json` remembers until when they stay true by
themselves, since a fix that is not there on its day makes its clock overdue.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core import site as sites
from ..core.errors import ConfigError
from ..core.snapshot import File
from . import advisories, own_advisories, publications
from .context import Mirror

if TYPE_CHECKING:
    from ..core.advisory.catalogue import Catalogue
    from ..core.config import Tree
    from ..core.fips import Pin
    from ..core.tracker.site import Page, Site
    from .site import Showing

OWNER = "tracker"


class _Memory(NamedTuple):
    """Of the pages that were made last.

    `as_of` is the time that they speak for, `due` when the next clock runs out, `passed` the one
    whose running out they were last made for; `empty` says that there was nothing to show.
    """

    inputs: str = ""
    as_of: int = 0
    passed: int = 0
    due: int = 0
    empty: bool = False


# A page's key, the SHA-256 of its bytes and their number.
Entry = tuple[str, str, int]


class Tracker:
    """See `usecases.site.Contributor`."""

    prefix = OWNER

    def wanted(self, mirror: Mirror, showing: Showing) -> Mapping[str, str]:
        if showing.channel == publications.CANDIDATE or not _trees(mirror, showing):
            return {}
        inputs = _inputs(mirror, showing, _passed(mirror, showing.channel))
        memory = _recall(mirror, showing.channel)
        return {} if memory.empty and memory.inputs == inputs else {OWNER: inputs}

    def make(self, mirror: Mirror, showing: Showing, owner: str) -> Collection[File]:
        from ..core.advisory.formats import oval, rss

        memory = _recall(mirror, showing.channel)
        passed = _passed(mirror, showing.channel)
        inputs = _inputs(mirror, showing, passed)
        catalogue = advisories.catalogue(mirror, showing)
        planned = publications.plan(mirror, showing, catalogue.advisories)
        catalogue = replace(catalogue, first_published=planned.ledger.first)
        if not catalogue.cve_ids and not catalogue.advisories:
            _remember(mirror, showing.channel, _Memory(inputs, passed=passed, empty=True))
            return []
        as_of = memory.as_of if memory.inputs == inputs else showing.time
        scopes = catalogue.scopes
        extras = {*_attached(planned), *map(oval.path, scopes), *map(rss.path, scopes)}
        maker = Maker(mirror, showing.channel)
        site, files = maker.make(catalogue, planned, pins(mirror), extras, as_of)
        upcoming = [clock.due for clock in site.reports[0].running if clock.due]
        due = min((time for time in upcoming if time > as_of), default=0)
        _remember(mirror, showing.channel, _Memory(inputs, as_of, passed, due))
        mirror.pool.flush()
        return [File(path, sha256, size) for path, (_, sha256, size) in files.items()]


class Maker:
    """Makes what changed since the last time, with its content in the pool."""

    def __init__(self, mirror: Mirror, channel: str) -> None:
        self._state = mirror.state
        self._note = f"tracker-pages.{channel}.json"
        self._pool = mirror.pool
        self._pages = mirror.pages()
        # Other code or other templates may make other bytes of what a key is made of.
        self._version = f"{mirror.tool} {self._pages.version}"
        self._known: dict[str, Entry] = {}

    def make(
        self,
        catalogue: Catalogue,
        planned: publications.Planned,
        pins: Mapping[str, Sequence[Pin]],
        extras: Collection[str],
        as_of: int,
    ) -> tuple[Site, dict[str, Entry]]:
        """See `Material` for the arguments; the files by their path in the channel."""
        from ..core.tracker.site import Site
        from ..core.tracker.views import Material

        try:
            with _no_garbage():
                self._known = self._recall()
                baseline = planned.ledger.baseline
                site = Site(Material(catalogue, baseline, pins, frozenset(extras), as_of))
                pages, data = site.pages(), site.files()
            files = {page.path: self._page(site, page) for page in pages}
            contents = {file.path: file.data() for file in data}
            contents.update({**_attached(planned), **self._pages.assets()})
            files.update((path, self._add("", content)) for path, content in contents.items())
            document = {"version": self._version, "files": files}
            self._state.set_note(self._note, json.dumps(document).encode())
        finally:
            gc.unfreeze()
        return site, files

    def _recall(self) -> dict[str, Entry]:
        """What is still in the pool; nothing where the memory is lost, damaged or of others."""
        try:
            document = json.loads(self._state.note(self._note) or b"{}")
            if document.get("version") != self._version:
                return {}
            known = {p: (str(k), str(s), int(n)) for p, (k, s, n) in document["files"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}
        lost = self._pool.missing({sha256 for _, sha256, _ in known.values()})
        return {path: entry for path, entry in known.items() if entry[1] not in lost}

    def _page(self, site: Site, page: Page) -> Entry:
        known = self._known.get(page.path)
        if known and known[0] == page.key:
            return known
        values = {**site.common, **page.values()}
        return self._add(page.key, self._pages.render(page.template, page.path, values))

    def _add(self, key: str, data: bytes) -> Entry:
        return (key, self._pool.add(data), len(data))


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """While keys are made: of a million values none is in a cycle, and looking takes long.

    What there is afterwards stays uncollected until `gc.unfreeze`, while a few pages are made.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _attached(planned: publications.Planned) -> dict[str, bytes]:
    """The ledger, for those who want to follow it."""
    from ..core.tracker import paths

    found = {paths.LEDGER: planned.data} if planned.data else {}
    if planned.signature:
        found[f"{paths.LEDGER}.asc"] = planned.signature
    return found


def _trees(mirror: Mirror, showing: Showing) -> list[Tree]:
    """Those whose advisories are shown."""
    trees = [showing.tree(mirror, name) for name in sorted(showing.snapshots)]
    return [tree for tree in trees if advisories.scope(tree)]


def _inputs(mirror: Mirror, showing: Showing, passed: int) -> str:
    """What the pages are made from."""
    trees = _trees(mirror, showing)
    snapshots = [(tree.name, showing.snapshots[tree.name].id) for tree in trees]
    own = [own_advisories.fingerprint(mirror, tree) for tree in trees]
    manifests = [(p.name, hashlib.sha256(_read(p)).hexdigest()) for p in _manifests(mirror)]
    config = mirror.config
    return sites.digest(
        snapshots,
        own,
        own_advisories.data_fingerprint(mirror),
        manifests,
        mirror.tool,
        [config.signing_key, config.cve_severity],
        passed,
    )


def _passed(mirror: Mirror, channel: str) -> int:
    """The running out of a clock that the pages have to speak of."""
    memory = _recall(mirror, channel)
    expired = memory.due and memory.due < mirror.clock()
    return memory.due if expired else memory.passed


def pins(mirror: Mirror) -> dict[str, tuple[Pin, ...]]:
    """The FIPS pins of each release that has a manifest here.

    Raises:
        ConfigError: a manifest that cannot be read.
    """
    from ..core import fips

    found: dict[str, tuple[Pin, ...]] = {}
    for path in _manifests(mirror):
        try:
            text = _read(path).decode()
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: not UTF-8") from None
        release, of_it = fips.parse(text, str(path))
        found[release] = found.get(release, ()) + of_it
    return found


def _manifests(mirror: Mirror) -> list[Path]:
    return sorted(mirror.config.fips_manifests.glob("*.conf"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"fips_manifests {path}: {error.strerror}") from None


def _note(channel: str) -> str:
    return f"tracker.{channel}.json"


def _recall(mirror: Mirror, channel: str) -> _Memory:
    """Nothing where it is lost or damaged: then the part is made anew."""
    try:
        return _Memory(**json.loads(mirror.state.note(_note(channel)) or b"{}"))
    except (ValueError, TypeError):
        return _Memory()


def _remember(mirror: Mirror, channel: str, memory: _Memory) -> None:
    mirror.state.set_note(_note(channel), json.dumps(memory._asdict()).encode())
