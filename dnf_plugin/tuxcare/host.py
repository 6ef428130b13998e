"""The host's files that the plugin and tuxctl share: where they are, and what they say.

Under the root directory (`/`, or that of an image):

    etc/tuxcare/token                       the content token, 0600
    etc/tuxcare/tuxcare.conf                server, key, compatibility
    etc/tuxcare/fips.conf                   this host's FIPS choice; no file: off
    etc/tuxcare/fips.d/*.conf               manifests of the site
    etc/dnf/vars/tuxcare_releasever         the minor release to follow, for people to edit
    etc/dnf/vars/tuxcare_token              the token once more, where `compat_vars = yes`
    etc/dnf/plugins/tuxcare.conf            the plugin's switch and options
    etc/dnf/protected.d/tuxcare-fips-pin.conf
    etc/yum.repos.d/tuxcare.repo
    etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare
    etc/tuxcare-release                     from the package; scanners read it
    usr/share/tuxcare/fips/*.conf           manifests
    var/lib/tuxcare/registration.json       what the registration service said, without the token
    var/lib/tuxcare/journal/                what registering changed (tuxctl.journal)
"""

import configparser
import difflib
import errno
import json
import os
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from tuxcare import osrelease
from tuxcare.errors import ConfigError, StorageError

DEFAULT_REGISTER_URL = "https://cln.cloudlinux.com"
DEFAULT_CONTENT_URL = "https://repo.tuxcare.com"
DEFAULT_KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"
DEFAULT_FINGERPRINT = "FAD7859081D0738B7A828496D07BF2A08D50EB66"

MODE_OFF = "off"
MODE_PATCHED = "patched"
MODE_STRICT = "strict"
MODES = (MODE_OFF, MODE_PATCHED, MODE_STRICT)

TOKEN = re.compile(r"[A-Za-z0-9_-]{32,}\Z")
RELEASEVER = re.compile(r"[0-9]+(\.[0-9]+)?\Z")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}\Z|[0-9A-F]{64}\Z")


class HostPaths:
    """Every path under one root directory."""

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.abspath(root)

    def join(self, path: str) -> str:
        """`path`, absolute as on the host, under the root."""
        return os.path.join(self.root, path.lstrip("/"))

    def inside(self, path: str) -> str:
        """A joined path as it reads on the host itself; what messages show."""
        if self.root == "/":
            return path
        return "/" + os.path.relpath(path, self.root)

    @property
    def etc(self) -> str:
        return self.join("/etc/tuxcare")

    @property
    def token(self) -> str:
        return self.join("/etc/tuxcare/token")

    @property
    def tuxcare_conf(self) -> str:
        return self.join("/etc/tuxcare/tuxcare.conf")

    @property
    def fips_conf(self) -> str:
        return self.join("/etc/tuxcare/fips.conf")

    @property
    def vars_dir(self) -> str:
        return self.join("/etc/dnf/vars")

    @property
    def releasever_var(self) -> str:
        return self.join("/etc/dnf/vars/tuxcare_releasever")

    @property
    def token_var(self) -> str:
        return self.join("/etc/dnf/vars/tuxcare_token")

    @property
    def plugin_conf(self) -> str:
        return self.join("/etc/dnf/plugins/tuxcare.conf")

    @property
    def protected(self) -> str:
        return self.join("/etc/dnf/protected.d/tuxcare-fips-pin.conf")

    @property
    def repo_dir(self) -> str:
        return self.join("/etc/yum.repos.d")

    @property
    def tuxcare_repo(self) -> str:
        return self.join("/etc/yum.repos.d/tuxcare.repo")

    @property
    def gpg_key(self) -> str:
        return self.join(DEFAULT_KEY)

    @property
    def tuxcare_release(self) -> str:
        return self.join("/etc/tuxcare-release")

    @property
    def manifest_dirs(self) -> List[str]:
        """Those of the package first, those of the site after."""
        return [self.join("/usr/share/tuxcare/fips"), self.join("/etc/tuxcare/fips.d")]

    @property
    def state_dir(self) -> str:
        return self.join("/var/lib/tuxcare")

    @property
    def registration(self) -> str:
        return self.join("/var/lib/tuxcare/registration.json")

    @property
    def journal_dir(self) -> str:
        return self.join("/var/lib/tuxcare/journal")

    @property
    def almalinux_release(self) -> str:
        return self.join("/etc/almalinux-release")

    @property
    def os_release(self) -> List[str]:
        """In the order of os-release(5)."""
        return [self.join("/etc/os-release"), self.join("/usr/lib/os-release")]

    @property
    def machine_id(self) -> str:
        return self.join("/etc/machine-id")


class TuxcareConf(NamedTuple):
    """/etc/tuxcare/tuxcare.conf. URLs have no trailing slash; the fingerprint is bare hex."""

    register_url: str = DEFAULT_REGISTER_URL
    content_url: str = DEFAULT_CONTENT_URL
    key: str = DEFAULT_KEY
    fingerprint: str = DEFAULT_FINGERPRINT
    compat_vars: bool = False


class FipsChoice(NamedTuple):
    """/etc/tuxcare/fips.conf: `mode` is one of MODES, `release` the one whose pins count."""

    mode: str = MODE_OFF
    release: Optional[str] = None

    @property
    def is_on(self) -> bool:
        return self.mode != MODE_OFF


def read_text(path: str) -> Optional[str]:
    """The text of a file, None where there is none.

    Raises PermissionError (callers that people run without root tolerate it), StorageError for
    any other trouble, ConfigError for bytes that are not UTF-8.
    """
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise
    except UnicodeDecodeError as error:
        raise ConfigError("{}: not UTF-8 text: {}".format(path, error)) from error
    except OSError as error:
        raise StorageError("{}: {}".format(path, os.strerror(error.errno or errno.EIO))) from error


def read_release(paths: HostPaths) -> osrelease.Release:
    """The operating system of the root. Raises ConfigError where its files do not tell."""
    os_release = None
    for path in paths.os_release:
        os_release = read_text(path)
        if os_release is not None:
            break
    return osrelease.identify(read_text(paths.almalinux_release), os_release)


def read_token(paths: HostPaths) -> Optional[str]:
    """The content token, None where the host is not registered.

    Raises PermissionError for all but root, ConfigError for a file that holds no token; what it
    does hold is not told.
    """
    text = read_text(paths.token)
    if text is None:
        return None
    token = text.strip()
    if not TOKEN.match(token):
        raise ConfigError(
            "{}: does not hold a token: expected at least 32 letters, digits, '-' or '_' in one "
            "line".format(paths.token),
            "Register again with 'tuxctl --force --license-key-file FILE'.",
        )
    return token


def read_releasever_var(paths: HostPaths) -> Optional[str]:
    """What /etc/dnf/vars/tuxcare_releasever says, None where it is absent or empty.

    Raises ConfigError where it holds no release.
    """
    text = (read_text(paths.releasever_var) or "").strip()
    if not text:
        return None
    if not RELEASEVER.match(text):
        raise ConfigError(
            "{}: expected a release such as 9.2, found {!r}".format(paths.releasever_var, text[:40])
        )
    return text


def followed_release(paths: HostPaths) -> str:
    """The release that `$tuxcare_releasever` stands for: the variable file's, else the host's."""
    return read_releasever_var(paths) or read_release(paths).version


def normalize_fingerprint(text: str) -> str:
    """`FAD7 8590 …` as bare upper-case hex. Raises ValueError for what is no fingerprint."""
    bare = "".join(text.split()).upper()
    if not _FINGERPRINT.match(bare):
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


def _parse_ini(path: str, text: str, known: Mapping[str, List[str]]) -> Dict[str, Dict[str, str]]:
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


def _unknown(path: str, what: str, name: str, known: List[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    end = "did you mean '{}'?".format(near[0]) if near else "known: {}".format(", ".join(known))
    return "{}: unknown {}; {}".format(path, what, end)


_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def parse_tuxcare_conf(path: str, text: str) -> TuxcareConf:
    """Raises ConfigError that names file, section, key, expectation and finding."""
    known = {
        "main": ["compat_vars"],
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
    if release is not None and not RELEASEVER.match(release):
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
    return FipsChoice() if text is None else parse_fips_conf(paths.fips_conf, text)


def read_registration(paths: HostPaths) -> Dict[str, Any]:
    """What the registration service said, empty where there is nothing.

    Keys: `server`, `content_url`, `products` (list), `expires`, `registered_at`, `host_name`.
    Raises ConfigError where the file is damaged.
    """
    text = read_text(paths.registration)
    if text is None:
        return {}
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
