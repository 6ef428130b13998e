"""The host's settings that need a parser: tuxcare.conf, the FIPS choice, the registration.

Where the files are is drawn in tuxcare.hostfiles, whose names are offered here too.
"""

import configparser
import os
import re

from tuxcare.errors import ConfigError
from tuxcare.hostfiles import (
    DEFAULT_KEY,
    HostPaths,
    followed_release,
    is_release,
    is_token,
    read_release,
    read_releasever_var,
    read_text,
    read_token,
)

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, NamedTuple, Optional
else:
    from tuxcare.values import NamedTuple

# tuxctl has no reason to tell the two modules apart.
__all__ = [
    "DEFAULT_KEY",
    "HostPaths",
    "followed_release",
    "is_release",
    "is_token",
    "read_release",
    "read_releasever_var",
    "read_text",
    "read_token",
]

DEFAULT_REGISTER_URL = "https://cln.cloudlinux.com"
DEFAULT_CONTENT_URL = "https://repo.tuxcare.com"
DEFAULT_FINGERPRINT = "FAD7859081D0738B7A828496D07BF2A08D50EB66"

MODE_OFF = "off"
MODE_PATCHED = "patched"
MODE_STRICT = "strict"
MODES = (MODE_OFF, MODE_PATCHED, MODE_STRICT)

TOKEN_IN_PATH = "path"  # noqa: S105  # where it is, not what
TOKEN_IN_HEADER = "header"  # noqa: S105


class TuxcareConf(NamedTuple):
    """/etc/tuxcare/tuxcare.conf. URLs have no trailing slash; the fingerprint is bare hex."""

    register_url: str = DEFAULT_REGISTER_URL
    content_url: str = DEFAULT_CONTENT_URL
    key: str = DEFAULT_KEY
    fingerprint: str = DEFAULT_FINGERPRINT
    compat_vars: bool = False
    token_in: str = TOKEN_IN_PATH


class FipsChoice(NamedTuple):
    """/etc/tuxcare/fips.conf: `mode` is one of MODES, `release` the one whose pins count."""

    mode: str = MODE_OFF
    release: "Optional[str]" = None

    @property
    def is_on(self) -> bool:
        return self.mode != MODE_OFF


def normalize_fingerprint(text: str) -> str:
    """`FAD7 8590 …` as bare upper-case hex. Raises ValueError for what is no fingerprint."""
    bare = "".join(text.split()).upper()
    if len(bare) not in (40, 64) or bare.strip("0123456789ABCDEF"):
        raise ValueError("expected 40 or 64 hexadecimal digits, found {!r}".format(text))
    return bare


def normalize_url(text: str) -> str:
    """A server's URL without its trailing slash. Raises ValueError for what is none."""
    url = text.strip().rstrip("/")
    if not re.match(r"https?://[^/\s@?#]+(/[^\s?#]*)?\Z", url):
        raise ValueError(
            "expected http(s)://HOST[:PORT][/PATH] without a user name, found {!r}".format(text)
        )
    return url


def _parse_ini(
    path: str, text: str, known: "Mapping[str, List[str]]"
) -> "Dict[str, Dict[str, str]]":
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text, source=path)
    except configparser.Error as error:
        raise ConfigError(" ".join(str(error).split())) from error
    for section in parser.sections():
        if section not in known:
            raise ConfigError(_unknown(path, "section [{}]".format(section), section, list(known)))
        for key in parser[section]:
            if key not in known[section]:
                what = "key '{}' in [{}]".format(key, section)
                raise ConfigError(_unknown(path, what, key, known[section]))
    return {section: dict(parser[section]) for section in parser.sections()}


def _unknown(path: str, what: str, name: str, known: "List[str]") -> str:
    import difflib  # only mistakes pay for it

    near = difflib.get_close_matches(name, known, n=1)
    end = "did you mean '{}'?".format(near[0]) if near else "known: {}".format(", ".join(known))
    return "{}: unknown {}; {}".format(path, what, end)


_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def parse_tuxcare_conf(path: str, text: str) -> TuxcareConf:
    """Raises ConfigError that names file, section, key, expectation and finding."""
    known = {
        "main": ["compat_vars", "token_in"],
        "server": ["register", "content"],
        "gpg": ["key", "fingerprint"],
    }
    ini = _parse_ini(path, text, known)
    conf = TuxcareConf()
    readers = [
        ("server", "register", "register_url", normalize_url),
        ("server", "content", "content_url", normalize_url),
        ("gpg", "key", "key", _absolute_path),
        ("gpg", "fingerprint", "fingerprint", normalize_fingerprint),
        ("main", "compat_vars", "compat_vars", _yes_no),
        ("main", "token_in", "token_in", _path_or_header),
    ]  # type: List[Any]
    for section, key, field, reader in readers:
        value = ini.get(section, {}).get(key)
        if not value:
            continue
        try:
            conf = conf._replace(**{field: reader(value)})
        except ValueError as error:
            raise ConfigError("{}: [{}] {}: {}".format(path, section, key, error)) from error
    return conf


def _yes_no(text: str) -> bool:
    if text.lower() not in _YES_NO:
        raise ValueError("expected yes or no, found {!r}".format(text))
    return _YES_NO[text.lower()]


def _path_or_header(text: str) -> str:
    if text not in (TOKEN_IN_PATH, TOKEN_IN_HEADER):
        raise ValueError("expected path or header, found {!r}".format(text))
    return text


def _absolute_path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("expected an absolute path, found {!r}".format(text))
    return text


def read_tuxcare_conf(paths: HostPaths) -> TuxcareConf:
    """The configuration, the defaults where there is no file. Raises ConfigError."""
    return parse_tuxcare_conf(paths.tuxcare_conf, read_text(paths.tuxcare_conf) or "")


def parse_fips_conf(path: str, text: str) -> FipsChoice:
    """Raises ConfigError: a choice that cannot be read is never taken for 'off'."""
    ini = _parse_ini(path, text, {"fips": ["mode", "release"]})
    section = ini.get("fips", {})
    mode = section.get("mode", "")
    release = section.get("release") or None
    if mode not in MODES:
        raise ConfigError(
            "{}: [fips] mode: expected {}, found {!r}".format(path, " or ".join(MODES), mode)
        )
    if release is not None and not is_release(release):
        raise ConfigError(
            "{}: [fips] release: expected a release such as 9.2, found {!r}".format(path, release)
        )
    if mode != MODE_OFF and release is None:
        raise ConfigError("{}: [fips] release: missing; expected one such as 9.2".format(path))
    return FipsChoice(mode, release)


def format_fips_conf(choice: FipsChoice) -> str:
    """What tuxctl writes; parse_fips_conf gives the same choice back."""
    lines = [
        "# Written by tuxctl; change it with 'tuxctl fips'.",
        "[fips]",
        "mode = " + choice.mode,
    ]
    if choice.release:
        lines.append("release = " + choice.release)
    return "\n".join(lines) + "\n"


def read_fips(paths: HostPaths) -> FipsChoice:
    """This host's FIPS choice; off where there is no file. Raises ConfigError, PermissionError."""
    text = read_text(paths.fips_conf)
    if text is not None:
        return parse_fips_conf(paths.fips_conf, text)
    for place in (paths.fips_conf, paths.etc):
        if os.path.islink(place) and not os.path.exists(place):
            raise ConfigError(
                "{}: cannot be read: {} is a link that leads nowhere".format(
                    paths.fips_conf, place
                ),
                "Mount what it leads to, or remove it and choose with 'tuxctl fips enable'.",
            )
    return FipsChoice()


def read_registration(paths: HostPaths) -> "Dict[str, Any]":
    """What the registration service said, empty where there is nothing.

    Keys: `server`, `content_url`, `products` (list), `expires`, `registered_at`, `host_name`.
    Raises ConfigError where the file is damaged.
    """
    text = read_text(paths.registration)
    if text is None:
        return {}
    import json

    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError("{}: not JSON: {}".format(paths.registration, error)) from error
    if not isinstance(value, dict):
        raise ConfigError("{}: expected a JSON object".format(paths.registration))
    return value


def read_content_url(paths: HostPaths) -> str:
    """Where content comes from: the registration's word, else tuxcare.conf's, else the default."""
    registered = read_registration(paths).get("content_url")
    if isinstance(registered, str) and registered:
        return registered
    return read_tuxcare_conf(paths).content_url
