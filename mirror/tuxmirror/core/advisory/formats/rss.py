"""A feed of a scope's newest advisories: RSS 2.0 with a link to itself (Atom's).

The `guid` is the advisory's id and no link; `pubDate` is when the channel first showed it. At most
LIMIT items, the newest first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from html import unescape
from xml.etree import ElementTree

from ..catalogue import Catalogue
from ..model import Advisory, Scope
from .claims import Claim
from .context import Issuer, advisory_url, escape, plain, quoteattr

LIMIT = 200
_CVE = "https://www.cve.org/"
_PACKAGE = re.compile(r"<li><code>([^<]*)</code></li>")


def path(scope: Scope) -> str:
    """As the guide has it: `rss_feed/releases/almalinux9.2esu`."""
    return f"rss_feed/releases/{scope.slug.replace('-', '')}"


def shown(advisories: Sequence[Advisory], catalogue: Catalogue) -> list[Advisory]:
    """Those that the feed has, in its order."""
    return sorted(advisories, key=lambda a: (-_published(a, catalogue), a.id))[:LIMIT]


def write(
    scope: Scope, advisories: Sequence[Advisory], catalogue: Catalogue, issuer: Issuer
) -> bytes:
    items = shown(advisories, catalogue)
    newest = max((_published(a, catalogue) for a in items), default=0)
    address = f"{issuer.url}/{path(scope)}"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">',
        "<channel>",
        f"<title>{escape(scope.title)}: advisories</title>",
        f"<link>{escape(issuer.url)}/cve/index.html</link>",
        f"<description>What is fixed in {escape(scope.title)}, by {_text(issuer.name)}"
        "</description>",
        "<language>en</language>",
        f"<lastBuildDate>{_date(newest)}</lastBuildDate>",
        "<ttl>60</ttl>",
        f'<atom:link href={quoteattr(address)} rel="self" type="application/rss+xml"/>',
        *(_item(advisory, catalogue, issuer) for advisory in items),
        "</channel>",
        "</rss>",
        "",
    ]
    return "\n".join(lines).encode()


def _item(advisory: Advisory, catalogue: Catalogue, issuer: Issuer) -> str:
    categories = [f"<category>{_text(advisory.severity)}</category>"]
    categories += [f'<category domain="{_CVE}">{cve}</category>' for cve in advisory.cves]
    link = advisory_url(issuer, advisory.id)
    return "\n".join(
        [
            "<item>",
            f"<title>{_text(f'{advisory.id}: {advisory.title}')}</title>",
            f"<link>{escape(link)}</link>",
            f'<guid isPermaLink="false">{_text(advisory.id)}</guid>',
            f"<pubDate>{_date(_published(advisory, catalogue))}</pubDate>",
            *categories,
            f"<description>{escape(_html(advisory))}</description>",
            "</item>",
        ]
    )


def _html(advisory: Advisory) -> str:
    """Shown by readers as HTML: what others wrote is escaped in it, before all of it is."""
    paragraphs = [f"<p>{_text(advisory.description or advisory.title)}</p>"]
    if advisory.cves:
        paragraphs.append(f"<p>{' '.join(advisory.cves)}</p>")
    packages = sorted(advisory.identities)
    items = "".join(f"<li><code>{_text(package)}</code></li>" for package in packages)
    return "".join([*paragraphs, f"<ul>{items}</ul>"])


def read(data: bytes) -> dict[str, Claim]:
    found = {}
    for item in ElementTree.fromstring(data).iterfind("channel/item"):  # noqa: S314 - our own
        categories = item.iterfind("category")
        cves = {c.text or "" for c in categories if c.get("domain") == _CVE}
        packages = _PACKAGE.findall(item.findtext("description") or "")
        found[item.findtext("guid") or ""] = Claim(
            frozenset(cves), frozenset(unescape(package) for package in packages)
        )
    return found


def _published(advisory: Advisory, catalogue: Catalogue) -> int:
    when = catalogue.published(advisory)
    return advisory.issued if when is None else when


def _date(seconds: int) -> str:
    from email.utils import format_datetime

    return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


def _text(text: str) -> str:
    return escape(plain(text))
