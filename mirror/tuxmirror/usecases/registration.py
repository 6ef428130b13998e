"""Letting hosts in: register, refresh, unregister, and what a token opens."""

from __future__ import annotations

import threading
import time
from typing import Callable

from ..core.credentials import Digests, make_public_id, make_token
from ..core.licence import (
    ExhaustedError,
    Grant,
    Host,
    HostFacts,
    Licence,
    LicenceError,
    Registered,
    TokenRecord,
    UnknownKeyError,
    UnknownTokenError,
    grant_of,
    is_over,
    refuse_unless_usable,
)
from ..ports.registry import AuditLog, Registry, RegistryUnit

# How long a token lives on beside its successor: a running `dnf upgrade` ends in peace.
OVERLAP = 600
# A revoked token works for so long at most.
GRANT_LIFETIME = 10.0
_GRANTS = 50_000
_KNOWN_KEYS = 50_000


class GrantCache:
    """What tokens open, remembered for a short while: an upgrade asks for a thousand files.

    Unknown tokens are not remembered, so guessing fills nothing.
    """

    def __init__(
        self,
        lifetime: float,
        capacity: int = _GRANTS,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ticks` only goes forward, in seconds: a clock that is set back prolongs nothing."""
        self._lifetime = lifetime
        self._capacity = capacity
        self._ticks = ticks
        self._grants: dict[str, tuple[float, Grant]] = {}
        self._lock = threading.Lock()

    def get(self, digest: str, now: float) -> Grant | None:
        known = self._grants.get(digest)
        if known is None or self._ticks() >= known[0] or is_over(known[1].expires_at, now):
            return None
        return known[1]

    def put(self, digest: str, grant: Grant, asked: float) -> None:
        """`asked`: the ticks before the registry was asked for it."""
        with self._lock:
            if len(self._grants) >= self._capacity:
                self._grants.clear()
            self._grants[digest] = (asked + self._lifetime, grant)

    def forget(self, digest: str) -> None:
        with self._lock:
            self._grants.pop(digest, None)


class Registration:
    """The registration service. Thread-safe; `clock` gives seconds since the epoch, `ticks` some
    that only go forward."""

    def __init__(
        self,
        registry: Registry,
        digests: Digests,
        audit: AuditLog,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._digests = digests
        self._audit = audit
        self._clock = clock
        self._ticks = ticks
        self._grants = GrantCache(GRANT_LIFETIME, ticks=ticks)
        # Digest of a key, public id of its licence: neither ever changes.
        self._known_keys: dict[str, str] = {}

    def check(self) -> None:
        self._registry.check()

    def shut_out(self, _remote: str) -> float:
        return 0.0

    def key_name(self, key: str) -> str:
        """What a key may be called where it is counted: no secret."""
        return self._digests.key(key)

    def inspect(self, key: str, remote: str) -> Licence:
        with self._registry.reading() as unit:
            licence = unit.licence_by_key(self._digests.key(key))
        if licence is None:
            raise _unknown_key()
        refuse_unless_usable(licence, self._clock())
        return licence

    def inspect_token(self, token: str, remote: str) -> Licence:
        """The licence behind a valid token. Raises UnknownTokenError, or why it lets nobody in."""
        now = int(self._clock())
        with self._registry.reading() as unit:
            record = _still_valid(unit.token(self._digests.token(token)), now)
        refuse_unless_usable(record.licence, now)
        return record.licence

    def register(self, key: str, facts: HostFacts, remote: str) -> Registered:
        key_digest = self._digests.key(key)
        public_id = self._known_key(key_digest)
        try:
            return self._seat(key_digest, facts, remote)
        except LicenceError as refusal:
            self._audit.record(
                "register_refused",
                reason=refusal.code,
                licence=public_id,
                host_name=facts.name,
                remote=remote,
            )
            raise

    def _known_key(self, key_digest: str) -> str:
        """The licence's public id. Wrong keys must not queue for the write lock, or they slow the
        right ones down; those that were seen before need not be looked up twice."""
        public_id = self._known_keys.get(key_digest)
        if public_id is None:
            with self._registry.reading() as unit:
                licence = unit.licence_by_key(key_digest)
            if licence is None:
                raise _unknown_key()
            public_id = licence.public_id
            if len(self._known_keys) >= _KNOWN_KEYS:
                self._known_keys.clear()
            self._known_keys[key_digest] = public_id
        return public_id

    def _seat(self, key_digest: str, facts: HostFacts, remote: str) -> Registered:
        now = int(self._clock())
        with self._registry.writing() as unit:
            licence = unit.licence_by_key(key_digest)
            if licence is None:
                raise _unknown_key()
            refuse_unless_usable(licence, now, facts.release)
            known, host = self._take_seat(unit, licence, facts, now)
            if known:
                unit.retire_tokens(host.id, None, now + OVERLAP, now)
            token = self._issue(unit, host, now)
            # Before the commit: a seat that nobody can account for is worse than a line too many.
            self._audit.record(
                "registered_again" if known else "registered",
                licence=licence.public_id,
                host=host.public_id,
                host_name=facts.name,
                # Another name on the same machine id: most likely a cloned machine.
                **({"former_name": known.name} if known and known.name != facts.name else {}),
                release=facts.release,
                arch=facts.arch,
                remote=remote,
            )
        return Registered(token, licence.terms)

    def _take_seat(
        self, unit: RegistryUnit, licence: Licence, facts: HostFacts, now: int
    ) -> tuple[Host | None, Host]:
        """The host as it was known before, if it was, and as it is now."""
        machine = None
        known = None
        if facts.machine_id:
            machine = self._digests.machine(licence.id, facts.machine_id)
            known = unit.host_by_machine(licence.id, machine)
        if (known is None or known.ended_at is not None) and licence.seats_left == 0:
            raise ExhaustedError(
                f"all {licence.terms.host_limit} hosts of this licence key are registered",
                way_out="unregister a host, or ask for a licence for more",
            )
        if known is None:
            return None, unit.add_host(licence, make_public_id(10), facts, machine, now)
        unit.renew_host(known.id, facts, now)
        return known, known

    def _issue(self, unit: RegistryUnit, host: Host, now: int) -> str:
        token = make_token()
        unit.add_token(host.id, self._digests.token(token), now)
        return token

    def refresh(self, token: str, remote: str) -> Registered:
        digest = self._digests.token(token)
        now = int(self._clock())
        self._valid_record(digest, now)
        with self._registry.writing() as unit:
            record = _still_valid(unit.token(digest), now)
            refuse_unless_usable(record.licence, now)
            unit.retire_tokens(record.host.id, digest, now + OVERLAP, now)
            successor = self._issue(unit, record.host, now)
            self._audit.record(
                "token_refreshed",
                licence=record.licence.public_id,
                host=record.host.public_id,
                remote=remote,
            )
        return Registered(successor, record.licence.terms)

    def unregister(self, token: str, remote: str) -> None:
        digest = self._digests.token(token)
        now = int(self._clock())
        # An expired licence is no reason to keep a host from leaving.
        self._valid_record(digest, now)
        with self._registry.writing() as unit:
            record = _still_valid(unit.token(digest), now)
            unit.end_host(record.host.id, "host", now)
            self._audit.record(
                "unregistered",
                licence=record.licence.public_id,
                host=record.host.public_id,
                host_name=record.host.name,
                remote=remote,
            )
        self._grants.forget(digest)

    def _valid_record(self, digest: str, now: int) -> None:
        """Turns guesses away before they queue for the write lock."""
        with self._registry.reading() as unit:
            _still_valid(unit.token(digest), now)

    def remembered(self, token: str) -> Grant | None:
        """As `grant`, from memory alone; None where it has to be looked up."""
        return self._grants.get(self._digests.token(token), self._clock())

    def grant(self, token: str, remote: str) -> Grant | None:
        digest = self._digests.token(token)
        now = self._clock()
        known = self._grants.get(digest, now)
        if known is not None:
            return known
        asked = self._ticks()
        with self._registry.reading() as unit:
            record = unit.token(digest)
        grant = grant_of(record, now) if record else None
        if grant is None:
            self._grants.forget(digest)
        else:
            self._grants.put(digest, grant, asked)
        return grant


def _still_valid(record: TokenRecord | None, now: int) -> TokenRecord:
    over = record is None or record.host.ended_at is not None or is_over(record.expires_at, now)
    if record is None or over:
        raise UnknownTokenError(
            "this token is not valid", way_out="register the host again with its licence key"
        )
    return record


def _unknown_key() -> UnknownKeyError:
    return UnknownKeyError(
        "no such licence key", way_out="check it against the one that you received"
    )
