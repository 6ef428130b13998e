"""Figures for Prometheus. No label holds anything that a client chose.

One registry an application: several in one process do not count for each other.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterable
from typing import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from ..core.errors import StorageError
from ..ports.registry import Registry

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counts what the web service does, and asks the registry when it is looked at."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.time) -> None:
        self._collectors = CollectorRegistry()
        self._requests = Counter(
            "tuxmirror_requests",
            "Requests by route and status",
            ("route", "method", "status"),
            registry=self._collectors,
        )
        self._seconds = Histogram(
            "tuxmirror_request_seconds",
            "Seconds until the answer began",
            ("route",),
            buckets=_SECONDS,
            registry=self._collectors,
        )
        self._refused = Counter(
            "tuxmirror_refused",
            "Requests refused, by the code that the client was told",
            ("route", "code"),
            registry=self._collectors,
        )
        self._sent = Counter(
            "tuxmirror_content_bytes",
            "Bytes of content promised in answers",
            registry=self._collectors,
        )
        self._collectors.register(_RegistryFigures(registry, clock))

    def request(self, route: str, method: str, status: int, seconds: float, sent: int) -> None:
        """One answer. `sent` counts where it is content."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if route == "content":
            self._sent.inc(sent)

    def refused(self, route: str, code: str) -> None:
        self._refused.labels(route, code).inc()

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self._collectors)


class _RegistryFigures(Collector):
    """What stands in the registry now; a database that is down is a figure, too."""

    def __init__(self, registry: Registry, clock: Callable[[], float]) -> None:
        self._registry = registry
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("tuxmirror_registry_up", "Whether the database answers")
        licences = GaugeMetricFamily("tuxmirror_licences", "Licences by state", labels=["state"])
        hosts = GaugeMetricFamily("tuxmirror_hosts", "Hosts that hold a seat")
        try:
            with self._registry.reading() as unit:
                found = unit.licences()
        except StorageError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        now = self._clock()
        states = Tally(licence.state(now) for licence in found)
        for state in ("valid", "expired", "revoked"):
            licences.add_metric([state], states[state])
        hosts.add_metric([], sum(licence.seats_taken for licence in found))
        yield from (up, licences, hosts)
