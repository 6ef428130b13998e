"""The registration service under load: how many hosts it lets in, and what guessing does to that.

The store holds 1,000 licences and 10,000 hosts. Requests come as they would from a fleet, each
from another address. Results go into results/registration.md.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import requests

from tests.support.postgresql import PostgreSQL
from tests.support.service import Operator
from tuxmirror.adapters.registry_db import DatabaseRegistry
from tuxmirror.adapters.state_files import load_pepper, private_directory
from tuxmirror.core.credentials import Digests, make_key, make_public_id
from tuxmirror.core.licence import HostFacts, Terms

from .figures import Figure
from .load import wrk
from .work import fresh_filesystem

LICENCES = 1_000
HOSTS = 10_000
_CONNECTIONS = 8
TITLE = "Registration under load"
ABOUT = (
    f"{LICENCES:,} licences and {HOSTS:,} hosts in the registry, on ext4; PostgreSQL writes through"
    " to the disk. Load and server share the machine, which was not otherwise idle: read ratios,"
    " not absolute figures."
)
_REGISTER = "/cln/api/els/token/register"


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


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have used so far, in ticks of the kernel's clock."""
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
    address: tuple[str, int], body: Callable[[], dict[str, str]], rate: float, seconds: float
) -> Paced:
    """One connection that asks at a steady rate."""
    times: list[float] = []
    statuses: dict[int, int] = {}
    with requests.Session() as session:
        url = "http://{}:{}{}".format(*address, _REGISTER)
        due, end = time.monotonic(), time.monotonic() + seconds
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            remote = {"X-Forwarded-For": f"10.0.{secrets.randbelow(256)}.1"}
            started = time.monotonic()
            answer = session.post(url, json=body(), headers=remote, timeout=60)
            times.append((time.monotonic() - started) * 1000)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            due = max(due + 1 / rate, time.monotonic())
    return Paced(times, statuses)


def guess_script(folder: Path, addresses: int) -> Path:
    """Keys that nobody has, from so many addresses."""
    script = folder / "guess.lua"
    script.write_text(
        f"""math.randomseed(os.time())
local headers = {{["Content-Type"] = "application/json"}}
local letters = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
request = function()
  local n = math.random(0, {addresses - 1})
  headers["X-Forwarded-For"] = string.format("198.%d.%d.%d", 18 + math.floor(n / 65536),
                                             math.floor(n / 256) % 256, n % 256)
  local key = {{}}
  for i = 1, 24 do local c = math.random(#letters); key[i] = letters:sub(c, c) end
  local body = string.format('{{"key": "ESU-%s", "host_name": "guess"}}', table.concat(key))
  return wrk.format("POST", "{_REGISTER}", headers, body)
end
"""
    )
    return script


def guessing(folder: Path) -> list[Figure]:
    """Wrong keys as fast as they are answered, and 20 right ones a second: from few addresses,
    and from so many that no limit of an address is met."""
    figures = []
    seconds = 12
    for addresses in (10, 100_000):
        where = f"from {addresses:,} addresses"
        with site(folder) as (operator, keys), operator.serve() as service:

            def body(keys: list[str] = keys) -> dict[str, str]:
                machine = secrets.token_hex(16)
                return {"key": secrets.choice(keys), "host_name": "h", "machine_id": machine}

            script = guess_script(operator.root, addresses)
            with ThreadPoolExecutor(1) as pool:
                pending = pool.submit(wrk, service.url, script, seconds, 32)
                time.sleep(1)
                right = paced(service.address, body, 20, seconds - 2)
                wrong = pending.result()
        failed = len(right.milliseconds) - right.statuses.get(200, 0)
        times = f"{median(right.milliseconds):.0f} and {p99(right.milliseconds):.0f} ms"
        count = len(right.milliseconds)
        figures += [
            Figure(f"wrong keys a second {where}, all refused", f"{wrong.rate:.0f}"),
            Figure(f"{count} right ones meanwhile: failed", f"{failed}", "0", failed == 0),
            Figure("the same: median and p99", times),
        ]
    return figures


def p99(values: list[float]) -> float:
    return quantiles(values, n=100)[98]


def run(folder: Path) -> list[Figure]:
    """Every figure of the report."""
    figures = registrations(folder, "SQLite", "", 50)
    with PostgreSQL(durable=True) as server, server.database() as url:
        figures += registrations(folder, "PostgreSQL", url, 200)
    return [*figures, *guessing(folder)]
