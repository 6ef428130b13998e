"""The commands that let hosts in: license, host, serve, nginx-config.

The database and web libraries are imported where they are needed: they take half a second, and
every other command would wait for them.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..core import licence as rules
from ..core.config import Config
from ..core.credentials import Digests
from ..core.errors import ConfigError
from ..core.licence import Host, Licence, Terms, format_time, time_or_none
from ..ports.registry import AuditLog, Registry
from ..usecases import hosts, licences

if TYPE_CHECKING:
    from ..core.nginx_origin import Origin

STATE = "state"
DATABASE = "registry.sqlite"
AUDIT = "audit.log"


class Parts(NamedTuple):
    """What the commands stand on."""

    registry: Registry
    digests: Digests
    audit: AuditLog


@contextmanager
def opened(config: Config, actor: str) -> Iterator[Parts]:
    from ..adapters.registry_db import DatabaseRegistry
    from ..adapters.state_files import AuditFile, load_pepper, private_directory

    state = private_directory(config.store / STATE)
    digests = Digests(load_pepper(state))
    url = config.database
    if url == "sqlite":
        url = f"sqlite:///{state / DATABASE}"
    registry = DatabaseRegistry.open(url, digests.check())
    try:
        yield Parts(registry, digests, AuditFile(state / AUDIT, actor))
    finally:
        registry.close()


def run_license_create(config: Config, args: argparse.Namespace) -> int:
    now = time.time()
    if args.hosts is not None and args.hosts < 1:
        raise ConfigError("--hosts: a licence is for at least one host", found=str(args.hosts))
    if not args.note.isprintable():
        raise ConfigError("--note: one line of text", found=repr(args.note))
    terms = Terms(
        products=rules.parse_products(args.product),
        releases=rules.parse_releases(args.release),
        channel=rules.parse_channel(args.channel),
        host_limit=args.hosts,
        expires_at=rules.parse_expiry(args.expires, now) if args.expires else None,
        note=args.note,
    )
    with opened(config, "operator") as parts:
        key, licence = licences.create(parts.registry, parts.digests, parts.audit, terms, int(now))
    if args.json:
        _print_json({"key": key, **_licence_dict(licence, now)})
    else:
        print(key)
    return 0


def run_license_list(config: Config, args: argparse.Namespace) -> int:
    now = time.time()
    with opened(config, "operator") as parts:
        found = licences.every(parts.registry)
    if args.json:
        _print_json({"licences": [_licence_dict(licence, now) for licence in found]})
        return 0
    if args.csv:
        _print_csv([_licence_dict(licence, now) for licence in found], _LICENCE_FIELDS)
        return 0
    rows = [
        (
            licence.public_id,
            licence.masked_key,
            licence.state(now),
            ",".join(licence.terms.products),
            ",".join(licence.terms.releases) or "all",
            _seats(licence),
            format_time(licence.terms.expires_at),
            licence.terms.note,
        )
        for licence in found
    ]
    _print_table(("ID", "KEY", "STATE", "PRODUCTS", "RELEASES", "HOSTS", "EXPIRES", "NOTE"), rows)
    return 0


def run_license_show(config: Config, args: argparse.Namespace) -> int:
    with opened(config, "operator") as parts:
        licence = licences.show(parts.registry, parts.digests, _key_of(args))
        registered = hosts.every(parts.registry, parts.digests, licence.public_id)
    present = [host for host in registered if host.ended_at is None]
    now = time.time()
    if args.json:
        document = _licence_dict(licence, now)
        _print_json({**document, "registered": [_host_dict(host) for host in present]})
        return 0
    _print_fields({**_licence_dict(licence, now), "hosts": _seats(licence)})
    if present:
        print()
        _print_hosts(present)
    return 0


def run_license_revoke(config: Config, args: argparse.Namespace) -> int:
    now = time.time()
    with opened(config, "operator") as parts:
        licence = licences.revoke(
            parts.registry, parts.digests, parts.audit, _key_of(args), int(now)
        )
    if args.json:
        _print_json(_licence_dict(licence, now))
    else:
        print(f"licence {licence.public_id} ({licence.masked_key}) is revoked")
    return 0


def run_host_list(config: Config, args: argparse.Namespace) -> int:
    with opened(config, "operator") as parts:
        found = hosts.every(parts.registry, parts.digests, args.license)
    if not args.all:
        found = [host for host in found if host.ended_at is None]
    if args.json:
        _print_json({"hosts": [_host_dict(host) for host in found]})
    elif args.csv:
        _print_csv([_host_dict(host) for host in found], _HOST_FIELDS)
    else:
        _print_hosts(found)
    return 0


def run_host_show(config: Config, args: argparse.Namespace) -> int:
    with opened(config, "operator") as parts:
        host = hosts.show(parts.registry, args.host)
    _print_json(_host_dict(host)) if args.json else _print_fields(_host_dict(host))
    return 0


def run_host_revoke(config: Config, args: argparse.Namespace) -> int:
    with opened(config, "operator") as parts:
        host = hosts.revoke(parts.registry, parts.audit, args.host, int(time.time()))
    if args.json:
        _print_json(_host_dict(host))
    else:
        print(f"host {host.public_id} ({host.name}) is no longer registered")
    return 0


def run_serve(config: Config, args: argparse.Namespace) -> int:
    from ..adapters.http_app import Surroundings, create_app, stderr_log
    from ..adapters.http_files import PublishedFiles
    from ..adapters.http_metrics import Metrics
    from ..adapters.http_server import parse_listen, serve
    from ..adapters.leases import Leases
    from ..usecases.admission import Admission
    from ..usecases.registration import Registration
    from .storage import published_content

    address = parse_listen(args.listen)
    open_trees = [name for name, tree in config.trees.items() if tree.open]
    with opened(config, "service") as parts:
        admission = Admission(Registration(parts.registry, parts.digests, parts.audit))
        files = PublishedFiles(published_content(config), open_trees, admission.grant)
        around = Surroundings(
            config.trusted_proxies,
            config.metrics_allow,
            Metrics(parts.registry),
            Leases(config.leases, config.public) if config.leases else None,
        )
        app = create_app(admission, files, stderr_log, around)

        def listening(url: str) -> None:
            if args.json:
                print(json.dumps({"event": "listening", "url": url}), flush=True)
            else:
                print(f"listening on {url}", flush=True)

        serve(app, address, stderr_log, listening)
    if args.json:
        print(json.dumps({"event": "done"}), flush=True)
    return 0


def run_nginx_config(config: Config, args: argparse.Namespace) -> int:
    from ..core import nginx

    live = f"/etc/letsencrypt/live/{args.server_name}"
    certificate, key = args.certificate, args.certificate_key
    if args.plain_http and (certificate or key):
        raise ConfigError("--plain-http and --certificate exclude each other")
    if not (args.plain_http or certificate or key):
        certificate, key = Path(live, "fullchain.pem"), Path(live, "privkey.pem")
    settings = nginx.Settings(
        server_name=args.server_name,
        public=config.public,
        service=args.service,
        listen=args.listen or ("80" if args.plain_http else "443"),
        certificate=certificate,
        certificate_key=key,
        leases=config.leases or nginx.LEASES,
        auth_cache=args.cache,
        access_log=args.access_log,
        open_trees=[name for name, tree in config.trees.items() if tree.open],
    )
    if args.origin == "s3":
        from ..core import nginx_origin

        text = nginx_origin.render(settings, _origin(config, args))
    else:
        from ..core import nginx_files

        text = nginx_files.render(settings)
    print(text, end="")
    return 0


def _origin(config: Config, args: argparse.Namespace) -> Origin:
    from ..adapters.s3 import Bucket
    from ..core.nginx_origin import Origin

    if config.public_bucket is None:
        raise ConfigError(
            "--origin s3: what is served lies in a folder", expected="public = s3://BUCKET/PREFIX"
        )
    endpoint = Bucket(config.public_bucket).endpoint
    return Origin(endpoint, args.content_cache, args.content_cache_size)


def _key_of(args: argparse.Namespace) -> str:
    key: str = args.key
    return sys.stdin.readline().strip() if key == "-" else key


def _licence_dict(licence: Licence, now: float) -> dict[str, object]:
    terms = licence.terms
    return {
        "id": licence.public_id,
        "masked_key": licence.masked_key,
        "state": licence.state(now),
        "products": list(terms.products),
        "releases": list(terms.releases),
        "channel": terms.channel,
        "hosts": terms.host_limit,
        "hosts_taken": licence.seats_taken,
        "expires": time_or_none(terms.expires_at),
        "created": format_time(licence.created_at),
        "revoked": time_or_none(licence.revoked_at),
        "note": terms.note,
    }


def _host_dict(host: Host) -> dict[str, object]:
    return {
        "id": host.public_id,
        "host_name": host.name,
        "licence": host.licence,
        "release": host.release,
        "arch": host.arch,
        "state": "registered" if host.ended_at is None else "ended",
        "registered": format_time(host.registered_at),
        "last_registered": format_time(host.last_registered_at),
        "ended": time_or_none(host.ended_at),
        "ended_by": host.ended_by,
    }


def _seats(licence: Licence) -> str:
    limit = licence.terms.host_limit
    return f"{licence.seats_taken} of {'any number' if limit is None else limit}"


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))


_LICENCE_FIELDS = (
    *("id", "masked_key", "state", "products", "releases", "channel", "hosts", "hosts_taken"),
    *("expires", "created", "revoked", "note"),
)
_HOST_FIELDS = (
    *("id", "host_name", "licence", "release", "arch", "state", "registered", "last_registered"),
    *("ended", "ended_by"),
)


def _print_csv(rows: Sequence[Mapping[str, object]], fields: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(fields)
    for row in rows:
        writer.writerow([_csv_cell(row[field]) for field in fields])


def _csv_cell(value: object) -> object:
    """Host names and notes come from outside: a spreadsheet must not run one as a formula."""
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def _print_fields(fields: dict[str, object]) -> None:
    for name, value in fields.items():
        if isinstance(value, list):
            value = ", ".join(value) or "all"
        if value not in (None, ""):
            print(f"{name.replace('_', ' ') + ':':<17}{_plain(str(value))}")


def _print_hosts(found: Iterable[Host]) -> None:
    rows = [
        (
            host.public_id,
            host.name,
            host.licence,
            host.release or "-",
            host.arch or "-",
            format_time(host.last_registered_at),
            "" if host.ended_at is None else f"left {format_time(host.ended_at)}",
        )
        for host in found
    ]
    _print_table(("ID", "HOST", "LICENCE", "RELEASE", "ARCH", "REGISTERED", ""), rows)


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    cells = [[_plain(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _plain(text: str) -> str:
    """Host names and notes come from outside: a terminal must neither obey nor choke on them."""
    encoding = sys.stdout.encoding or "utf-8"
    known = text.encode(encoding, "replace").decode(encoding)
    return "".join(c if c.isprintable() else "?" for c in known)
