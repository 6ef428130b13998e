"""The commands that let hosts in: license, host, serve, nginx-config."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core import licence as rules
from ..core import nginx, nginx_origin
from ..core.config import Config

Handler = Callable[[Config, argparse.Namespace], int]


def _later(name: str) -> Handler:
    """A handler of `cli.serving`, imported when it runs."""

    def handler(config: Config, args: argparse.Namespace) -> int:
        module = importlib.import_module(".serving", __package__)
        return int(getattr(module, name)(config, args))

    return handler


def add_commands(subparsers: Any) -> None:
    """Adds the commands; each sets `handler(config, args) -> int`."""
    _add_license(subparsers.add_parser("license", help="make, show and revoke licence keys"))
    _add_host(subparsers.add_parser("host", help="show registered hosts, end a registration"))
    command = subparsers.add_parser("serve", help="serve registration and content")
    command.add_argument(
        "--listen",
        default="127.0.0.1:8080",
        metavar="ADDRESS:PORT",
        help="where (default: %(default)s); port 0 takes a free one; systemd: the socket of its"
        " .socket unit",
    )
    _finish(command, _later("run_serve"))
    _add_nginx_config(subparsers)


def _add_nginx_config(subparsers: Any) -> None:
    command = subparsers.add_parser(
        "nginx-config",
        help="print a configuration of nginx",
        description="Prints what goes into /etc/nginx/conf.d/tuxmirror.conf: nginx sends the files"
        " and asks a running `tuxmirror serve` who may have them.",
    )
    command.add_argument("--server-name", required=True, metavar="NAME", help="as customers say it")
    command.add_argument(
        "--service",
        default="127.0.0.1:8080",
        metavar="ADDRESS:PORT",
        help="where the service listens (default: %(default)s)",
    )
    command.add_argument(
        "--listen", metavar="[ADDRESS:]PORT", help="(default: 443, with --plain-http 80)"
    )
    command.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="(default: /etc/letsencrypt/live/NAME/fullchain.pem)",
    )
    command.add_argument("--certificate-key", type=Path, metavar="FILE", help="its private key")
    command.add_argument(
        "--plain-http", action="store_true", help="no TLS: something in front of nginx does it"
    )
    command.add_argument(
        "--cache",
        type=Path,
        default=nginx.AUTH_CACHE,
        metavar="FOLDER",
        help="for answers about tokens; in memory (default: %(default)s)",
    )
    command.add_argument(
        "--access-log",
        type=Path,
        default=nginx.ACCESS_LOG,
        metavar="FILE",
        help="(default: %(default)s)",
    )
    command.add_argument(
        "--origin",
        choices=("files", "s3"),
        default="files",
        help="where what is served lies (default: %(default)s)",
    )
    command.add_argument(
        "--content-cache",
        type=Path,
        default=nginx_origin.CONTENT_CACHE,
        metavar="FOLDER",
        help="with --origin s3: for objects of the bucket (default: %(default)s)",
    )
    command.add_argument(
        "--content-cache-size",
        default="50g",
        metavar="SIZE",
        help="how much of them (default: %(default)s)",
    )
    command.set_defaults(handler=_later("run_nginx_config"))


def _finish(command: argparse.ArgumentParser, handler: Any) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=handler)


def _finish_list(command: argparse.ArgumentParser, handler: Any) -> None:
    kinds = command.add_mutually_exclusive_group()
    kinds.add_argument("--json", action="store_true", help="print JSON")
    kinds.add_argument("--csv", action="store_true", help="print CSV, with a head line")
    command.set_defaults(handler=handler)


def _add_license(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    create = commands.add_parser("create", help="make a licence; prints its key, once")
    create.add_argument(
        "--product",
        action="append",
        required=True,
        metavar="P",
        help=f"what it buys: {', '.join(rules.PRODUCTS)}; may be repeated",
    )
    create.add_argument(
        "--release",
        action="append",
        default=[],
        metavar="R",
        help="a release such as 9.2, or 9 for all of 9.x; may be repeated (default: all)",
    )
    create.add_argument("--hosts", type=int, metavar="N", help="seats (default: no limit)")
    create.add_argument("--expires", metavar="DATE", help="last day, UTC (default: never)")
    create.add_argument(
        "--channel", default=rules.DEFAULT_CHANNEL, metavar="C", help="(default: %(default)s)"
    )
    create.add_argument("--note", default="", help="for you: shown in lists")
    _finish(create, _later("run_license_create"))
    _finish_list(commands.add_parser("list", help="all licences"), _later("run_license_list"))
    for name, text, handler in (
        ("show", "one licence and its hosts", _later("run_license_show")),
        ("revoke", "end a licence and all its tokens", _later("run_license_revoke")),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("key", metavar="KEY", help="the key, its id, or - to read it")
        _finish(command, handler)


def _add_host(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    command = commands.add_parser("list", help="registered hosts")
    command.add_argument("--license", metavar="KEY", help="of this licence (key or id) only")
    command.add_argument("--all", action="store_true", help="also those that left")
    _finish_list(command, _later("run_host_list"))
    for name, text, handler in (
        ("show", "one host", _later("run_host_show")),
        ("revoke", "end a host's registration and free its seat", _later("run_host_revoke")),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("host", metavar="HOST", help="its id or host name")
        _finish(command, handler)
