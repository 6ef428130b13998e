"""What customers see, in a bucket, switched by one write under a condition.

    s3://<public>/
        channels/vetted                       the only object that ever changes under a channel:
                                              its newest generations, each a publication a tree
        publications/<tree>/<name>            what it contains, see core.publication
        publications/<tree>/<name>.files      immutable: SHA-256, size and path of every file
        sites/<owner>/<name>                  immutable: a part of the site, see core.site; an
                                              owner's `/` is a `%` here
        pool/ab/abcdef…                       contents, where the store is not a bucket itself

A path is resolved through channel, publication and file list to a content. So publishing, rolling
back and retaining copy no package; caches keep a content under its digest, whatever shows it; and a
reader that stays with a generation sees one state of all trees.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..core import site as sites
from ..core.errors import LockedError, MirrorError, StorageError, VerificationError
from ..core.publication import Publication, decode, encode, snapshot_of
from ..core.site import SitePart
from ..core.snapshot import File, encode_files
from ..ports import Flaw, Pool, State
from .s3 import Bucket, Changed
from .s3_index import FILES, Generation, PublicationIndex, part_place, publication_place
from .s3_pool import S3Pool

# Readers that resolved the channel, or fetched a mirror list, just before a switch are still at it;
# as `publisher` has it.
KEEP_GENERATIONS = 3
KEEP_SECONDS = 600
_PATIENCE = 60.0
_REMOVE = (
    "tuxmirror verify --repair writes it again; where it cannot, restore an earlier version of it,"
    " or remove it and the channels that show it, and publish again"
)


class S3Publisher:
    """See `ports.Publisher`.

    Args:
        bucket: where it is published.
        contents: what is served from; the pool itself where that is a bucket.
        pool: what was verified.
    """

    def __init__(self, bucket: Bucket, contents: S3Pool, pool: Pool, state: State) -> None:
        self._bucket = bucket
        self._contents = contents
        self._pool = pool
        self._state = state
        self._index = PublicationIndex(bucket)

    def channels(self) -> list[str]:
        return self._index.channels()

    def published(self, channel: str, tree: str) -> Publication | None:
        name = self._index.channel(channel).current.trees.get(tree)
        return None if name is None else self._record(channel, tree, name)

    def _record(self, channel: str, tree: str, name: str) -> Publication:
        place = publication_place(tree, name)
        stored = self._bucket.get(place)
        if stored is None:
            raise StorageError(
                f"the record of what {channel} shows is missing",
                tree=tree,
                path=self._bucket.url(place),
                way_out=_REMOVE,
            )
        return self._decoded(stored.data, place)

    def _decoded(self, data: bytes, place: str) -> Publication:
        try:
            return decode(data, self._bucket.url(place))
        except VerificationError as error:
            error.way_out = _REMOVE
            raise

    def shown_snapshot(self, channel: str, tree: str) -> str | None:
        name = self._index.channel(channel).current.trees.get(tree)
        return snapshot_of(name) if name else None

    def listed(self, channel: str, tree: str) -> list[File]:
        name = self._index.channel(channel).current.trees[tree]
        found = self._index.files(tree, name)
        if found is None:
            place = self._bucket.url(publication_place(tree, name) + FILES)
            raise StorageError("the list of what is published is missing", path=place)
        return list(found.values())

    def read(self, channel: str, tree: str, path: str) -> bytes:
        for file in self.listed(channel, tree):
            if file.path == path:
                return self._contents.read(file.sha256)
        raise StorageError("not published", tree=tree, path=path)

    def restore(self, channel: str, tree: str, publication: Publication) -> None:
        name = self._index.channel(channel).current.trees.get(tree, publication.name)
        self._bucket.put(publication_place(tree, name), encode(publication))

    def publish(
        self,
        channel: str,
        tree: str,
        publication: Publication,
        files: Collection[File],
        extras: dict[str, bytes],
        site: Collection[SitePart] = (),
    ) -> None:
        place = publication_place(tree, publication.name)
        if self._bucket.size(place) is None or self._index.files(tree, publication.name) is None:
            listed = [*files, *self._small(extras)]
            self._provide({file.sha256 for file in listed})
            self._bucket.put(place, encode(publication))
            # Last: without it, there is no such publication.
            self._bucket.put(place + FILES, encode_files(listed))
        with self._state.lock("publish", _PATIENCE):
            self._switch(channel, {tree: publication.name}, site)

    def publish_site(self, channel: str, site: Collection[SitePart]) -> None:
        with self._state.lock("publish", _PATIENCE):
            self._switch(channel, {}, site)

    def site_names(self, channel: str) -> dict[str, str]:
        return dict(self._index.channel(channel).current.site)

    def site(self, channel: str) -> dict[str, SitePart]:
        return self._parts(self._index.channel(channel).current)

    def _parts(self, shown: Generation) -> dict[str, SitePart]:
        return {owner: self._index.part(owner, name) for owner, name in shown.site.items()}

    def site_parts(self) -> list[SitePart]:
        names = (entry.name.split("/")[1:] for entry in self._bucket.list("sites/"))
        return [self._index.part(key.replace("%", "/"), name) for key, name in names]

    def _small(self, extras: Mapping[str, bytes]) -> list[File]:
        return [File(path, self._contents.add(data), len(data)) for path, data in extras.items()]

    def _provide(self, wanted: Collection[str]) -> None:
        """Every content is where it is served from. Raises StorageError."""
        missing = self._contents.missing(wanted)
        if missing and self._contents is not self._pool:
            nowhere = self._pool.missing(missing)
            for sha in missing - nowhere:
                self._contents.copy_in(self._pool.path(sha), sha)
            missing = nowhere | self._contents.lost()
        for sha in sorted(missing):
            raise StorageError("missing in the pool", path=sha)

    def _switch(self, channel: str, trees: Mapping[str, str], site: Collection[SitePart]) -> None:
        found = self._index.channel(channel)
        shown = {**found.current.trees, **trees}
        parts = sites.after(self._parts(found.current), site)
        sites.links(parts.values(), shown)
        for part in site:
            self._keep(part)
        names = {owner: part.name for owner, part in parts.items()}
        now = int(time.time())
        fresh = Generation(found.current.number + 1, shown, names, now)
        try:
            self._write(channel, _kept((fresh, *found.shown), now), found.etag)
        except Changed:
            raise LockedError(
                f"somebody else published to {channel} at the same moment",
                tree=next(iter(trees), None),
                found=self._bucket.url(f"channels/{channel}"),
                way_out="nothing of this run is shown; look at tuxmirror status, then run again",
            ) from None

    def _keep(self, part: SitePart) -> None:
        place = part_place(part.owner, part.name)
        if part.files and self._bucket.size(place) is None:
            self._provide({file.sha256 for file in part.files})
            self._bucket.put(place, sites.encode(part))

    def _write(self, channel: str, shown: Collection[Generation], etag: str | None) -> None:
        generations = [
            {
                "generation": g.number,
                "since": g.since,
                "trees": dict(g.trees),
                "site": dict(g.site),
            }
            for g in shown
        ]
        data = json.dumps({"channel": channel, "shown": generations}, indent=1).encode()
        self._bucket.put(f"channels/{channel}", data, etag, new=etag is None)

    def publications(self, tree: str) -> list[Publication]:
        found = []
        for name in self._names(tree):
            stored = self._bucket.get(publication_place(tree, name))
            if stored is not None:
                found.append(self._decoded(stored.data, publication_place(tree, name)))
        return found

    def _names(self, tree: str) -> list[str]:
        start = publication_place(tree, "")
        names = (entry.name[len(start) :] for entry in self._bucket.list(start))
        return [name for name in names if "/" not in name and not name.endswith(FILES)]

    def trees(self) -> list[str]:
        start = "publications/"
        names = (entry.name[len(start) :] for entry in self._bucket.list(start))
        return sorted({name.rpartition("/")[0] for name in names})

    def inspect(self, channel: str, tree: str, contents: Mapping[str, str]) -> Iterator[Flaw]:
        listed = self._listed(channel, tree)
        for path in sorted(listed.keys() - contents.keys()):
            yield Flaw(path, None, listed[path].sha256)
        for path, expected in contents.items():
            shown = listed[path].sha256 if path in listed else None
            if shown != expected:
                yield Flaw(path, expected, shown)
            elif self._contents is not self._pool:
                yield from self._differing(path, expected)

    def _differing(self, path: str, expected: str) -> Iterator[Flaw]:
        found = self._contents.digest(expected)
        if found != expected:
            yield Flaw(path, expected, found)

    def _listed(self, channel: str, tree: str) -> dict[str, File]:
        name = self._index.channel(channel).current.trees.get(tree)
        if name is None:
            return {}
        try:
            return self._index.files(tree, name) or {}
        except MirrorError:
            return {}

    def mend(self, channel: str, tree: str, flaw: Flaw) -> None:
        name = self._index.channel(channel).current.trees[tree]
        listed = self._listed(channel, tree)
        if flaw.expected is None:
            listed.pop(flaw.path, None)
        else:
            size = self._renew(flaw.expected)
            listed[flaw.path] = File(flaw.path, flaw.expected, size)
        self._bucket.put(publication_place(tree, name) + FILES, encode_files(listed.values()))

    def _renew(self, sha256: str) -> int:
        """Serve a content as the pool has it; its size."""
        source = self._pool.path(sha256)
        if self._contents is not self._pool:
            self._contents.set_aside(sha256)
            self._contents.copy_in(source, sha256)
            self._contents.flush()
        return source.stat().st_size

    def inspect_site(self, channel: str) -> Iterator[Flaw]:
        wanted = {f.path: f.sha256 for part in self.site(channel).values() for f in part.files}
        missing = self._contents.missing(wanted.values())
        for path, sha in wanted.items():
            if sha in missing:
                yield Flaw(path, sha, None)
            elif self._contents is not self._pool:
                yield from self._differing(path, sha)

    def mend_site(self, channel: str, flaw: Flaw) -> None:
        if flaw.expected is not None:
            self._renew(flaw.expected)

    def tidy(self, tree: str) -> None:
        with self._state.lock("publish", _PATIENCE):
            generations = [
                generation for name in self.channels() for generation in self._tidied(name)
            ]
            shown = {generation.trees.get(tree) for generation in generations}
            doomed = [name for name in self._names(tree) if name not in shown]
            # What says that it is whole goes first.
            self._bucket.remove(publication_place(tree, name) + FILES for name in doomed)
            self._bucket.remove(publication_place(tree, name) for name in doomed)
            parts = {part_place(*item) for found in generations for item in found.site.items()}
            strays = [e.name for e in self._bucket.list("sites/") if e.name not in parts]
            self._bucket.remove(strays)
            if (doomed or strays) and self._contents is not self._pool:
                self._tidy_contents()

    def _tidied(self, channel: str) -> Sequence[Generation]:
        """What the channel lists once the oldest generations left it."""
        found = self._index.channel(channel)
        kept = _kept(found.shown, int(time.time()))
        if len(kept) < len(found.shown):
            try:
                self._write(channel, kept, found.etag)
            except Changed:
                # Somebody just published: it is his to tidy.
                return found.shown
        return kept

    def _tidy_contents(self) -> None:
        needed = {file.sha256 for part in self.site_parts() for file in part.files}
        for tree in self.trees():
            for name in self._names(tree):
                listed = self._index.files(tree, name) or {}
                needed |= {file.sha256 for file in listed.values()}
        self._contents.remove([sha for sha, _ in self._contents.contents() if sha not in needed])


def _kept(generations: Sequence[Generation], now: int) -> list[Generation]:
    """The newest few, and those that were shown lately: one was until its successor was made."""
    kept = list(generations[:KEEP_GENERATIONS])
    for newer, one in zip(generations[KEEP_GENERATIONS - 1 :], generations[KEEP_GENERATIONS:]):
        if newer.since < now - KEEP_SECONDS:
            break
        kept.append(one)
    return kept
