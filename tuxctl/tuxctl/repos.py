"""What registering does to repository files. Pure: bytes in, bytes out.

A switched section reads

    # mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos
    baseurl=https://repo.tuxcare.com/almalinux/$tuxcare_releasever/$tuxcare_token/BaseOS/$basearch/os/

so that the revert command of the administrator's guide turns it back into a working community
file. Debug and source repositories, which the vetted layout does not hold, stay as they are.

A host without a licence may follow the vetted repositories that need no token, as the guide's own
edition of 2023 switched them by sed; then its section reads

    baseurl=https://repo.tuxcare.com/almalinux/$releasever/BaseOS/$basearch/os/
"""

import re
from typing import Callable, List, Mapping, NamedTuple, Optional, Sequence

from tuxcare.errors import ConfigError
from tuxcare.repofile import Option, RepoFile

BASE = "tuxcare-base"
ESU = "tuxcare-esu"
FIPS = "tuxcare-fips"

_RELEASE = r"(?:\$releasever|\$\{releasever\}|[0-9]+(?:\.[0-9]+)?)"
_ARCH = r"(?:\$basearch|\$\{basearch\}|x86_64|aarch64)"
# The community's own form, the tokenless switch of the older guide, and ours.
_COMMUNITY = re.compile(
    r"https?://(?:repo\.almalinux\.org|repo\.tuxcare\.com)/almalinux/"
    + _RELEASE
    + r"/(?P<repo>[A-Za-z0-9_-]+)/"
    + _ARCH
    + r"/os/?\Z"
)
_SWITCHED = re.compile(
    r"https?://[^\s]+?/almalinux/\$tuxcare_releasever/\$tuxcare_token/"
    r"(?P<repo>[A-Za-z0-9_-]+)/\$basearch/os/?\Z"
)
_COMMUNITY_URL = "https://repo.almalinux.org/almalinux/$releasever/{}/$basearch/os/"
_OWN = re.compile(r"https?://[^\s]+?(?P<path>/tuxcare/\$tuxcare_releasever/.*)\Z")


class Edited(NamedTuple):
    """A file after an edit. `switched` and `foreign` are repository ids: those that follow the
    vetted layout now, and enabled ones that get their packages elsewhere."""

    data: bytes
    switched: List[str]
    foreign: List[str]


def vetted_url(content_url: str, repo: str) -> str:
    """The baseurl of one AlmaLinux repository in the vetted layout."""
    return "{}/almalinux/$tuxcare_releasever/$tuxcare_token/{}/$basearch/os/".format(
        content_url, repo
    )


def open_url(content_url: str, repo: str) -> str:
    """The same without a token, for every minor release at once."""
    return "{}/almalinux/$releasever/{}/$basearch/os/".format(content_url, repo)


def switch(
    data: bytes,
    content_url: str,
    exclude: Sequence[str] = (),
    url_of: Callable[[str, str], str] = vetted_url,
) -> Edited:
    """Point the AlmaLinux repositories of a file at the vetted layout under `content_url`.

    `exclude`: package names that switched repositories must not offer (for tools that load no
    plugin). `url_of`: vetted_url or open_url. Switching twice changes nothing more.
    """
    file = RepoFile(data)
    switched, foreign = [], []  # type: List[str], List[str]
    for section in file.sections():
        source = _source(file, section, content_url)
        if source is None:
            if file.is_enabled(section):
                foreign.append(section)
            continue
        url = url_of(content_url, _repo_of(source, content_url) or "")
        _switch_section(file, section, source, url)
        if exclude:
            _exclude(file, section, exclude)
        switched.append(section)
    return Edited(file.data(), switched, foreign)


def is_switched(file: RepoFile, section: str) -> bool:
    """Whether all packages of a repository come from the vetted layout."""
    url = file.get(section, "baseurl")
    others = [file.get(section, key) for key in ("mirrorlist", "metalink")]
    return bool(
        url
        and url.values
        and all(_SWITCHED.match(value) for value in url.values)
        and not any(others)
    )


def follows_open(file: RepoFile, section: str, content_url: str) -> bool:
    """Whether all packages of a repository come from the vetted layout, without a token."""
    url = file.get(section, "baseurl")
    others = [file.get(section, key) for key in ("mirrorlist", "metalink")]
    return bool(
        url
        and url.values
        and all(_open_repo(value, content_url) for value in url.values)
        and not any(others)
    )


def unswitch(data: bytes, content_url: str) -> bytes:
    """Point switched repositories back at the community's, where no record says what was there.

    A mirror list that stands there as a comment counts again; what else people wrote stays.
    """
    file = RepoFile(data)
    for section in file.sections():
        active = file.get(section, "baseurl")
        if active is None or not (
            is_switched(file, section) or follows_open(file, section, content_url)
        ):
            continue
        file.set_value(active, _COMMUNITY_URL.format(_repo_of(active, content_url)))
        lists = [
            option
            for option in file.options(section)
            if option.commented and option.key in ("mirrorlist", "metalink")
        ]
        if lists:
            file.set_value(lists[0], " ".join(lists[0].values))
            file.comment_out(active)
    return file.data()


def _source(file: RepoFile, section: str, content_url: str) -> Optional[Option]:
    """The baseurl option to rewrite: an active one first, else a commented one."""
    candidates = [
        option
        for option in file.options(section)
        if option.key == "baseurl" and _repo_of(option, content_url) is not None
    ]
    active = [option for option in candidates if not option.commented]
    return next(iter(active or candidates), None)


def _repo_of(option: Option, content_url: str) -> Optional[str]:
    for value in option.values:
        found = _COMMUNITY.match(value) or _SWITCHED.match(value)
        repo = found.group("repo") if found else _open_repo(value, content_url)
        if repo:
            return repo
    return None


def _open_repo(url: str, content_url: str) -> Optional[str]:
    """The repository that a URL made by open_url for this server is of."""
    before, _placeholder, after = open_url(content_url, "\n").partition("\n")
    found = re.match(re.escape(before) + r"([A-Za-z0-9_-]+)" + re.escape(after) + r"?\Z", url)
    return found.group(1) if found else None


def _switch_section(file: RepoFile, section: str, source: Option, url: str) -> None:
    if source.commented or source.values != [url]:
        file.set_value(source, url)
    for option in file.options(section):
        elsewhere = option.key in ("mirrorlist", "metalink") or (
            option.key == "baseurl" and option.line != source.line
        )
        if elsewhere and not option.commented:
            file.comment_out(option)


def _exclude(file: RepoFile, section: str, names: Sequence[str]) -> None:
    for key in ("excludepkgs", "exclude"):
        option = file.get(section, key)
        if option is not None:
            missing = [name for name in names if name not in option.values]
            if missing:
                file.set_value(option, " ".join(option.values + missing))
            return
    file.add(section, "exclude", " ".join(names))


def set_own(data: bytes, content_url: str, enabled: Mapping[str, bool], path: str) -> bytes:
    """The package's tuxcare.repo with repositories switched on or off, all at `content_url`.

    Raises ConfigError where one that is to be on is not defined in it.
    """
    file = RepoFile(data)
    missing = [name for name, on in sorted(enabled.items()) if on and name not in file.sections()]
    if missing:
        raise ConfigError(
            "{}: has no section [{}]".format(path, "], [".join(missing)),
            "Put the file back with 'dnf reinstall tuxcare-release'.",
        )
    for section in (BASE, ESU, FIPS):
        if section not in file.sections():
            continue
        _set_host(file, section, content_url)
        if section in enabled:
            set_enabled(file, section, enabled[section])
    return file.data()


def _set_host(file: RepoFile, section: str, content_url: str) -> None:
    option = file.get(section, "baseurl")
    found = _OWN.match(option.values[0]) if option and option.values else None
    if option and found:
        url = content_url + found.group("path")
        if option.values != [url]:
            file.set_value(option, url)


def set_enabled(file: RepoFile, section: str, enabled: bool) -> None:
    """Flip `enabled=` where that changes anything."""
    if file.is_enabled(section) == enabled:
        return
    option = file.get(section, "enabled")
    if option is None:
        file.add(section, "enabled", "0")
    else:
        file.set_value(option, "1" if enabled else "0")
