"""Published files over WSGI: who may have them, and how they are sent.

What a request may name is decided by `core.entitlement`, what it reaches by `http_content`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from html import escape
from pathlib import PurePosixPath
from typing import IO, Any, Callable, NamedTuple

from werkzeug.exceptions import Forbidden, NotFound, RequestedRangeNotSatisfiable
from werkzeug.http import http_date, parse_range_header
from werkzeug.utils import redirect
from werkzeug.wrappers import Response
from werkzeug.wsgi import wrap_file

from ..core import entitlement
from ..core.licence import DEFAULT_CHANNEL, Grant
from ..core.tracker import paths
from .http_content import Content, Generation, Link, Opened

_CHUNK = 64 * 1024
_YEAR = 365 * 86400

_TYPES = {
    ".rpm": "application/x-rpm",
    ".xml": "application/xml",
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".zst": "application/zstd",
    ".asc": "application/pgp-signature",
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".html": "text/html",
    ".css": "text/css",
    ".csv": "text/csv",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_HASHED = re.compile(r"[0-9a-f]{64}-[^/]+")
# Published again under the same name with every release of the package.
_LATEST = re.compile(r"-latest-[^/]*\.rpm$")


class Resolved(NamedTuple):
    """What a web server in front needs to send an object of a bucket itself."""

    link: Link
    content_type: str
    cache_control: str


class PublishedFiles:
    """Answers GET and HEAD for content.

    Args:
        content: what is published.
        open_trees: names of trees that need no token.
        grant: what a token opens, and from which address it came; None for one that is not
            valid.
    """

    def __init__(
        self,
        content: Content,
        open_trees: Collection[str],
        grant: Callable[[str, str], Grant | None],
    ) -> None:
        self._content = content
        self._open_trees = tuple(open_trees)
        self._grant = grant

    def respond(
        self,
        path: str,
        environ: dict[str, Any],
        bearer: str | None,
        remote: str,
        origin: Callable[[], str],
    ) -> Response:
        """The answer for a decoded path without its leading slash.

        Args:
            origin: scheme and host that the client used, for URLs in mirror lists.

        Raises:
            NotFound, Forbidden (one for every reason), RequestedRangeNotSatisfiable.
            StorageError: it is there and cannot be read.
            TooManyError: this address tried too many wrong tokens.
        """
        if path == entitlement.OWN:
            return redirect(f"/{entitlement.OWN}/", 308)
        if path == f"{entitlement.OWN}/":
            return self._index(self._content.generation(DEFAULT_CHANNEL, None))
        if path == paths.ROOT:
            return redirect(f"/{paths.ROOT}/", 308)
        if path == paths.WELL_KNOWN:
            path = paths.PROVIDER
        try:
            return self._file(path, environ, bearer, remote, origin)
        except NotFound:
            page = paths.served(path)
            if page == path:
                raise
            return self._file(page, environ, bearer, remote, origin)

    def _file(
        self,
        path: str,
        environ: dict[str, Any],
        bearer: str | None,
        remote: str,
        origin: Callable[[], str],
    ) -> Response:
        request = entitlement.parse(path)
        if request is None:
            raise NotFound
        is_open = entitlement.is_open(request.segments, self._open_trees)
        shown = self._channel_shown(request.segments, request.token or bearer, remote, is_open)
        if request.segments[-1] == entitlement.MIRRORLIST:
            return self._mirrorlist(request, shown, origin())
        generation = self._content.generation(shown, request.generation)
        opened = generation.open(request.segments)
        headers = {
            "Content-Type": content_type(request.segments),
            "Cache-Control": cache_control(request.segments, is_open),
            "X-Content-Type-Options": "nosniff",
        }
        return _send(opened, headers, environ)

    def channel(self, path: str, token: str | None, remote: str) -> str:
        """The channel from which a web server in front of this one shows a decoded path.

        Args:
            path: without a token; three segments are enough to decide.

        Raises:
            Forbidden, TooManyError, StorageError.
        """
        request = entitlement.parse(path)
        if request is None or request.token:
            raise Forbidden
        return self._channel_shown(request.segments, token, remote, False)

    def open_channel(self, token: str | None, remote: str) -> str:
        """The same for what everybody may have: a token only chooses. Raises TooManyError,
        StorageError."""
        return self._channel_shown((), token, remote, True)

    def _channel_shown(
        self, segments: tuple[str, ...], token: str | None, remote: str, is_open: bool
    ) -> str:
        grant = self._grant(token, remote) if token else None
        if not is_open and not _opens(grant, segments):
            raise Forbidden
        return grant.channel if grant else DEFAULT_CHANNEL

    def resolve(self, path: str, bearer: str | None, remote: str) -> Resolved | None:
        """Which object a web server in front may send for a decoded path, token and all; None
        where only this server can answer: a list, an index, or that there is no such thing.

        Raises:
            Forbidden, TooManyError, StorageError.
        """
        request = entitlement.parse(path)
        if request is None:
            return None
        is_open = entitlement.is_open(request.segments, self._open_trees)
        shown = self._channel_shown(request.segments, request.token or bearer, remote, is_open)
        try:
            link = self._content.generation(shown, request.generation).link(request.segments)
        except NotFound:
            return None
        if link is None or request.segments[-1] == entitlement.MIRRORLIST:
            return None
        lifetime = cache_control(request.segments, is_open)
        return Resolved(link, content_type(request.segments), lifetime)

    def check(self) -> None:
        """Raises StorageError where nothing published can be read."""
        self._content.check()

    def _mirrorlist(self, request: entitlement.ContentPath, channel: str, origin: str) -> Response:
        """The repository in the generation of this moment; and where it always is, for those who
        come back with the list when that generation is long gone."""
        generation = self._content.generation(channel, None)
        place = request.segments[:-1]
        for below in (("os",), ()):
            repository = request._replace(segments=(*place, *below))
            if generation.has((*repository.segments, "repodata", "repomd.xml")):
                break
        else:
            raise NotFound
        urls = [f"{origin}/{repository.within(at)}/\n" for at in (generation.number, None)]
        # It names a token.
        return Response("".join(urls), mimetype="text/plain", headers={"Cache-Control": "no-store"})

    def _index(self, shown: Generation) -> Response:
        """What a newcomer looks for: the release packages and the keys."""
        names = filter(_is_listed, shown.names(entitlement.OWN))
        items = "".join(f'<li><a href="{escape(n)}">{escape(n)}</a></li>\n' for n in names)
        page = (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            "<title>Index of /tuxcare/</title></head>\n"
            f"<body><h1>Index of /tuxcare/</h1>\n<ul>\n{items}</ul></body></html>\n"
        )
        return Response(page, mimetype="text/html", headers={"Cache-Control": "no-cache"})


def _opens(grant: Grant | None, segments: tuple[str, ...]) -> bool:
    return grant is not None and entitlement.allows(grant.products, grant.releases, segments)


def _is_listed(name: str) -> bool:
    request = entitlement.parse(f"{entitlement.OWN}/{name}")
    return request is not None and entitlement.is_open(request.segments)


def content_type(segments: tuple[str, ...]) -> str:
    """By name. `.xml.gz` is a gzip file, not XML in a gzip encoding: clients check its digest."""
    name = segments[-1]
    if name.startswith("RPM-GPG-KEY"):
        return "application/pgp-keys"
    if name == "TIME":
        return "text/plain; charset=utf-8"
    suffix = PurePosixPath(name).suffix
    if segments[0] == "rss_feed" and suffix not in _TYPES:
        return "application/rss+xml"
    kind = _TYPES.get(suffix, "application/octet-stream")
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def cache_control(segments: tuple[str, ...], is_open: bool) -> str:
    """Names that can never mean other bytes are kept for ever, all others asked for again.

    What needs a token is kept by the host alone: a shared cache would know no revocation.
    """
    name = segments[-1]
    hashed = len(segments) > 1 and segments[-2] == "repodata" and _HASHED.fullmatch(name)
    package = name.endswith(".rpm") and not _LATEST.search(name)
    if not (hashed or package):
        return "no-cache"
    return f"{'public' if is_open else 'private'}, max-age={_YEAR}, immutable"


def _send(opened: Opened, headers: dict[str, str], environ: dict[str, Any]) -> Response:
    response = Response(headers=headers, direct_passthrough=True)
    response.content_length = opened.size
    response.last_modified = opened.modified
    response.set_etag(opened.etag)
    try:
        response.make_conditional(
            _strict_conditions(environ, opened.modified),
            accept_ranges=True,
            complete_length=opened.size,
        )
    except RequestedRangeNotSatisfiable:
        opened.source.close()
        raise
    if environ["REQUEST_METHOD"] == "HEAD" or response.status_code == 304:
        opened.source.close()
        response.response = ()
    elif response.status_code == 206:
        start, stop = response.content_range.start or 0, response.content_range.stop or 0
        whole_rest = stop == opened.size
        file = opened.source.start(start, None if whole_rest else stop - 1)
        response.response = wrap_file(environ, file) if whole_rest else _part(file, stop - start)
    else:
        response.response = wrap_file(environ, opened.source.start(0, None), _CHUNK)
    return response


def _strict_conditions(environ: dict[str, Any], modified: datetime | None) -> dict[str, Any]:
    """The request's conditions, as far as we honour them.

    - A date means this very version: after a rollback the file is older than the client's.
    - Several ranges, or nonsense, are ignored (RFC 9110 allows it): the client gets it all.
    """
    conditions = dict(environ)
    if modified is None or conditions.get("HTTP_IF_MODIFIED_SINCE") != http_date(modified):
        conditions.pop("HTTP_IF_MODIFIED_SINCE", None)
    wanted = parse_range_header(conditions.get("HTTP_RANGE"))
    single = wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1
    if not single or environ["REQUEST_METHOD"] != "GET":
        conditions.pop("HTTP_RANGE", None)
    return conditions


def _part(file: IO[bytes], length: int) -> Iterator[bytes]:
    with file:
        while length > 0:
            chunk = file.read(min(_CHUNK, length))
            if not chunk:
                return
            length -= len(chunk)
            yield chunk
