"""Since when a package is known: when the candidate first had it.

What the first snapshot of a tree has is old: a mirror that begins would show nothing for days.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import VerificationError

OLD = 0


class FirstSeen(NamedTuple):
    """`candidate` is the snapshot that was looked at last; `times` in seconds by SHA-256.

    What once was in a candidate stays known: upstream may take it away and bring it back.
    """

    candidate: str
    times: Mapping[str, int]


def begun(candidate: str, packages: Iterable[str]) -> FirstSeen:
    """With the first snapshot of a tree that is known."""
    return FirstSeen(candidate, dict.fromkeys(packages, OLD))


def seen(before: FirstSeen, candidate: str, packages: Iterable[str], when: int) -> FirstSeen:
    """What is new in a candidate is as old as the candidate."""
    times = dict(before.times)
    for sha256 in packages:
        times.setdefault(sha256, when)
    return FirstSeen(candidate, times)


def encode(first: FirstSeen) -> bytes:
    return json.dumps({"candidate": first.candidate, "times": first.times}).encode()


def decode(data: bytes, path: str) -> FirstSeen:
    """The reverse of `encode`.

    Raises:
        VerificationError: damaged.
    """
    try:
        document = json.loads(data)
        times = {str(sha): int(when) for sha, when in document["times"].items()}
        return FirstSeen(str(document["candidate"]), times)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VerificationError(
            f"unreadable: {error}",
            path=path,
            way_out="restore it, or remove it: ages are then those of the snapshots that are kept",
        ) from None
