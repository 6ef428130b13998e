"""What a site decides of nginx's configuration, and how a template is filled with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigError
from .nginx_parts import FRAGMENTS, PATTERNS, REFUSE_PLAIN, TLS

# Below /run, which is in memory: tokens are named in both.
LEASES = Path("/run/tuxmirror/leases")
AUTH_CACHE = Path("/run/nginx-tuxmirror")
ACCESS_LOG = Path("/var/log/nginx/tuxmirror.log")

_PLAIN = re.compile(r"[A-Za-z0-9_./:@+\[\]-]+")
_SERVER_NAME = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}")


@dataclass(frozen=True)
class Settings:
    """What a site decides.

    Attributes:
        server_name: the name that customers use.
        public: the folder with the channels.
        service: ADDRESS:PORT of `tuxmirror serve`.
        listen: PORT or ADDRESS:PORT.
        certificate, certificate_key: PEM files; without them plain HTTP, for what stands behind
            a balancer that does TLS.
        open_trees: names of trees without a token.
    """

    server_name: str
    public: Path
    service: str
    listen: str
    certificate: Path | None = None
    certificate_key: Path | None = None
    leases: Path = LEASES
    auth_cache: Path = AUTH_CACHE
    access_log: Path = ACCESS_LOG
    open_trees: Sequence[str] = ()


def fill(template: str, settings: Settings, more: Mapping[str, str]) -> str:
    """The template with `@name@` replaced: by `more`, by what all sites have, by fragments."""
    tls = settings.certificate is not None
    values = {
        "server_name": settings.server_name,
        "public": str(settings.public),
        "service": settings.service,
        "auth_cache": str(settings.auth_cache),
        "access_log": str(settings.access_log),
        "listen": _listen(settings.listen, " ssl" if tls else ""),
        "tls": TLS.format(settings=settings) if tls else "",
        "refuse_plain": REFUSE_PLAIN if tls else "",
        **FRAGMENTS,
        **PATTERNS,
        **more,
    }
    text, before = template.lstrip("\n"), ""
    # Again and again: some values name others.
    while text != before:
        before = text
        text = re.sub(r"@([a-z_]+)@", lambda match: values[match[1]], before)
    return text


def check(settings: Settings) -> None:
    """Raises ConfigError."""
    if not _SERVER_NAME.fullmatch(settings.server_name):
        raise ConfigError(
            f"--server-name: '{settings.server_name}' is not a host name",
            expected="such as repo.example.com",
        )
    if (settings.certificate is None) != (settings.certificate_key is None):
        raise ConfigError("--certificate and --certificate-key go together")
    named = {
        "public": settings.public,
        "leases": settings.leases,
        "--cache": settings.auth_cache,
        "--access-log": settings.access_log,
        "--certificate": settings.certificate,
        "--certificate-key": settings.certificate_key,
        "--service": settings.service,
        "--listen": settings.listen,
    }
    check_plain(named)


def check_plain(named: Mapping[str, object]) -> None:
    """Raises ConfigError for a value that nginx would read as something else."""
    for name, value in named.items():
        if value is not None and not _PLAIN.fullmatch(str(value)):
            raise ConfigError(
                f"{name}: nginx cannot be given '{value}'",
                expected="letters, digits and . _ - + @ : /",
            )


def _listen(text: str, ssl: str) -> str:
    lines = [f"    listen {text}{ssl};"]
    if text.isdecimal():
        lines.append(f"    listen [::]:{text}{ssl};")
    return "\n".join(lines)
