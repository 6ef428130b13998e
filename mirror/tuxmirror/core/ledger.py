"""The ledger of first publications: when customers of a channel could first see an advisory.

Its file is a chain as `core.journal` describes it, of entries like

    {"time": …, "action": "published", "channel": "vetted", "release": "9.2", "product": "esu",
     "advisories": ["CLSA-2026:001", …], "baseline": false, …}

and never says twice that the same advisory was published. What a release already had when it was
first shown in a channel is its baseline: nobody can say of it how long it took. One that had
nothing then has an entry without advisories.

It is published as it is, and signed, so that others can follow the chain. The signature is kept:
the same ledger is published with the same one, and what was signed must still be there:

    {"size": 1234, "sha256": …, "signature": "-----BEGIN PGP SIGNATURE-----…"}
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from . import journal
from .advisory.model import Advisory, Scope
from .errors import VerificationError

PUBLISHED = "published"
# So that a line stays far below what the chain's reader takes for one.
BATCH = 1000

Key = tuple[Scope, str]


class Ledger(NamedTuple):
    """What a channel's entries say: the time by scope and advisory, which are baseline, and which
    scopes were ever shown."""

    first: Mapping[Key, int]
    baseline: frozenset[Key]
    scopes: frozenset[Scope]


class Batch(NamedTuple):
    """One entry to write: advisories of one scope that are shown for the first time."""

    scope: Scope
    advisories: tuple[str, ...]
    baseline: bool

    def fields(self, channel: str) -> dict[str, object]:
        """Of the entry, beside its time and action."""
        return {
            "channel": channel,
            "release": self.scope.release,
            "product": self.scope.product,
            "advisories": list(self.advisories),
            "baseline": self.baseline,
        }


class Signed(NamedTuple):
    """A signature over the first `size` bytes of the ledger's file, and their SHA-256."""

    size: int
    sha256: str
    signature: str

    def check(self, data: bytes) -> None:
        """Raises VerificationError where `data` does not begin with what was signed."""
        found = hashlib.sha256(data[: self.size]).hexdigest()
        if len(data) < self.size or found != self.sha256:
            raise VerificationError(
                "the ledger of first publications is not the one that was signed",
                expected=f"{self.size} bytes with sha256 {self.sha256}",
                found=f"{min(self.size, len(data))} bytes with sha256 {found}",
                way_out="restore it from a backup, or from what was published last"
                " (cve/data/first-publications.jsonl)",
            )


class Plan(NamedTuple):
    """What will be written once a channel shows these snapshots (their ids by tree)."""

    snapshots: Mapping[str, str]
    time: int
    batches: tuple[Batch, ...]

    def lines(self, channel: str, data: bytes) -> bytes:
        """The ledger's file afterwards, `data` being what it is now."""
        for batch in self.batches:
            last = data[:-1].rpartition(b"\n")[2] or None
            fields = {"time": self.time, "action": PUBLISHED, **batch.fields(channel)}
            data += journal.seal(fields, last)
        return data


def read(entries: Iterable[Mapping[str, Any]], channel: str) -> Ledger:
    """The entries of one channel; the earliest counts.

    Raises:
        VerificationError: an entry of another shape.
    """
    first: dict[Key, int] = {}
    baseline = set()
    scopes = set()
    for entry in entries:
        try:
            if entry["action"] != PUBLISHED or entry["channel"] != channel:
                continue
            scope = Scope(entry["release"], entry["product"])
            scopes.add(scope)
            for name in entry["advisories"]:
                key = (scope, str(name))
                if key not in first:
                    first[key] = int(entry["time"])
                    baseline |= {key} if entry["baseline"] else set()
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError(
                "the ledger of first publications has an entry of another kind",
                expected="an entry as core.ledger describes it",
                found=repr(error),
            ) from None
    return Ledger(first, frozenset(baseline), frozenset(scopes))


def missing(
    advisories: Iterable[Advisory], known: Ledger, shown: Iterable[Scope] = ()
) -> list[Batch]:
    """What is to be written so that the ledger speaks of all these advisories, sorted.

    Args:
        shown: scopes that the channel shows, also those without an advisory.
    """
    fresh: dict[Scope, set[str]] = {scope: set() for scope in shown if scope not in known.scopes}
    for advisory in advisories:
        if (advisory.scope, advisory.id) not in known.first:
            fresh.setdefault(advisory.scope, set()).add(advisory.id)
    batches = []
    for scope in sorted(fresh):
        names = sorted(fresh[scope])
        batches += [
            Batch(scope, tuple(names[start : start + BATCH]), scope not in known.scopes)
            for start in range(0, max(len(names), 1), BATCH)
        ]
    return batches


def with_batches(known: Ledger, batches: Sequence[Batch], time: int) -> Ledger:
    """What the ledger will say once they are written at `time`."""
    fresh = {(b.scope, name): time for b in batches for name in b.advisories}
    baseline = {(b.scope, name) for b in batches if b.baseline for name in b.advisories}
    scopes = known.scopes | {batch.scope for batch in batches}
    return Ledger({**fresh, **known.first}, known.baseline | baseline, scopes)


def encode_signed(signed: Signed) -> bytes:
    return (json.dumps(signed._asdict()) + "\n").encode()


def decode_signed(data: bytes) -> Signed:
    """Raises VerificationError where it is damaged."""
    with _damage("the record of the ledger's signature"):
        fields = json.loads(data)
        return Signed(int(fields["size"]), str(fields["sha256"]), str(fields["signature"]))


def encode_plan(plan: Plan) -> bytes:
    return (json.dumps(plan) + "\n").encode()


def decode_plan(data: bytes) -> Plan:
    """Raises VerificationError where it is damaged."""
    with _damage("the record of what is being published"):
        snapshots, time, batches = json.loads(data)
        known = tuple(Batch(Scope(*scope), tuple(ids), bool(b)) for scope, ids, b in batches)
        return Plan(dict(snapshots), int(time), known)


@contextlib.contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise VerificationError(
            f"{what} is damaged: {error!r}", way_out="remove it from the store's state/notes"
        ) from None
