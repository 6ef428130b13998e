"""A policy and a channel as the configuration names them.

[policy/default]                        [channel/canary]
soak = 7d                               follows = candidate
fast_track = Critical CVE-2023-38545    policy = default
newest = 3
                                        [channel/vetted]
                                        follows = canary
                                        soak = 3d
                                        fast_track = Critical
                                        approval = required
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass

from ..advisory.model import SEVERITIES, is_cve
from ..errors import ConfigError

CANDIDATE = "candidate"
VETTED = "vetted"
AUTOMATIC, REQUIRED = "automatic", "required"

# A package's arch as rpm knows it.
_ARCH = re.compile(r"[a-z0-9_]{1,16}")


@dataclass(frozen=True)
class Policy:
    """One `[policy/NAME]`.

    Attributes:
        soak: seconds that a build waits after it was first seen in the candidate.
        fast_track: severities and CVEs whose advisories need not wait.
        newest: so many versions of a package stay; 0 is all.
        arches: of packages; empty is all.
        debug, source: whether such packages stay.
        exclude: patterns of packages that never pass.
    """

    name: str
    soak: int = 0
    fast_track: tuple[str, ...] = ()
    newest: int = 0
    arches: tuple[str, ...] = ()
    debug: bool = False
    source: bool = False
    exclude: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with any rule; the name is none."""
        return hashlib.sha256(repr(astuple(self)[1:]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Channel:
    """One `[channel/NAME]`.

    Attributes:
        follows: the channel whose content it gets.
        policy: of its own; None is the tree's where it follows the candidate, none elsewhere.
        soak: seconds that a snapshot was shown by the followed channel before.
        fast_track: severities and CVEs whose advisories do not wait for the soak.
        approval: `automatic`, or `required`: nothing is shown that nobody approved.
    """

    name: str
    follows: str = CANDIDATE
    policy: str | None = None
    soak: int = 0
    fast_track: tuple[str, ...] = ()
    approval: str = AUTOMATIC


def in_order(channels: Mapping[str, Channel], source: str) -> dict[str, Channel]:
    """Each after the one that it follows; `source` names the file in errors.

    Raises:
        ConfigError: it follows none, or itself in the end; or is the candidate.
    """
    ordered: dict[str, Channel] = {}
    if CANDIDATE in channels:
        raise ConfigError(
            f"{source}: [channel/{CANDIDATE}]: it shows what was verified last",
            way_out="choose another name; the others follow it unless they say follows =",
        )
    for channel in channels.values():
        _check(channel, channels, f"{source}: [channel/{channel.name}]")
    while len(ordered) < len(channels):
        ready = [
            channel
            for channel in channels.values()
            if channel.name not in ordered
            and (channel.follows == CANDIDATE or channel.follows in ordered)
        ]
        if not ready:
            rest = sorted(channels.keys() - ordered.keys())
            raise ConfigError(
                f"{source}: [channel/{rest[0]}] follows: round in a circle", found=", ".join(rest)
            )
        ordered.update({channel.name: channel for channel in ready})
    return ordered


def _check(channel: Channel, channels: Mapping[str, Channel], where: str) -> None:
    known = {CANDIDATE: None, **dict.fromkeys(channels)}
    if channel.follows not in known:
        close = difflib.get_close_matches(channel.follows, list(known), n=1, cutoff=0.5)
        raise ConfigError(
            f"{where} follows: there is no [channel/{channel.follows}]",
            way_out=f"did you mean '{close[0]}'?" if close else None,
        )
    if channel.soak and channel.follows == CANDIDATE:
        raise ConfigError(
            f"{where} soak: the candidate is soaked package by package",
            expected=f"soak = in a [policy/NAME], or follows = another channel than {CANDIDATE}",
        )
    if channel.fast_track and (not channel.soak or channel.policy):
        raise ConfigError(
            f"{where} fast_track: " + ("it has a policy" if channel.policy else "nothing soaks"),
            expected="fast_track = in the [policy/NAME]"
            if channel.policy
            else f"soak =, and follows = another channel than {CANDIDATE}",
        )


def fast_track(text: str) -> tuple[str, ...]:
    """Severities as dnf writes them, and CVEs.

    Raises:
        ValueError: anything else.
    """
    found = []
    for word in text.replace(",", " ").split():
        severity = next((s for s in SEVERITIES if s.casefold() == word.casefold()), None)
        if severity is None and not is_cve(word.upper()):
            raise ValueError(f"'{word}' is no severity ({', '.join(SEVERITIES)}) and no CVE")
        found.append(severity or word.upper())
    return tuple(dict.fromkeys(found))


def package_arches(text: str) -> tuple[str, ...]:
    """Arches of packages, such as `x86_64 i686 noarch`; noarch packages always stay.

    Raises:
        ValueError: not the name of an arch.
    """
    words = text.replace(",", " ").split()
    for word in words:
        if not _ARCH.fullmatch(word):
            raise ValueError(f"'{word}' is no arch")
    return tuple(dict.fromkeys(words))
