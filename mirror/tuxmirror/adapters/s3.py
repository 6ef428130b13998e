"""A part of a bucket on an S3 service: bytes by name, and errors that say what to do.

Endpoint, region and credentials come from where every AWS tool takes them (AWS_ENDPOINT_URL,
AWS_PROFILE, ~/.aws/config, an instance's role …); none of it is in our configuration. Requests are
signed over the SHA-256 of what they carry, so a service that got other bytes refuses them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from ..core.errors import ConfigError, MirrorError, StorageError
from ..core.location import Location

THREADS = 16
# Larger ones go in parts, several at once.
_MULTIPART_BYTES = 256 << 20
_PAGE = 1000
_AGAIN = "what is published did not change; run the same command again"
# Of a write that the service acknowledged and then does not have.
_ATTEMPTS = 3
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})


class Changed(Exception):
    """A conditional write found something else than its condition says."""


class Entry(NamedTuple):
    """An object below the prefix: its name there, its size in bytes, the service's clock."""

    name: str
    size: int
    modified: float


class Stored(NamedTuple):
    """An object's bytes, and what recognises them."""

    data: bytes
    etag: str
    modified: float
    # The service's clock when it answered, in seconds since the epoch.
    now: float


class Bucket:
    """One for a run, used by many threads.

    Args:
        client: botocore's; made from the surroundings where there is none.
    """

    def __init__(self, location: Location, client: Any = None) -> None:
        self.location = location
        self._client = client or make_client(location)
        self._local = threading.local()
        events = self._client.meta.events
        events.register("before-call.s3.PutObject", self._add_conditions)
        events.register("before-send.s3.PutObject", self._count)

    def below(self, name: str) -> Bucket:
        """The same service, another prefix in this one."""
        return Bucket(self.location.below(name), self._client)

    def url(self, name: str) -> str:
        """For messages."""
        return f"{self.location}/{name}"

    def get(self, name: str) -> Stored | None:
        """A small object; None where there is none."""
        with self._errors(name):
            try:
                answer = self._client.get_object(**self._at(name))
                data = answer["Body"].read()
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        modified = answer["LastModified"].timestamp()
        return Stored(data, _bare(answer["ETag"]), modified, _date(headers.get("date")) or modified)

    def open(self, name: str, first: int = 0, last: int | None = None) -> IO[bytes] | None:
        """An object's bytes as they come, from `first` to `last`; None where there is none."""
        end = "" if last is None else last
        extra = {} if not first and last is None else {"Range": f"bytes={first}-{end}"}
        with self._errors(name):
            try:
                body: IO[bytes] = self._client.get_object(**self._at(name), **extra)["Body"]
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        return body

    def size(self, name: str) -> int | None:
        """In bytes; None where there is no such object."""
        with self._errors(name):
            try:
                return int(self._client.head_object(**self._at(name))["ContentLength"])
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise

    def put(self, name: str, data: bytes, if_etag: str | None = None, new: bool = False) -> str:
        """Write a small object, and look whether it is there; its ETag.

        Args:
            if_etag: only if it is still this one.
            new: only if there is none.

        Raises:
            Changed: the condition does not hold; nothing was written.
            StorageError: it was not written, or acknowledged and lost.
        """
        conditions = {"If-Match": if_etag} if if_etag else {}
        if new:
            conditions["If-None-Match"] = "*"
        for attempt in range(_ATTEMPTS):
            try:
                etag = self._put(name, data, conditions)
            except Changed:
                # Ours may be there: the answer to an attempt before this one was lost.
                stored = self.get(name) if attempt or self._retried() else None
                if stored is None or stored.data != data:
                    raise
                return stored.etag
            if self._etag(name) == etag:
                return etag
        raise lost(self.url(name))

    def _put(self, name: str, data: bytes, conditions: Mapping[str, str]) -> str:
        with self._errors(name):
            self._local.headers = conditions
            self._local.attempts = 0
            try:
                answer = self._client.put_object(**self._at(name), Body=data)
            except ClientError as error:
                if _code(error) in _CHANGED:
                    raise Changed(name) from None
                raise
            finally:
                self._local.headers = {}
        return _bare(answer["ETag"])

    def _retried(self) -> bool:
        return int(getattr(self._local, "attempts", 0)) > 1

    def _etag(self, name: str) -> str | None:
        with self._errors(name):
            try:
                return _bare(self._client.head_object(**self._at(name))["ETag"])
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise

    def put_file(self, name: str, path: Path) -> None:
        """Write an object from a file, whatever its size, without holding it in memory."""
        with self._errors(name):
            try:
                size = path.stat().st_size
                if size < _MULTIPART_BYTES:
                    with path.open("rb") as file:
                        self._client.put_object(**self._at(name), Body=file, ContentLength=size)
                else:
                    self._client.upload_file(str(path), self.location.bucket, self._key(name))
            except OSError as error:
                raise StorageError(f"{error.strerror or error}", path=str(path)) from None

    def remove(self, names: Iterable[str]) -> None:
        """Those that are not there are no trouble."""
        for batch in _batches(names, _PAGE):
            keys = [{"Key": self._key(name)} for name in batch]
            with self._errors(batch[0]):
                answer = self._client.delete_objects(
                    Bucket=self.location.bucket, Delete={"Objects": keys, "Quiet": True}
                )
            for problem in answer.get("Errors", ()):
                raise StorageError(
                    f"the store does not remove it: {problem.get('Message')}",
                    path=f"s3://{self.location.bucket}/{problem.get('Key')}",
                )

    def list(self, start: str = "") -> Iterator[Entry]:
        """Everything whose name starts with `start`."""
        base = len(self.location.key(""))
        with self._errors(start):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.location.bucket, Prefix=self._key(start)
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    modified = item["LastModified"].timestamp()
                    yield Entry(item["Key"][base:], int(item["Size"]), modified)

    def presigned(self, name: str, seconds: int) -> str:
        """A URL that gives the object to whoever has it, for so long."""
        with self._errors(name):
            return str(
                self._client.generate_presigned_url(
                    "get_object", Params=self._at(name), ExpiresIn=seconds
                )
            )

    @property
    def endpoint(self) -> str:
        """The service's URL."""
        return str(self._client.meta.endpoint_url)

    def check(self) -> None:
        """Whether the bucket is there and lets us in. Raises ConfigError, StorageError."""
        with self._errors(""):
            self._client.list_objects_v2(
                Bucket=self.location.bucket, Prefix=self._key(""), MaxKeys=1
            )

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self.location.bucket, "Key": self._key(name)}

    def _key(self, name: str) -> str:
        return self.location.key(name)

    def _add_conditions(self, params: dict[str, Any], **_: object) -> None:
        # As headers: what distributions ship of boto3 does not know these arguments yet.
        params["headers"].update(getattr(self._local, "headers", {}))

    def _count(self, **_: object) -> None:
        self._local.attempts = getattr(self._local, "attempts", 0) + 1

    @contextlib.contextmanager
    def explaining(self, name: str) -> Iterator[None]:
        """While what `open` gave is read: errors of the way as ours. Raises StorageError."""
        with self._errors(name):
            try:
                yield
            except OSError as error:
                raise StorageError(
                    "the store stopped in the middle", found=str(error), path=self.url(name)
                ) from None

    @contextlib.contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise explained(error, self.location, self.url(name)) from None


def make_client(location: Location) -> Any:
    """A client of the service that the surroundings name.

    Raises:
        ConfigError: they cannot be read, or name nothing usable.
    """
    options: dict[str, Any] = {
        "retries": {"mode": "standard", "max_attempts": 8},
        "connect_timeout": 10,
        "read_timeout": 60,
        "max_pool_connections": 2 * THREADS,
        "signature_version": "s3v4",
        # The bucket in the path: one host, for nginx in front and for services without DNS.
        "s3": {"payload_signing_enabled": True, "addressing_style": "path"},
    }
    checksums = {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    try:
        try:
            config = Config(**options, **checksums)
        except TypeError:
            # An older boto3, which adds no checksums of its own.
            config = Config(**options)
        session = boto3.session.Session()
        region = session.region_name or "us-east-1"
        return session.client("s3", config=config, region_name=region)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(
            f"the AWS settings of this machine cannot be used: {error}", path=str(location)
        ) from None


def lost(url: str) -> StorageError:
    """The service said that it has it."""
    return StorageError("the store has lost what it had acknowledged", path=url, way_out=_AGAIN)


_WRONG = {
    "InvalidAccessKeyId": "the store does not know the access key",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is wrong",
    "AuthorizationHeaderMalformed": "the region is wrong",
    "PermanentRedirect": "the bucket is in another region",
    "NoSuchBucket": "there is no such bucket",
    "InvalidBucketName": "there is no such bucket",
}
_WAYS_OUT = {
    "NoSuchBucket": "make the bucket, or name another in the configuration",
    "AuthorizationHeaderMalformed": "set AWS_REGION to the bucket's region",
    "PermanentRedirect": "set AWS_REGION to the bucket's region",
}
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, for this user"
_CHANGED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})


def explained(error: Exception, location: Location, url: str) -> MirrorError:
    """What the service, or the way to it, said, in our words."""
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return ConfigError("no credentials for the store", path=str(location), way_out=_CREDENTIALS)
    if not isinstance(error, ClientError):
        return StorageError(
            "the store cannot be reached", found=str(error), path=url, way_out=_AGAIN
        )
    code = _code(error)
    if code in _WRONG:
        return ConfigError(
            _WRONG[code], path=str(location), way_out=_WAYS_OUT.get(code, _CREDENTIALS)
        )
    said = error.response.get("Error", {}).get("Message") or code
    if code == "RequestTimeTooSkewed":
        return StorageError(
            "this machine's clock and the store's are too far apart",
            found=said,
            path=str(location),
            way_out="set the clock (chronyc makestep), then run the same command again",
        )
    if code in ("AccessDenied", "403", "AllAccessDisabled"):
        return StorageError(
            "the store does not let these credentials do that",
            found=said,
            path=url,
            way_out="give them s3:GetObject, PutObject, DeleteObject and ListBucket there",
        )
    return StorageError(f"the store failed: {code}", found=said, path=url, way_out=_AGAIN)


def _bare(etag: str) -> str:
    """Without quotes: in a condition, Ceph knows no others."""
    return etag.strip('"')


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _date(text: str | None) -> float | None:
    from email.utils import parsedate_to_datetime

    with contextlib.suppress(TypeError, ValueError):
        return parsedate_to_datetime(text or "").timestamp()
    return None


def _batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for name in names:
        batch.append(name)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
