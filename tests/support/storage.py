"""Stores and public trees of every kind, for the contract suites.

place = Place("s3", tmp_path, service)      # "files", "s3", "store-s3", "public-s3"
place.pool, place.state, place.publisher, place.journal
place.again()                               # another process's view of the same
place.damage("pool", "ab/abcd…", b"bytes")  # what somebody else does to it
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tuxmirror.cli.storage import Storage, make_storage
from tuxmirror.core.config import Config
from tuxmirror.core.location import Location

from .mirror import Tree, age_generations, view
from .s3 import S3Service

KINDS = ("files", "s3", "store-s3", "public-s3")


class Place:
    """One store and what is served of it.

    `kind`: what lies in a bucket; with "s3" both do.
    """

    def __init__(self, kind: str, root: Path, service: S3Service | None = None) -> None:
        self.kind, self.root, self.service = kind, root, service
        self.public, self.store = root / "public", root / "store"
        bucket = service.bucket() if service else ""
        self.bucket = bucket
        self.config = self.config_in(bucket, self.store, self.public)
        self.pool, self.state, self.publisher, self.journal, *_ = self.again()

    def config_in(self, bucket: str, store: Path, public: Path) -> Config:
        kind = self.kind
        return Config(
            trees={},
            store=store,
            public=public,
            store_bucket=Location(bucket, "store") if kind in ("s3", "store-s3") else None,
            public_bucket=Location(bucket, "public") if kind in ("s3", "public-s3") else None,
        )

    def again(self, machine: str | None = None) -> Storage:
        """As another process sees it, on this machine or another."""
        store = self.root / machine if machine else self.store
        return make_storage(self.config_of(store))

    def config_of(self, store: Path) -> Config:
        return replace(self.config, store=store)

    def kept(self) -> dict[str, bytes]:
        """Everything in the store, by name; not what belongs to the machine."""
        if self.config.store_bucket and self.service:
            return _below("store/", self.service.objects(self.bucket, "store/"))
        return _files(self.store)

    def kept_here(self) -> dict[str, bytes]:
        """The same of this machine's folder."""
        return _files(self.store)

    def served(self) -> dict[str, bytes]:
        """Everything below public, by name."""
        if self.config.public_bucket and self.service:
            return _below("public/", self.service.objects(self.bucket, "public/"))
        return _files(self.public)

    def damage(self, name: str, data: bytes | None) -> None:
        """Bytes of the store, by its name, get others; None removes them."""
        in_bucket = self.config.store_bucket
        self._damage("store", name, data, bool(in_bucket), self.config.store)

    def damage_local(self, name: str, data: bytes | None) -> None:
        """The same in the folder of this machine."""
        self._damage("", name, data, False, self.store)

    def damage_served(self, name: str, data: bytes | None) -> None:
        in_bucket = self.config.public_bucket
        self._damage("public", name, data, bool(in_bucket), self.config.public)

    def _damage(self, top: str, name: str, data: bytes | None, bucket: bool, root: Path) -> None:
        if not bucket:
            path = root / name
            assert path.is_file(), path
            path.unlink() if data is None else path.write_bytes(data)
            return
        assert self.service
        at = {"Bucket": self.bucket, "Key": f"{top}/{name}"}
        client = self.service.client()
        client.head_object(**at)
        client.delete_object(**at) if data is None else client.put_object(**at, Body=data)

    def age(self) -> None:
        """As if all that channels showed had been shown long ago."""
        if not (self.config.public_bucket and self.service):
            age_generations(self.config.public)
            return
        for name, data in self.served().items():
            if name.startswith("channels/"):
                document = json.loads(data)
                for generation in document["shown"]:
                    generation["since"] -= 86400
                self.damage_served(name, json.dumps(document).encode())

    def shown(self, channel: str = "vetted") -> Tree:
        """What a client of a channel finds: SHA-256 by URL path."""
        if not self.config.public_bucket:
            return view(self.config.public / channel)
        from tuxmirror.adapters.s3 import Bucket
        from tuxmirror.adapters.s3_index import PublicationIndex

        index = PublicationIndex(Bucket(self.config.public_bucket))
        current = index.channel(channel).current
        shown = {
            f"{tree}/{path}": file.sha256
            for tree, name in current.trees.items()
            for path, file in (index.files(tree, name) or {}).items()
        }
        for owner, name in current.site.items():
            shown.update({file.path: file.sha256 for file in index.part(owner, name).files})
        return shown


def _below(prefix: str, objects: dict[str, bytes]) -> dict[str, bytes]:
    return {key[len(prefix) :]: data for key, data in objects.items()}


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }
