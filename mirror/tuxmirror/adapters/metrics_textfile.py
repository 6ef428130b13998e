"""The state of all trees for node_exporter's textfile collector.

Source of the format: Prometheus' text exposition format, written by its own library; the file
appears with one rename, as the collector asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from ..core.health import LEVELS
from .files import write_atomically


def write(path: Path, trees: Sequence[Mapping[str, Any]], now: float) -> None:
    """`trees` are documents of `usecases.status`. Raises StorageError."""
    registry = CollectorRegistry()
    gauges = _Gauges(registry)
    for tree in trees:
        gauges.add(tree)
    gauges.written.set(now)
    write_atomically(path, generate_latest(registry))


class _Gauges:
    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"tuxmirror_{name}", text, labels, registry=registry)

        self.level = gauge("tree_level", "0 well, 1 look at it, 2 needs a person", "tree")
        self.sync = gauge("last_sync_timestamp_seconds", "When the last sync ended", "tree")
        self.failed = gauge("last_sync_exit_status", "How it ended; 0 is well", "tree")
        self.upstream = gauge("upstream_timestamp_seconds", "Upstream's TIME", "tree")
        self.verified = gauge("last_verify_timestamp_seconds", "When verify last looked", "tree")
        self.rotten = gauge(
            "verify_damaged", "What it found damaged and could not, or was not to, repair", "tree"
        )
        self.repaired = gauge("verify_repaired", "What it repaired", "tree")
        self.quarantined = gauge("quarantined_files", "Refused files that are kept", "tree")
        place = ("tree", "channel")
        self.made = gauge("snapshot_created_timestamp_seconds", "Of what is shown", *place)
        self.packages = gauge("snapshot_packages", "Packages of what is shown", *place)
        self.bytes = gauge("snapshot_bytes", "Bytes of these packages", *place)
        self.retained = gauge("retained_files", "Expired files that are still served", *place)
        self.held = gauge("held_snapshots", "Snapshots that sync does not publish here", *place)
        self.kept = gauge("policy_held_packages", "Packages that its policy keeps back", *place)
        self.waiting = gauge("approval_waiting", "1: a snapshot waits for approval", *place)
        self.damaged = gauge("record_damaged", "1: what is shown cannot be read", *place)
        self.written = gauge("status_timestamp_seconds", "When this file was written")

    def add(self, tree: Mapping[str, Any]) -> None:
        name = tree["tree"]
        self.level.labels(name).set(LEVELS.index(tree["level"]))
        if tree["last_sync"] is not None:
            self.sync.labels(name).set(tree["last_sync"])
            error = tree["last_error"] or {}
            self.failed.labels(name).set(error.get("exit_status", 0))
        if tree["upstream_time"]:
            self.upstream.labels(name).set(tree["upstream_time"])
        last = tree.get("last_verify")
        if last:
            self.verified.labels(name).set(last["time"])
            self.rotten.labels(name).set(last["damaged"])
            self.repaired.labels(name).set(last["repaired"])
        self.quarantined.labels(name).set(len(tree["quarantine"]))
        for channel, state in {**tree["channels"], "candidate": tree["candidate"]}.items():
            if state is not None:
                self._channel(name, channel, state)
                held = tree["held"].get(channel, ())
                self.held.labels(name, channel).set(len(held))

        for channel, policy in tree["policy"].items():
            self.kept.labels(name, channel).set(policy["held"])
            self.waiting.labels(name, channel).set(bool(policy["waiting"]))

    def _channel(self, tree: str, channel: str, state: Mapping[str, Any]) -> None:
        self.damaged.labels(tree, channel).set("error" in state)
        if "error" in state:
            return
        self.made.labels(tree, channel).set(state["created"])
        self.packages.labels(tree, channel).set(state["packages"])
        self.bytes.labels(tree, channel).set(state["bytes"])
        self.retained.labels(tree, channel).set(state.get("retained", 0))
