"""Limits in front of registration: guessing is slowed down, and never slows down who is right.

    by address   calls of the API; keys and tokens that are not known
    by licence   registrations

Only what turned out wrong counts towards guessing, and an address that guessed too often is turned
away before anything is looked up. Hosts behind the same address keep what they have: a token that
is remembered opens as ever.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable, NamedTuple

from ..core.addresses import limit_key
from ..core.licence import (
    Grant,
    HostFacts,
    Licence,
    Registered,
    UnknownKeyError,
    UnknownTokenError,
)
from ..core.limits import Buckets, Limit, TooManyError
from .registration import Registration


class Limits(NamedTuple):
    """Each a burst, and how many a second after it.

    A roll-out registers a whole site from one address with one key, so those are wide; nobody
    mistypes a key twenty times.
    """

    calls: Limit = Limit(400, 100)
    wrong_keys: Limit = Limit(20, 0.2)
    wrong_tokens: Limit = Limit(100, 2)
    registrations: Limit = Limit(500, 50)


_DEFAULT = Limits()


class Admission:
    """See `ports.registry.RegistrationService`; also raises TooManyError.

    Args:
        clock: only goes forward, in seconds.
    """

    def __init__(
        self,
        registration: Registration,
        limits: Limits = _DEFAULT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registration = registration
        self._clock = clock
        self._calls = Buckets(limits.calls)
        self._wrong_keys = Buckets(limits.wrong_keys)
        self._wrong_tokens = Buckets(limits.wrong_tokens)
        self._registrations = Buckets(limits.registrations)

    def shut_out(self, remote: str) -> float:
        return self._wrong_keys.wait(limit_key(remote), self._clock())

    def register(self, key: str, facts: HostFacts, remote: str) -> Registered:
        with self._call(remote):
            # Counted before it is looked up, so that a limit costs nothing.
            name = self._registration.key_name(key)
            self._refuse(self._registrations.take(name, self._clock()), "this licence key")
            return self._registration.register(key, facts, remote)

    def inspect(self, key: str, remote: str) -> Licence:
        with self._call(remote):
            return self._registration.inspect(key, remote)

    def inspect_token(self, token: str, remote: str) -> Licence:
        with self._call(remote):
            return self._registration.inspect_token(token, remote)

    def refresh(self, token: str, remote: str) -> Registered:
        with self._call(remote):
            return self._registration.refresh(token, remote)

    def unregister(self, token: str, remote: str) -> None:
        with self._call(remote):
            self._registration.unregister(token, remote)

    def grant(self, token: str, remote: str) -> Grant | None:
        known = self._registration.remembered(token)
        if known is not None:
            return known
        name = limit_key(remote)
        self._refuse(self._wrong_tokens.wait(name, self._clock()), "this address")
        grant = self._registration.grant(token, remote)
        if grant is None:
            self._wrong_tokens.take(name, self._clock())
        return grant

    def check(self) -> None:
        self._registration.check()

    @contextmanager
    def _call(self, remote: str) -> Iterator[None]:
        name = limit_key(remote)
        now = self._clock()
        self._refuse(self.shut_out(remote), "this address")
        self._refuse(self._calls.take(name, now), "this address")
        try:
            yield
        except (UnknownKeyError, UnknownTokenError):
            self._wrong_keys.take(name, self._clock())
            raise

    def _refuse(self, wait: float, who: str) -> None:
        if wait > 0:
            raise TooManyError(f"too many requests for {who}", math.ceil(wait))
