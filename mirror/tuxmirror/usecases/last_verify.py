"""What the last `verify` of a tree found, for `status`: bits rot in between two of them.

notes/verified.<tree>.json      {"time": …, "damaged": …, "repaired": …, "named": […]}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from ..core.errors import MirrorError
from .context import Mirror

_NAMED = 5


class LastVerify(NamedTuple):
    """`time` in seconds since the epoch; how many things were damaged and stayed so, and how many
    were repaired; `named` says of the first few what and where."""

    time: int
    damaged: int
    repaired: int
    named: tuple[str, ...]


def record(mirror: Mirror, tree: str, problems: Sequence[MirrorError], repaired: int) -> None:
    """Where it cannot be kept that is told: what was found has been already."""
    named = [_line(problem) for problem in problems[:_NAMED]]
    last = LastVerify(int(mirror.clock()), len(problems), repaired, tuple(named))
    try:
        mirror.state.set_note(_note(tree), json.dumps(last._asdict()).encode())
    except MirrorError as error:
        message = f"status will not know of this verify: {error}"
        mirror.reporter.event("warning", tree=tree, message=message)


def read(mirror: Mirror, tree: str) -> LastVerify | None:
    """None where there was none, or nobody can tell any more."""
    try:
        found = json.loads(mirror.state.note(_note(tree)) or b"null")
        return LastVerify(**{**found, "named": tuple(found["named"])}) if found else None
    except (MirrorError, ValueError, TypeError, KeyError):
        return None


def _note(tree: str) -> str:
    return f"verified.{tree.replace('/', '%')}.json"


def _line(problem: MirrorError) -> str:
    """In one line: what the tree is called stands above it."""
    place = " ".join(filter(None, (problem.repository, problem.path)))
    return f"{place}: {problem.message}" if place else problem.message
