"""A plan as one HTML page to read, print and sign: no script, no other file.

Jinja2 escapes all that upstream and operators wrote. Templates lie in tuxmirror/templates/plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2

from ..core.policy.plan import by_build
from .reporters import human_bytes, utc

_FOLDER = Path(__file__).parents[1] / "templates" / "plan"
_GRAVITY = ("Critical", "Important", "Moderate", "Low")


def render(plan: Mapping[str, Any], tool: str) -> bytes:
    """UTF-8; `plan` as `usecases.plan.make_plan` gives it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(_FOLDER)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(utc=utc, bytes=human_bytes, gravest=_gravest, builds=by_build)
    # Ours, not escaped: it is no text.
    style = jinja2.utils.markupsafe.Markup((_FOLDER / "plan.css").read_text())
    affected = {"problem": None, "hosts": 0, "releases": {}, **plan.get("affected", {})}
    page = environment.get_template("plan.html").render(
        plan={"mass_change": None, **plan, "affected": affected},
        change=plan["difference"],
        tool=tool,
        style=style,
    )
    return page.encode()


def _gravest(advisories: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The most severe first."""

    def key(advisory: Mapping[str, Any]) -> tuple[int, str]:
        severity = advisory["severity"]
        known = severity in _GRAVITY
        return (_GRAVITY.index(severity) if known else len(_GRAVITY), advisory["id"])

    return sorted(advisories, key=key)
