"""What registration needs from outside, and what the web service needs from registration."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from ..core.licence import Grant, Host, HostFacts, Licence, Registered, Terms, TokenRecord


class RegistryUnit(Protocol):
    """One transaction. Digests are 64 hex digits, times seconds since the epoch.

    Every method may raise StorageError: the database is full, locked or gone.
    """

    def add_licence(
        self, public_id: str, key_digest: str, prefix: str, hint: str, terms: Terms, now: int
    ) -> Licence: ...

    def licences(self) -> list[Licence]:
        """All, oldest first."""

    def licence_by_key(self, key_digest: str) -> Licence | None:
        """In a writing unit the licence stays locked until the end: nobody else seats a host."""

    def licence_by_public_id(self, public_id: str) -> Licence | None:
        """Locks as `licence_by_key` does."""

    def revoke_licence(self, licence: int, now: int) -> None: ...

    def hosts(self, licence: int | None = None) -> list[Host]:
        """Of one licence or of all, oldest first, ended ones included."""

    def find_hosts(self, name: str) -> list[Host]:
        """By public id; else those that are registered under this host name."""

    def host_by_machine(self, licence: int, machine_digest: str) -> Host | None: ...

    def add_host(
        self,
        licence: Licence,
        public_id: str,
        facts: HostFacts,
        machine_digest: str | None,
        now: int,
    ) -> Host: ...

    def renew_host(self, host: int, facts: HostFacts, now: int) -> None:
        """Registered again: the new facts, and no longer ended."""

    def end_host(self, host: int, by: str, now: int) -> None:
        """Frees the seat and forgets its tokens. `by` is `host` or `operator`."""

    def add_token(self, host: int, token_digest: str, now: int) -> None: ...

    def retire_tokens(self, host: int, keep: str | None, until: int, now: int) -> None:
        """Before a new token is added: of the old ones only `keep` (None: the newest) lives
        on, to `until` at most; so never more than two are valid."""

    def token(self, token_digest: str) -> TokenRecord | None:
        """Whatever its state is."""


class Registry(Protocol):
    """Licences, hosts and tokens, transactional and durable."""

    def reading(self) -> AbstractContextManager[RegistryUnit]: ...

    def writing(self) -> AbstractContextManager[RegistryUnit]:
        """Commits at the end, or leaves no trace of it where an exception passes."""

    def check(self) -> None:
        """Raises StorageError where the database does not answer."""


class AuditLog(Protocol):
    """Append-only. Never give it a secret."""

    def record(self, event: str, **fields: object) -> None:
        """Raises StorageError: what cannot be recorded must not happen."""


class RegistrationService(Protocol):
    """What the web service serves. `remote` is the address of the client, for the audit log and
    for limits: every method that has it may raise TooManyError."""

    def shut_out(self, remote: str) -> float:
        """Seconds for which an address that guessed is turned away; 0.0: it is not."""

    def register(self, key: str, facts: HostFacts, remote: str) -> Registered:
        """Raises UnknownKeyError, LicenceError, StorageError."""

    def inspect(self, key: str, remote: str) -> Licence:
        """A usable licence; raises UnknownKeyError, LicenceError, StorageError."""

    def inspect_token(self, token: str, remote: str) -> Licence:
        """The licence behind a token; changes nothing."""
        ...

    def refresh(self, token: str, remote: str) -> Registered:
        """Raises UnknownTokenError, LicenceError, StorageError."""

    def unregister(self, token: str, remote: str) -> None:
        """Raises UnknownTokenError, StorageError."""

    def grant(self, token: str, remote: str) -> Grant | None:
        """What a token opens; None where it is unknown or no longer valid. Raises
        StorageError."""

    def check(self) -> None:
        """Raises StorageError where registration is not possible."""
