"""What a check finds. Pure."""

from typing import Iterable, List, NamedTuple, Sequence

from tuxctl.fips import ACCEPTABLE

BLOCKER = "blocker"
WARNING = "warning"


class Finding(NamedTuple):
    """`name` is what --accept takes; `hint` the way out."""

    level: str
    name: str
    message: str
    hint: str


def accept(findings: Iterable[Finding], names: Sequence[str]) -> List[Finding]:
    """The findings, with those blockers as warnings that people accept."""
    return [
        finding._replace(level=WARNING) if finding.name in set(names) & set(ACCEPTABLE) else finding
        for finding in findings
    ]
