"""First publications: when customers of a channel could first see an advisory.

What a publish will be the first to show is planned before its pages are made, for they speak of
it, and written to the ledger once the channel shows it. The plan is kept in between: a run that was
killed after the switch is made up for by the next one, with the time of the switch.

    plan()       under the channel's lock, before the switch
    confirm()    after the switch, and whenever the channel is looked at again

`candidate` has no ledger: it is what the mirror verified, not what customers see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..core import journal
from ..core import ledger as ledgers
from ..core.advisory.model import Advisory, scope_of
from ..core.ledger import Ledger, Plan, Signed
from .context import Mirror

if TYPE_CHECKING:
    from .site import Showing

CANDIDATE = "candidate"


class Planned(NamedTuple):
    """What the ledger will say once the channel shows these snapshots.

    `data` is its file then, `signature` ASCII-armoured; None without a signing key.
    """

    ledger: Ledger
    data: bytes
    signature: bytes | None


def known(mirror: Mirror, channel: str) -> Ledger:
    """What is written. Raises VerificationError where the ledger was altered."""
    data = _data(mirror, channel)
    signed = _signed(mirror, channel)
    if signed:
        signed.check(data)
    return ledgers.read(journal.read(data, _ledger_note(channel)), channel)


def plan(mirror: Mirror, showing: Showing, advisories: Iterable[Advisory]) -> Planned:
    """Before the channel shows these snapshots with all their advisories.

    The caller holds `site.changing`.

    Raises:
        VerificationError: the ledger was altered.
        ConfigError, SignatureError: it cannot be signed.
    """
    channel = showing.channel
    written = known(mirror, channel)
    shown = {tree: snapshot.id for tree, snapshot in showing.snapshots.items()}
    scopes = [scope for scope in map(scope_of, shown) if scope]
    planned = Plan(shown, showing.time, tuple(ledgers.missing(advisories, written, scopes)))
    if planned.batches:
        mirror.state.set_note(_plan_note(channel), ledgers.encode_plan(planned))
    data = planned.lines(channel, _data(mirror, channel))
    after = ledgers.with_batches(written, planned.batches, planned.time)
    return Planned(after, data, _signature(mirror, channel, data))


def confirm(mirror: Mirror, channel: str) -> None:
    """Write what was planned, if the channel came to show it; cheap where nothing was.

    The caller holds `site.changing`.
    """
    planned = _kept(mirror, channel)
    if planned is None:
        return
    if all(_shows(mirror, channel, tree, name) for tree, name in planned.snapshots.items()):
        data = _data(mirror, channel)
        if not _is_written(
            planned, ledgers.read(journal.read(data, _ledger_note(channel)), channel)
        ):
            data = planned.lines(channel, data)
            mirror.state.set_note(_ledger_note(channel), data)
        _keep_signature(mirror, channel, data)
    mirror.state.set_note(_plan_note(channel), None)


def _is_written(planned: Plan, written: Ledger) -> bool:
    """All of it or nothing: a run may have been killed just after it wrote the ledger."""
    for batch in planned.batches:
        if not batch.advisories:
            return batch.scope in written.scopes
        return (batch.scope, batch.advisories[0]) in written.first
    return True


def _shows(mirror: Mirror, channel: str, tree: str, snapshot: str) -> bool:
    publication = mirror.publisher.published(channel, tree)
    return publication is not None and publication.snapshot == snapshot


def _ledger_note(channel: str) -> str:
    return f"first-publications.{channel}.jsonl"


def _data(mirror: Mirror, channel: str) -> bytes:
    return mirror.state.note(_ledger_note(channel)) or b""


def _plan_note(channel: str) -> str:
    return f"publishing.{channel}.json"


def _signature_note(channel: str, upcoming: bool = False) -> str:
    """Of what is written, and of what will be once the channel shows it."""
    return f"ledger-signature.{channel}{'.next' if upcoming else ''}.json"


def _kept(mirror: Mirror, channel: str) -> Plan | None:
    data = mirror.state.note(_plan_note(channel))
    return ledgers.decode_plan(data) if data else None


def _signed(mirror: Mirror, channel: str, upcoming: bool = False) -> Signed | None:
    data = mirror.state.note(_signature_note(channel, upcoming))
    return ledgers.decode_signed(data) if data else None


def _signature(mirror: Mirror, channel: str, data: bytes) -> bytes | None:
    """Made once for the same bytes."""
    if mirror.signer is None or not data:
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    for upcoming in (False, True):
        signed = _signed(mirror, channel, upcoming)
        if signed and signed.sha256 == sha256:
            return signed.signature.encode()
    [signature] = mirror.signer().sign([data])
    fresh = Signed(len(data), sha256, signature.decode())
    mirror.state.set_note(_signature_note(channel, True), ledgers.encode_signed(fresh))
    return signature


def _keep_signature(mirror: Mirror, channel: str, data: bytes) -> None:
    signed = _signed(mirror, channel, True)
    if signed and signed.sha256 == hashlib.sha256(data).hexdigest():
        mirror.state.set_note(_signature_note(channel), ledgers.encode_signed(signed))
        mirror.state.set_note(_signature_note(channel, True), None)
