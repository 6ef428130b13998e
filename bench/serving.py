"""nginx with the gate against nginx without it: 4 kB files at 64 connections.

Servers of one nginx in turn, in many short rounds, forwards and backwards. What counts is the
median over the rounds of the ratio within a round, for what else the machine does comes and goes,
with the interval in which it lies at 95 %. Beside files a second stands nginx' processor time for
each file, by the scheduler's count: that hardly depends on what else runs.

The plain server is what an operator would write who gates nothing: one `root`, the same headers,
sendfile as in the gated one, and nginx' own log format into a buffered log of the same size. Beside
it stands one that keeps files open as the gated one does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.support.nginx import Nginx, free_port, in_front, memory_folder
from tests.support.service import Operator

from .figures import Figure, median_interval
from .load import wrk
from .work import fresh_filesystem

GATED = "almalinux/9.2"
OPEN = "almalinux/8.8"
PACKAGES = "BaseOS/x86_64/os/Packages"
_FILES = 50
_CONNECTIONS = 64
# In rounds of one second what is new in a slot of leases, and starts anew, weighs too much.
_SECONDS = 2
_TARGET = 0.9
TITLE = "Files from nginx, with the gate and without"
ABOUT = (
    "4 kB files at 64 connections, wrk on the same machine. Ratios are medians over the rounds,"
    " each server in turn within a round, with the interval at 95 %; processor time is"
    " nginx' alone, by the scheduler's count. Without a gate: a plain server with one `root`, the"
    " same headers, sendfile settings and buffered logging, in nginx' own `combined` format.\n"
)
TREES = f"""[{OPEN}]
repos = BaseOS
arches = x86_64
gpgkey = /k
open = yes
upstream = http://127.0.0.1:1/
"""
_PLAIN = """server {{
    listen 127.0.0.1:{port};
    root {public}/vetted;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    server_tokens off;
    types {{ application/x-rpm rpm; }}
    default_type application/octet-stream;
    add_header Cache-Control "public, max-age=31536000, immutable";
    add_header X-Content-Type-Options nosniff;
    access_log {log} combined buffer=64k flush=5s;
    {more}
}}"""
# As `nginx-config` has it for packages below a lease.
_KEPT_OPEN = (
    "open_file_cache max=200 inactive=10s; open_file_cache_valid 10s; open_file_cache_min_uses 2;"
)


class Round(NamedTuple):
    """One server in one round: files a second, and nginx' processor seconds for each."""

    rate: float
    processor: float


def cpu_seconds(pid: int) -> float:
    """What the main thread of a process has used so far, by the scheduler's own count."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def run(folder: Path, rounds: int) -> list[Figure]:
    """4 kB files from nginx: with a token, from an open tree, and without a gate."""
    with fresh_filesystem(folder) as place, memory_folder() as memory:
        operator = Operator(place / "operator", main=f"leases = {memory}/leases", trees=TREES)
        operator.publish({
            f"{tree}/{PACKAGES}/f{number}.rpm": os.urandom(4096)
            for number in range(_FILES) for tree in (GATED, OPEN)
        })  # fmt: skip
        ports = free_port(), free_port()
        plain = "\n".join(
            _PLAIN.format(port=port, public=operator.public, more=more,
                          log=operator.root / f"plain-{port}.log")
            for port, more in zip(ports, ("", _KEPT_OPEN))
        )  # fmt: skip
        workers = os.cpu_count() or 2
        with (
            operator.serve() as service,
            in_front(operator, service.address, memory, workers=workers, more=plain) as front,
        ):
            token = front.register(operator.create_licence("--product", "esu")).json()["token"]
            kinds = {
                "without a gate": (f"http://127.0.0.1:{ports[0]}", f"/{GATED}"),
                "without a gate, files kept open": (f"http://127.0.0.1:{ports[1]}", f"/{GATED}"),
                "an open tree of the same server": (front.url, f"/{OPEN}"),
                "with a token": (front.url, f"/{GATED}/{token}"),
            }
            scripts = {
                kind: files_script(operator.root / f"files-{number}.lua", base)
                for number, (kind, (_, base)) in enumerate(kinds.items())
            }
            found = in_turn(
                {kind: lambda kind=kind: one_round(front, kinds[kind][0], scripts[kind])
                 for kind in kinds}, rounds,
            )  # fmt: skip
    return figures(found)


def in_turn(works: dict[str, Callable[[], Round]], rounds: int) -> dict[str, list[Round]]:
    """Every work once a round, in the order given and backwards by turns; the first, which warms
    up, does not count."""
    found: dict[str, list[Round]] = {kind: [] for kind in works}
    for number in range(rounds + 1):
        for kind in list(works)[:: -1 if number % 2 else 1]:
            result = works[kind]()
            if number:
                found[kind].append(result)
    return found


def one_round(front: Nginx, url: str, script: Path) -> Round:
    """Raises RuntimeError where files were refused: what is refused has no speed."""
    before = sum(map(cpu_seconds, front.workers))
    load = wrk(url, script, _SECONDS, _CONNECTIONS)
    if load.failed:
        raise RuntimeError(f"{url}: {load.failed} of {load.answers} files were refused")
    return Round(load.rate, (sum(map(cpu_seconds, front.workers)) - before) / load.answers)


def figures(found: dict[str, list[Round]]) -> list[Figure]:
    gated = found["with a token"]
    lines = []
    for kind, rounds in found.items():
        rate = median(one.rate for one in rounds)
        spent = median(one.processor for one in rounds) * 1e6
        lines.append(Figure(f"4 kB files a second, {kind}", f"{rate:.0f}"))
        lines.append(Figure("nginx' processor time for each", f"{spent:.1f} µs"))
    for kind, others in found.items():
        if others is gated:
            continue
        rates = median_interval([one.rate / other.rate for one, other in zip(gated, others)])
        costs = median_interval(
            [other.processor / one.processor for one, other in zip(gated, others)]
        )
        what = f"with a token to {kind}"
        lines.append(Figure(f"{what}, files a second", rates.text(), f"{_TARGET:.2f}",
                            rates.at_least(_TARGET)))  # fmt: skip
        lines.append(Figure(f"{what}, processor time for each, inverse", costs.text()))
    return lines


def files_script(script: Path, base: str) -> Path:
    """The files in turn. The requests are made beforehand: wrk shares the machine with nginx."""
    script.write_text(
        f"""local requests, last = {{}}, 0
init = function()
  for number = 0, {_FILES - 1} do
    requests[number] = wrk.format("GET", string.format("{base}/{PACKAGES}/f%d.rpm", number))
  end
end
request = function()
  last = (last + 1) % {_FILES}
  return requests[last]
end
"""
    )
    return script
