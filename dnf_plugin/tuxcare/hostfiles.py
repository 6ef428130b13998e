"""The host's files that the plugin and tuxctl share: where they are, and the short ones' content.

Every dnf command pays for loading this module, so it imports little; dnf itself does without
`typing`. Files that need a parser are in tuxcare.host.

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

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from tuxcare.errors import ConfigError
    from tuxcare.osrelease import Release

DEFAULT_KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"

_DIGITS = "0123456789"
_TOKEN_CHARACTERS = _DIGITS + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"


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
    def manifest_dirs(self) -> "List[str]":
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
    def os_release(self) -> "List[str]":
        """In the order of os-release(5)."""
        return [self.join("/etc/os-release"), self.join("/usr/lib/os-release")]

    @property
    def machine_id(self) -> str:
        return self.join("/etc/machine-id")


def is_token(text: str) -> bool:
    """Whether a text has the form of a content token.

    Patterns take longer to compile than all that a usual command reads here.
    """
    return len(text) >= 32 and not text.strip(_TOKEN_CHARACTERS)


def is_release(text: str) -> bool:
    """Whether a text is a release such as `9` or `9.2`."""
    parts = text.split(".")
    return len(parts) <= 2 and all(part and not part.strip(_DIGITS) for part in parts)


def _config_error(message: str, hint: "Optional[str]" = None) -> "ConfigError":
    from tuxcare.errors import ConfigError  # only mistakes pay for it

    return ConfigError(message, hint)


def read_text(path: str) -> "Optional[str]":
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
        raise _config_error("{}: not UTF-8 text: {}".format(path, error)) from error
    except OSError as error:
        from tuxcare.errors import StorageError

        raise StorageError("{}: {}".format(path, os.strerror(error.errno or errno.EIO))) from error


def read_release(paths: HostPaths) -> "Release":
    """The operating system of the root. Raises ConfigError where its files do not tell."""
    from tuxcare import osrelease  # a release that was chosen does without

    os_release = None
    for path in paths.os_release:
        os_release = read_text(path)
        if os_release is not None:
            break
    return osrelease.identify(read_text(paths.almalinux_release), os_release)


def read_token(paths: HostPaths) -> "Optional[str]":
    """The content token, None where the host is not registered.

    Raises PermissionError for all but root, ConfigError for a file that holds no token; what it
    does hold is not told.
    """
    text = read_text(paths.token)
    if text is None:
        return None
    token = text.strip()
    if not is_token(token):
        raise _config_error(
            "{}: does not hold a token: expected at least 32 letters, digits, '-' or '_' in one "
            "line".format(paths.token),
            "Register again with 'tuxctl --force --license-key-file FILE'.",
        )
    return token


def read_releasever_var(paths: HostPaths) -> "Optional[str]":
    """What /etc/dnf/vars/tuxcare_releasever says, None where it is absent or empty.

    Raises ConfigError where it holds no release.
    """
    text = (read_text(paths.releasever_var) or "").strip()
    if not text:
        return None
    if not is_release(text):
        raise _config_error(
            "{}: expected a release such as 9.2, found {!r}".format(paths.releasever_var, text[:40])
        )
    return text


def followed_release(paths: HostPaths) -> str:
    """The release that `$tuxcare_releasever` stands for: the variable file's, else the host's."""
    return read_releasever_var(paths) or read_release(paths).version
