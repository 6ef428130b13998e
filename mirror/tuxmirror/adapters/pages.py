"""The tracker's pages by Jinja2: autoescaped, an unknown name in a template is an error.

Templates lie in tuxmirror/templates/tracker; `version` changes whenever one of them does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.sla import TARGET_DAYS
from ..core.tracker import paths, views
from ..core.tracker.data import iso

if TYPE_CHECKING:
    from jinja2 import Environment

    from ..core.audit.report import Report

_FOLDER = Path(__file__).parents[1] / "templates" / "tracker"
_ASSETS = {paths.STYLE: "assets/style.css", paths.SCRIPT: "assets/tracker.js"}
_SOURCES = {"nvd": "NVD", "vendor": "the vendor"}
_SECTIONS = (
    ("index", paths.INDEX, "Overview"),
    ("search", paths.SEARCH, "Search"),
    ("cves", paths.BROWSE, "CVEs"),
    ("advisories", paths.ADVISORIES, "Advisories"),
    ("packages", paths.PACKAGES, "Packages"),
    ("releases", paths.RELEASES, "Releases"),
    ("sla", paths.SLA, "Response times"),
)
# By how a page's path goes on below cve/.
_CURRENT = (
    (re.compile(r"index\.html"), "index"),
    (re.compile(r"search\.html"), "search"),
    (re.compile(r"els/releases"), "advisories"),
    (re.compile(r"packages"), "packages"),
    (re.compile(r"releases"), "releases"),
    (re.compile(r"sla\.html"), "sla"),
)


class JinjaPages:
    """See `ports.PageRenderer`. Jinja2 is loaded when the first page is rendered."""

    @cached_property
    def _environment(self) -> Environment:
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(str(_FOLDER)),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
        )
        environment.filters.update(
            day=_day,
            iso=iso,
            slug=lambda text: text.lower().replace(" ", "-"),
            short=lambda title: title.replace("AlmaLinux ", "", 1),
            thousands=lambda number: f"{number:,}".replace(",", "\u202f"),
            source=lambda name: _SOURCES.get(name, name),
            band=lambda severity: views.SEVERITY_BANDS.get(severity, ""),
            days=lambda value: "-" if value is None else f"{value:g}",
            grave=_grave,
            web=lambda url: url.startswith(("https://", "http://")),
            zip=zip,
        )
        environment.globals.update(
            paths=paths,
            sections=_SECTIONS,
            target_days=TARGET_DAYS,
            flag_texts=views.FLAGS,
            reboot=views.needs_reboot,
        )
        return environment

    @cached_property
    def version(self) -> str:
        sha = hashlib.sha256()
        for name, data in _sources():
            sha.update(f"{name}\0{len(data)}\0".encode() + data)
        return sha.hexdigest()[:16]

    def assets(self) -> dict[str, bytes]:
        return {path: (_FOLDER / name).read_bytes() for path, name in _ASSETS.items()}

    def audit(self, report: Report) -> bytes:
        style = self.assets()[paths.STYLE].decode()
        template = self._environment.get_template("audit.html")
        return template.render(report=report, style=style, to=None).encode()

    def render(self, template: str, path: str, values: Mapping[str, object]) -> bytes:
        below = path[len(paths.ROOT) + 1 :]
        root = "../" * below.count("/")

        def to(target: str) -> str:
            if target.startswith(f"{paths.ROOT}/"):
                return root + target[len(paths.ROOT) + 1 :]
            return f"{root}../{target}"

        current = next((name for pattern, name in _CURRENT if pattern.match(below)), "cves")
        text = self._environment.get_template(template).render(
            **values, to=to, root=root, current=current
        )
        return text.encode()


def _sources() -> Iterator[tuple[str, bytes]]:
    for path in sorted(_FOLDER.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(_FOLDER)), path.read_bytes()


@lru_cache(maxsize=1 << 16)
def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")


def _grave(bands: tuple[tuple[str, int], ...]) -> tuple[int, int]:
    """How many are High or Critical, and how many are not."""
    grave = sum(number for band, number in bands if band in ("Critical", "High"))
    return grave, sum(number for _, number in bands) - grave
