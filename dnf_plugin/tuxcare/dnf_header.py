"""The token as a request header instead of a part of the URL, where tuxcare.conf says so.

    https://repo.example.com/almalinux/9.2/$tuxcare_token/BaseOS/x86_64/os/
    https://repo.example.com/almalinux/9.2/BaseOS/x86_64/os/       Authorization: Bearer TOKEN

URLs are what ends up in logs, messages and the names of cache directories; headers do not. A
repository gets the header only if each of its URLs lies under the registered content URL. What a
mirror list or a metalink would name is not known beforehand, so their repositories get none; and a
transaction with a package that the metadata places elsewhere (xml:base) is stopped, for librepo
would send the header there.
"""

from tuxcare import host, variables
from tuxcare.hostfiles import HostPaths
from tuxcare.provenance import lies_under, site

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Any, List, Optional

_SPELLINGS = ("/$" + variables.TOKEN, "/${" + variables.TOKEN + "}")


def send_token(base: "Any", paths: HostPaths, token: str) -> None:
    """Moves the token of every enabled repository that may have it into a header.

    Raises TuxcareError. Repositories that may not have it keep the variable, which is unset.
    """
    content_url = host.read_content_url(paths)
    for repo in base.repos.iter_enabled():
        urls = bare_urls(repo, content_url)
        if urls is not None:
            repo.baseurl = urls
            repo.set_http_headers(["Authorization: Bearer " + token])


def misplaced(base: "Any", paths: HostPaths) -> "Optional[str]":
    """What is wrong with a resolved transaction that would send the header elsewhere, else None.

    Raises TuxcareError.
    """
    arriving = list(base.transaction.install_set) if base.transaction else []
    suspects = [package for package in arriving if package.baseurl]
    content_url = host.read_content_url(paths) if suspects else ""
    for package in suspects:
        repo = base.repos.get(package.reponame)
        if repo is None or not repo.get_http_headers():
            continue
        if not lies_under(package.baseurl, content_url):
            return (
                "tuxcare: repository {} places {} at {}, which is not {}: the token is not sent "
                "there, so nothing is downloaded".format(
                    repo.id, package, site(package.baseurl), site(content_url)
                )
            )
    return None


def bare_urls(repo: "Any", content_url: str) -> "Optional[List[str]]":
    """The base URLs of a repository without the token; None for one that must not get it."""
    given = list(repo.baseurl or ())
    if repo.mirrorlist or repo.metalink or not any(map(_has_token, given)):
        return None
    bare = [_without_token(url) for url in given]
    return bare if all(lies_under(url, content_url) for url in bare) else None


def _has_token(url: str) -> bool:
    return any(spelling + "/" in url for spelling in _SPELLINGS)


def _without_token(url: str) -> str:
    for spelling in _SPELLINGS:
        url = url.replace(spelling + "/", "/")
    return url
