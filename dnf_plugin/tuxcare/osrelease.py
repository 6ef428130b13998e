"""Which AlmaLinux this is, from /etc/almalinux-release and os-release. Pure."""

import collections
import re
import shlex

from tuxcare.errors import ConfigError

TYPE_CHECKING = False  # every dnf command pays for this module; dnf does without typing
if TYPE_CHECKING:
    from typing import Container, Dict, NamedTuple, Optional

    _Release = NamedTuple("_Release", [("id", str), ("version", str)])
else:
    _Release = collections.namedtuple("_Release", ["id", "version"])

# Compiled where they are asked for: not every command asks.
_ALMALINUX_RELEASE = r"AlmaLinux release (\d+)\.(\d+)\b"
_MINOR = r"\d+\.\d+\Z"


class Release(_Release):
    """An operating system and its version, as `almalinux` and `9.2`."""

    __slots__ = ()

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def is_minor(self) -> bool:
        """Whether the version names a minor release (`9.2`), not only a major one (`9`)."""
        return bool(re.match(_MINOR, self.version))

    def __str__(self) -> str:
        name = {"almalinux": "AlmaLinux"}.get(self.id, self.id)
        return "{} {}".format(name, self.version)


def parse_os_release(text: str, wanted: "Optional[Container[str]]" = None) -> "Dict[str, str]":
    """The assignments of an os-release file (os-release(5)), or only those to `wanted` names.

    Lines that are none are skipped.
    """
    values = {}
    for line in text.splitlines():
        name, sign, value = line.strip().partition("=")
        if not sign or name.startswith("#") or (wanted is not None and name not in wanted):
            continue
        try:
            words = shlex.split(value)
        except ValueError:
            continue
        values[name] = words[0] if words else ""
    return values


def identify(almalinux_release: "Optional[str]", os_release: "Optional[str]") -> Release:
    """The release that the two files (their text, None where absent) tell of.

    os-release decides which distribution this is; almalinux-release, which the release package
    cannot be without, decides the version.

    Raises ConfigError where neither tells.
    """
    values = parse_os_release(os_release or "", ("ID", "VERSION_ID"))
    found = re.match(_ALMALINUX_RELEASE, almalinux_release or "")
    distribution = values.get("ID") or ("almalinux" if found else "")
    version = values.get("VERSION_ID", "")
    if found and distribution == "almalinux":
        version = "{}.{}".format(*found.groups())
    if not distribution or not version:
        raise ConfigError(
            "cannot tell the operating system: neither /etc/almalinux-release nor /etc/os-release "
            "names a distribution and its version",
            "Reinstall almalinux-release, or name the right root directory.",
        )
    return Release(distribution, version)
