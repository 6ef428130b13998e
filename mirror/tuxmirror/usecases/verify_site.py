"""`tuxmirror verify`, as far as it is about what channels show beside their trees."""

from __future__ import annotations

from ..core.errors import MirrorError
from . import site
from .context import Mirror
from .damage import flawed, hashed
from .inventory import Wanted


def verify(mirror: Mirror, mend: bool) -> list[MirrorError]:
    """What is damaged and stays so."""
    problems: list[MirrorError] = []
    for channel in mirror.publisher.channels():
        if not mirror.publisher.site_names(channel):
            continue
        with site.changing(mirror, channel):
            try:
                problems += _pool(mirror, channel, mend)
                problems += _published(mirror, channel, mend)
            except MirrorError as error:
                problems.append(error.located(path=channel))
    for problem in problems:
        mirror.reporter.event("damaged", **problem.as_dict())
    return problems


def _pool(mirror: Mirror, channel: str, mend: bool) -> list[MirrorError]:
    """Nobody has these files but us: they are made again from what they were made from."""
    problems: list[MirrorError] = []
    for part in mirror.publisher.site(channel).values():
        wanted = [Wanted(file.sha256, file.size, part.owner, file.path) for file in part.files]
        damaged = {file.sha256: error for file in wanted if (error := hashed(mirror, file))}
        if damaged and mend:
            for sha in damaged:
                mirror.pool.set_aside(sha)
            site.remake(mirror, channel, part.owner)
            damaged = {sha: e for sha, e in damaged.items() if mirror.pool.digest(sha) != sha}
        problems += damaged.values()
    return problems


def _published(mirror: Mirror, channel: str, mend: bool) -> list[MirrorError]:
    problems: list[MirrorError] = []
    for flaw in list(mirror.publisher.inspect_site(channel)):
        if mend and (flaw.expected is None or mirror.pool.digest(flaw.expected) == flaw.expected):
            mirror.publisher.mend_site(channel, flaw)
            mirror.reporter.event("repaired", path=f"{channel}: {flaw.path}")
        else:
            problems.append(flawed(channel, flaw))
    return problems
