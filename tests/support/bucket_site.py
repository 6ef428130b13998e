"""A mirror under test with store and public tree in a bucket; a test of folders runs on it as it
is, as long as it only looks.

    site = BucketSite.of(site, service)      # a MirrorSite that was never synced
    site.sync()
    (site.public / "vetted" / path).read_bytes()

    <root>/store/       what belongs to the machine
    <root>/shown/       what the channels show, fetched from the bucket when somebody looks
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

from .mirror import TREE, MirrorSite, Tree, sha256
from .s3 import S3Service
from .storage import Place


@dataclass
class BucketSite(MirrorSite):
    """See MirrorSite. The process's surroundings have to name the service."""

    service: S3Service | None = None

    def __post_init__(self) -> None:
        assert self.service
        self.place = Place("s3", self.root / "looking", self.service)
        self._seen: dict[str, bytes] = {}
        self.main.setdefault("local", self.store)
        self.main["store"] = f"s3://{self.place.bucket}/store"
        self.main["public"] = f"s3://{self.place.bucket}/public"

    @classmethod
    def of(cls, site: MirrorSite, service: S3Service) -> BucketSite:
        given = {field.name: getattr(site, field.name) for field in fields(MirrorSite)}
        return cls(**given, service=service)

    @property
    def public(self) -> Path:
        shown = self.root / "shown"
        assert self.service
        now = self.service.objects(self.place.bucket, "public/channels/")
        if now != self._seen:
            shutil.rmtree(shown, ignore_errors=True)
            for key in now:
                self._fetch(key.rpartition("/")[2], shown)
            self._seen = now
        return shown

    def write_conf(self) -> None:
        sections = {"main": self.main, **self.trees}
        lines = []
        for section, items in sections.items():
            lines += [f"[{section}]", *(f"{key} = {value}" for key, value in items.items()), ""]
        self.conf.write_text("\n".join(lines))

    def run(self, *arguments: str, timeout: float = 300):  # type: ignore[no-untyped-def]
        return super().run(*arguments, timeout=timeout)

    def fingerprint(self) -> Tree:
        """Every object of what is served, by its key."""
        return _digests(self.place.served())

    def content(self) -> Tree:
        kept = self.place.kept()
        return _digests({k[len("pool/") :]: v for k, v in kept.items() if k.startswith("pool/")})

    def view(self, channel: str = "vetted") -> Tree:
        return self.place.shown(channel) if self._shows(channel) else {}

    def memory(self, tree: str = TREE) -> bytes | None:
        return self.place.kept().get(f"state/trees/{tree.replace('/', '%')}.json")

    def _shows(self, channel: str) -> bool:
        return f"channels/{channel}" in self.place.served()

    def _fetch(self, channel: str, shown: Path) -> None:
        assert self.service
        client, bucket = self.service.client(), self.place.bucket
        for path, sha in self.place.shown(channel).items():
            target = shown / channel / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                client.download_fileobj(bucket, f"store/pool/{sha[:2]}/{sha}", file)
            assert sha256(target) == sha, path


def _digests(objects: dict[str, bytes]) -> Tree:
    return {key: f"file {hashlib.sha256(data).hexdigest()}" for key, data in objects.items()}
