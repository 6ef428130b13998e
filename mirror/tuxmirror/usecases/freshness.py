"""Whether upstream still moves: its TIME, looked at now and then."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..core import guards
from ..core.config import Tree
from ..core.errors import MirrorError
from ..ports import DocumentRequest, UpstreamTime
from .context import Mirror

_MAX_TIME_BYTES = 64
# An unchanged sync asks nothing but one repomd.xml a repository, most of the time.
_LOOKS_PER_MAX_AGE = 8


def check(mirror: Mirror, tree: Tree) -> None:
    """Warn of an upstream that stands still, refuse one that did for long.

    One that once had a TIME and hides it now is judged by the last that was seen.

    Raises:
        RefusedError: see `core.guards.check_age`.
    """
    max_age = mirror.config.max_age if tree.max_age is None else tree.max_age
    if tree.type == "local" or not tree.upstream or not max_age:
        return
    now = int(mirror.clock())
    known = mirror.state.upstream_time(tree.name)
    if known is None or _due(known, now, max_age):
        seen = _ask(mirror, tree)
        # A TIME from the future would silence this for as long.
        value = min(now, max(seen or 0, known.value if known else 0))
        known = mirror.state.set_upstream_time(tree.name, value, now)
    if not known.value:
        return
    warning = guards.check_age(known.value, now, max_age)
    if warning:
        mirror.reporter.event("warning", tree=tree.name, message=f"{tree.name}: {warning}")


def _due(known: UpstreamTime, now: int, max_age: int) -> bool:
    """Long ago, or what was seen then would be held against upstream now."""
    return now - known.looked >= max_age // _LOOKS_PER_MAX_AGE or now - known.value > max_age


def _ask(mirror: Mirror, tree: Tree) -> int | None:
    """The first root's TIME: it lies above the releases."""
    parts = urlsplit(tree.upstream[0])
    above = parts._replace(path=parts.path.rpartition("/")[0]).geturl()
    [answer] = mirror.transport.documents([DocumentRequest(f"{above}/TIME", _MAX_TIME_BYTES)])
    if isinstance(answer, MirrorError) or answer.data is None:
        return None
    text = answer.data.strip()
    return int(text) if text.isdigit() else None
