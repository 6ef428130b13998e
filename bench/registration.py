"""The registration service under load: how many hosts it lets in, and what guessing does to that.

The store holds 1,000 licences and 10,000 hosts. Requests come as they would from a fleet, each
from another address. Results go into results/registration.md.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from tests.support.nginx import free_port, in_front, memory_folder
from tests.support.postgresql import PostgreSQL
from tests.support.service import Operator
from tuxmirror.adapters.registry_db import DatabaseRegistry
from tuxmirror.adapters.state_files import load_pepper, private_directory
from tuxmirror.core.credentials import Digests, make_key, make_public_id
from tuxmirror.core.licence import HostFacts, Terms

from .work import fresh_filesystem

LICENCES = 1_000
HOSTS = 10_000
_CONNECTIONS = 8
_REGISTER = "/cln/api/els/token/register"
_GATED = "almalinux/9.2"
_OPEN = "almalinux/8.8"
_PACKAGES = "BaseOS/x86_64/os/Packages"
_TREES = f"""[{_OPEN}]
repos = BaseOS
arches = x86_64
gpgkey = /k
open = yes
upstream = http://127.0.0.1:1/
"""


class Figure(NamedTuple):
    """One line of the report. `good` is whether the target was met; None: there is none."""

    what: str
    value: str
    target: str = ""
    good: bool | None = None


class Load(NamedTuple):
    """What wrk measured: answers a second, p99 in milliseconds, answers other than 2xx and 3xx."""

    rate: float
    p99: float
    failed: int


class Paced(NamedTuple):
    """Milliseconds of each answer by status, of requests that came at a steady rate."""

    milliseconds: list[float]
    statuses: dict[int, int]


def fill(operator: Operator, url: str) -> list[str]:
    """Licences and hosts, as use would leave them; returns the keys."""
    digests = Digests(load_pepper(private_directory(operator.state)))
    registry = DatabaseRegistry.open(url, digests.check())
    keys = [make_key("ESU") for _ in range(LICENCES)]
    now = int(time.time())
    with registry.writing() as unit:
        for key in keys:
            licence = unit.add_licence(
                make_public_id(), digests.key(key), "ESU", key[-4:], Terms(("esu",)), now
            )
            for number in range(HOSTS // LICENCES):
                facts = HostFacts(f"host{number}.example.com", None, "9.2", "x86_64")
                machine = digests.machine(licence.id, secrets.token_hex(16))
                host = unit.add_host(licence, make_public_id(10), facts, machine, now)
                unit.add_token(host.id, digests.token(secrets.token_urlsafe(32)), now)
    registry.close()
    return keys


@contextlib.contextmanager
def site(folder: Path, database: str = "") -> Iterator[tuple[Operator, list[str]]]:
    """An operator with a filled registry, on an ext4 of its own; SQLite or the URL's."""
    with fresh_filesystem(folder) as place:
        main = f"database = {database}" if database else ""
        operator = Operator(place / "operator", main=main)
        url = database or f"sqlite:///{operator.state}/registry.sqlite"
        yield operator, fill(operator, url)


def wrk(url: str, script: Path, seconds: int, connections: int) -> Load:
    done = subprocess.run(
        ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script), url],
        capture_output=True,
        text=True,
        check=True,
    )
    text = done.stdout
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", text).groups()  # type: ignore[union-attr]
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    assert rate, text
    return Load(
        float(rate[1]),
        float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
        int(failed[1]) if failed else 0,
    )


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def register_script(folder: Path, keys: list[str]) -> Path:
    """Each request: a licence at random, a host that was not there before."""
    script = folder / "register.lua"
    script.write_text(
        f"""local keys = {{{",".join(f'"{key}"' for key in keys)}}}
math.randomseed(os.time())
local headers = {{["Content-Type"] = "application/json"}}
request = function()
  local id = string.format("%08x%08x%08x%08x", math.random(0, 2^31), math.random(0, 2^31),
                           math.random(0, 2^31), math.random(0, 2^31))
  headers["X-Forwarded-For"] = string.format("10.%d.%d.%d", math.random(0, 255),
                                             math.random(0, 255), math.random(0, 255))
  local body = string.format('{{"key": "%s", "host_name": "h%s.example.com", "machine_id": "%s",'
    .. '"release": "9.2", "arch": "x86_64"}}', keys[math.random(#keys)], id:sub(1, 8), id)
  return wrk.format("POST", "{_REGISTER}", headers, body)
end
"""
    )
    return script


def registrations(folder: Path, name: str, database: str, target: int) -> list[Figure]:
    with site(folder, database) as (operator, keys), operator.serve() as service:
        script = register_script(operator.root, keys)
        wrk(service.url, script, 2, _CONNECTIONS)
        before = cpu_seconds(service.pid)
        load = wrk(service.url, script, 10, _CONNECTIONS)
        spent = (cpu_seconds(service.pid) - before) / (load.rate * 10)
    what = f"registrations a second, {name}, one process, {_CONNECTIONS} connections"
    return [
        Figure(what, f"{load.rate:.0f}", f"{target}", load.rate >= target),
        Figure(f"p99 of these, {name}", f"{load.p99:.0f} ms"),
        Figure(f"processor time of the service for each, {name}", f"{spent * 1000:.1f} ms"),
        Figure(f"of these refused or failed, {name}", f"{load.failed}", "0", load.failed == 0),
    ]


def paced(
    address: tuple[str, int], body: Callable[[], dict[str, str]], remote: Callable[[], str],
    rate: float, seconds: float,
) -> Paced:  # fmt: skip
    """One connection that asks at a steady rate, or as fast as it gets answers."""
    times, statuses = [], {}
    connection = socket.create_connection(address)
    reader = connection.makefile("rb")
    end = time.monotonic() + seconds
    due = time.monotonic()
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        data = json.dumps(body()).encode()
        started = time.monotonic()
        connection.sendall(
            f"POST {_REGISTER} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"X-Forwarded-For: {remote()}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        status = int(reader.readline().split()[1])
        length = 0
        while (line := reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        reader.read(length)
        times.append((time.monotonic() - started) * 1000)
        statuses[status] = statuses.get(status, 0) + 1
        due = max(due + 1 / rate, time.monotonic() - 0.5)
    connection.close()
    return Paced(times, statuses)


def address_of(count: int) -> str:
    """One of so many addresses."""
    number = secrets.randbelow(count)
    return f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"


def _guess(address: tuple[str, int], addresses: int, rate: float, seconds: float) -> Paced:
    def body() -> dict[str, str]:
        return {"key": make_key("ESU"), "host_name": "guess"}

    return paced(address, body, lambda: address_of(addresses), rate, seconds)


def guessing(folder: Path) -> list[Figure]:
    """1,000 wrong keys a second, and 20 right ones: from few addresses, and from very many."""
    figures = []
    seconds, guessers = 12.0, 4
    for addresses, where in ((10, "10 addresses"), (50_000, "50,000 addresses")):
        with site(folder) as (operator, keys), operator.serve() as service:

            def body(keys: list[str] = keys) -> dict[str, str]:
                machine = secrets.token_hex(16)
                return {"key": secrets.choice(keys), "host_name": "h", "machine_id": machine}

            with multiprocessing.get_context("fork").Pool(guessers) as pool:
                pending = [
                    pool.apply_async(_guess, (service.address, addresses, 1000 / guessers, seconds))
                    for _ in range(guessers)
                ]
                time.sleep(1)
                right = paced(
                    service.address, body, lambda: f"10.0.{secrets.randbelow(256)}.1", 20,
                    seconds - 2,
                )  # fmt: skip
                wrong = [result.get() for result in pending]
        count = sum(len(found.milliseconds) for found in wrong)
        failed = sum(right.statuses.values()) - right.statuses.get(200, 0)
        figures += [
            Figure(f"wrong keys a second from {where}", f"{count / seconds:.0f}"),
            Figure(
                f"right ones meanwhile, failed of {len(right.milliseconds)}", f"{failed}", "0",
                failed == 0,
            ),
            Figure(
                "the right ones' median and p99",
                f"{median(right.milliseconds):.0f} and {p99(right.milliseconds):.0f} ms",
            ),
        ]  # fmt: skip
    return figures


def p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]


def content(folder: Path, rounds: int) -> list[Figure]:
    """4 kB files from nginx at 64 connections: with a token, from an open tree, and plain."""
    with fresh_filesystem(folder) as place, memory_folder() as memory:
        operator = Operator(place / "operator", main=f"leases = {memory}/leases", trees=_TREES)
        operator.publish({
            f"{tree}/{_PACKAGES}/f{number}.rpm": os.urandom(4096)
            for number in range(50) for tree in (_GATED, _OPEN)
        })  # fmt: skip
        port = free_port()
        plain = (
            f"server {{ listen 127.0.0.1:{port}; root {operator.public}/vetted;"
            " sendfile on; tcp_nopush on; keepalive_requests 100000;"
            f" access_log {operator.root}/plain.log tuxmirror buffer=64k flush=5s; }}"
        )
        workers = os.cpu_count() or 2
        with (
            operator.serve() as service,
            in_front(operator, service.address, memory, workers=workers, more=plain) as front,
        ):
            token = front.register(operator.create_licence("--product", "esu")).json()["token"]
            kinds = {
                "a server that only has these files": (f"http://127.0.0.1:{port}", f"/{_GATED}"),
                "an open tree of the same server": (front.url, f"/{_OPEN}"),
                "with a token": (front.url, f"/{_GATED}/{token}"),
            }
            found: dict[str, list[Load]] = {kind: [] for kind in kinds}
            for _ in range(rounds * 3):
                for kind, (url, base) in kinds.items():
                    found[kind].append(wrk(url, files_script(operator.root, base), 3, 64))
    rates = {kind: median(load.rate for load in loads) for kind, loads in found.items()}
    gated = found.pop("with a token")
    figures = [
        Figure(f"4 kB files a second, {kind}", f"{rate:.0f}") for kind, rate in rates.items()
    ]
    for kind, loads in found.items():
        ratio = median(ours.rate / theirs.rate for ours, theirs in zip(gated, loads))
        figures.append(Figure(f"with a token to {kind}", f"{ratio:.2f}", "0.90", ratio >= 0.9))
    return figures


def files_script(folder: Path, base: str) -> Path:
    script = folder / "files.lua"
    script.write_text(
        "request = function() return wrk.format('GET', string.format("
        f"'{base}/{_PACKAGES}/f%d.rpm', math.random(0, 49))) end\n"
    )
    return script


def markdown(figures: list[Figure], machine: str) -> str:
    lines = [
        "# Registration and serving under load",
        "",
        f"{time.strftime('%Y-%m-%d')}, {machine}.",
        f"{LICENCES:,} licences and {HOSTS:,} hosts in the registry, on ext4; PostgreSQL writes"
        " through to the disk. Load and server share the machine, which was not otherwise idle:"
        " read ratios, not absolute figures.",
        "",
        "| what | measured | target | |",
        "|---|---:|---:|---|",
    ]
    for figure in figures:
        verdict = {None: "", True: "met", False: "**missed**"}[figure.good]
        lines.append(f"| {figure.what} | {figure.value} | {figure.target} | {verdict} |")
    return "\n".join([*lines, ""])


def run(folder: Path, rounds: int) -> list[Figure]:
    """Every figure of the report."""
    figures = registrations(folder, "SQLite", "", 50)
    with PostgreSQL(durable=True) as server, server.database() as url:
        figures += registrations(folder, "PostgreSQL", url, 200)
    return [*figures, *guessing(folder), *content(folder, rounds)]
