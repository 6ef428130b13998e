"""Where a package comes from, and whether that is the registered content server. Pure.

The id of a repository proves nothing: `--setopt=tuxcare-fips.baseurl=file:///tmp/x` keeps it. What
counts is that every URL the repository can be fetched from lies under the content URL.
"""

import posixpath
from urllib.parse import unquote, urlsplit

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import NamedTuple, Optional, Sequence, Tuple
else:
    from tuxcare.values import NamedTuple

_DEFAULT_PORTS = {"http": 80, "https": 443}


def lies_under(url: str, content_url: str) -> bool:
    """Whether `url` is served by `content_url`: same scheme, host and port, and below its path."""
    try:
        one, other = _location(url), _location(content_url)
    except ValueError:
        return False
    if one[:3] != other[:3] or one[0] not in _DEFAULT_PORTS:
        return False
    return one[3] == other[3] or one[3].startswith(other[3].rstrip("/") + "/")


def _location(url: str) -> "Tuple[str, str, Optional[int], str]":
    """Scheme, host, port and normal path. Raises ValueError for a path that climbs."""
    parts = urlsplit(url.strip())
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    path = "/" + unquote(parts.path).lstrip("/")
    if ".." in path.split("/") or "\\" in path:
        raise ValueError("a path that climbs: {!r}".format(url))
    return parts.scheme, parts.hostname or "", port, posixpath.normpath(path)


def site(url: str) -> str:
    """What of a URL may be shown: never its path, which may hold a token, nor a password."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "file":
            return url
        host = parts.hostname or ""
        port = ":{}".format(parts.port) if parts.port else ""
    except ValueError:
        return "a malformed URL"
    return "{}://{}{}".format(parts.scheme, host, port)


class Source(NamedTuple):
    """A repository as a package comes from it: its id and every URL that can serve the package."""

    repository: str
    urls: "Tuple[str, ...]"


def source_problem(
    source: Source, repositories: "Sequence[str]", content_url: str
) -> "Optional[str]":
    """What is wrong with a source; None where it is one of `repositories` at the content server."""
    if source.repository not in repositories:
        return "comes from repository {}, not from {}".format(
            source.repository, " or ".join(repositories)
        )
    foreign = [url for url in source.urls if not lies_under(url, content_url)]
    if foreign:
        return "comes from repository {} at {}, which is not {}".format(
            source.repository, site(foreign[0]), site(content_url)
        )
    if not source.urls:
        return "comes from repository {}, which has no URL".format(source.repository)
    return None
