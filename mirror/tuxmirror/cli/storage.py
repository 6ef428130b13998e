"""Where content, state and what is served lie: folders, buckets, or one of each.

What a bucket needs is imported only where one is configured.
"""

from __future__ import annotations

from typing import NamedTuple

from ..adapters.documents import Documents, FileDocuments
from ..adapters.vetting_records import DocumentVettingRecords
from ..core.config import Config
from ..ports import Journal, Pool, Publisher, State, VettingRecords


class Storage(NamedTuple):
    """The ports that keep things."""

    pool: Pool
    state: State
    publisher: Publisher
    journal: Journal
    vetting: VettingRecords


def make_storage(config: Config) -> Storage:
    """Raises ConfigError, StorageError."""
    made = _in_bucket(config) if config.store_bucket else _in_folder(config)
    pool, state, journal, documents = made
    publisher = _publisher(config, pool, state)
    return Storage(pool, state, publisher, journal, DocumentVettingRecords(documents))


def _in_folder(config: Config) -> tuple[Pool, State, Journal, Documents]:
    from ..adapters.journal import FileJournal
    from ..adapters.pool import FilePool
    from ..adapters.state import FileState

    state = FileState(config.store)
    pool = FilePool(config.store / "pool")
    journal = FileJournal(config.store / "state" / "log.jsonl")
    return pool, state, journal, FileDocuments(config.store)


def _in_bucket(config: Config) -> tuple[Pool, State, Journal, Documents]:
    from ..adapters.s3 import Bucket
    from ..adapters.s3_pool import S3Pool
    from ..adapters.s3_store import BucketDocuments, BucketJournal, BucketState

    assert config.store_bucket  # noqa: S101  # the caller looked
    bucket = Bucket(config.store_bucket)
    bucket.check()
    state = BucketState(bucket, config.store)
    pool = S3Pool(bucket.below("pool"), config.store)
    return pool, state, BucketJournal(bucket), BucketDocuments(bucket)


def _publisher(config: Config, pool: Pool, state: State) -> Publisher:
    if config.public_bucket is None:
        from ..adapters.publisher import FilePublisher

        linked = config.store_bucket is None
        return FilePublisher(config.public, config.store, pool, state, linked)
    from ..adapters.s3 import Bucket
    from ..adapters.s3_pool import S3Pool
    from ..adapters.s3_publisher import S3Publisher

    bucket = Bucket(config.public_bucket)
    bucket.check()
    if isinstance(pool, S3Pool):
        return S3Publisher(bucket, pool, pool, state)
    return S3Publisher(bucket, S3Pool(bucket.below("pool"), config.store), pool, state)


def published_content(config: Config):  # type: ignore[no-untyped-def]
    """What `serve` serves from. Raises ConfigError, StorageError."""
    if config.public_bucket is None:
        from ..adapters.http_content import FolderContent

        return FolderContent(config.public)
    from ..adapters.http_bucket import BucketContent
    from ..adapters.s3 import Bucket

    bucket = Bucket(config.public_bucket)
    bucket.check()
    contents = Bucket(config.store_bucket) if config.store_bucket else bucket
    # What is served lies there: better told at the start than to each host.
    contents.check()
    return BucketContent(bucket, contents.below("pool"))
