"""What is known of AlmaLinux' releases: what a configuration for one of them needs to say.

Sources: the layout of repo.almalinux.org and vault.almalinux.org, and the keys' fingerprints as
https://almalinux.org/security/ publishes them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import ConfigError

LIVE = "https://repo.almalinux.org/almalinux"
VAULT = "https://vault.almalinux.org"
KEYS = "/etc/pki/rpm-gpg"
_ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")


class Key(NamedTuple):
    """A public key: the file it is in, and its fingerprint."""

    file: str
    fingerprint: str


class Major(NamedTuple):
    """All minors of a major release: `repos` most sites want, arches, keys that signed them."""

    repos: tuple[str, ...]
    arches: tuple[str, ...]
    keys: tuple[Key, ...]


_MAJORS = {
    "8": Major(
        ("BaseOS", "AppStream", "PowerTools", "extras"),
        _ARCHES,
        (
            Key("RPM-GPG-KEY-AlmaLinux-8", "BC5EDDCADF502C077F1582882AE81E8ACED7258B"),
            # Expired in 2024; packages built before are signed by it.
            Key("RPM-GPG-KEY-AlmaLinux", "5E9B8F5617B5066CE92057C3488FCF7C3ABB34F8"),
        ),
    ),
    "9": Major(
        ("BaseOS", "AppStream", "CRB", "extras"),
        _ARCHES,
        (Key("RPM-GPG-KEY-AlmaLinux-9", "BF18AC2876178908D6E71267D36CB86CB86B3716"),),
    ),
    "10": Major(
        ("BaseOS", "AppStream", "CRB", "extras"),
        (*_ARCHES, "x86_64_v2"),
        (Key("RPM-GPG-KEY-AlmaLinux-10", "EE6DB7B98F5BF5EDD9DA0DE5DEE5C11CC2A1E572"),),
    ),
}
TUXCARE_KEY = Key("RPM-GPG-KEY-TuxCare", "FAD7859081D0738B7A828496D07BF2A08D50EB66")


def major(release: str) -> Major:
    """Of `9.2` or `9`.

    Raises:
        ConfigError: no release that is known here.
    """
    known = _MAJORS.get(release.partition(".")[0])
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?", release) or known is None:
        raise ConfigError(
            f"'{release}' is no release of AlmaLinux",
            expected=f"one such as 9.2, of {', '.join(_MAJORS)}",
        )
    return known


def check_arches(release: str, arches: tuple[str, ...]) -> None:
    """Raises ConfigError where the release does not exist for one of them."""
    known = major(release).arches
    for arch in arches:
        if arch not in known:
            raise ConfigError(
                f"there is no AlmaLinux {release} for {arch}", expected=", ".join(known)
            )


def roots(release: str) -> tuple[str, ...]:
    """Where it is; a minor that is closed has moved to the vault."""
    live = f"{LIVE}/{release}"
    return (live, f"{VAULT}/{release}") if "." in release else (live,)
