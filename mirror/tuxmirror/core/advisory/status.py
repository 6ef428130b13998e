"""What is being done about a CVE in a package of a release: the tracker's nine words."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from .model import Scope


class Status(Enum):
    """The values are what people and files see."""

    NEEDS_TRIAGE = "Needs Triage"
    IN_RESEARCH = "In Research"
    IN_PROGRESS = "In Progress"
    IN_TESTING = "In Testing"
    IN_ROLLOUT = "In Rollout"
    RELEASED = "Released"
    IGNORED = "Ignored"
    NOT_VULNERABLE = "Not Vulnerable"
    ALREADY_FIXED = "Already Fixed"

    @property
    def open(self) -> bool:
        """Whether a fix may still come, and the clock runs."""
        return self in _OPEN


_OPEN = frozenset(
    (
        Status.NEEDS_TRIAGE,
        Status.IN_RESEARCH,
        Status.IN_PROGRESS,
        Status.IN_TESTING,
        Status.IN_ROLLOUT,
    )
)


class StatusRecord(NamedTuple):
    """`package` is a source package's name, `version` the one it speaks of.

    `statement` says why; Ignored always has one. `updated` is in seconds since the epoch.
    """

    cve: str
    scope: Scope
    package: str
    status: Status
    version: str = ""
    statement: str = ""
    updated: int = 0
    origin: str = ""
