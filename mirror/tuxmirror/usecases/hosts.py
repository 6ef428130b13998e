"""Looking at registered hosts and ending their registration."""

from __future__ import annotations

from ..core.credentials import Digests
from ..core.errors import RefusedError
from ..core.licence import Host
from ..ports.registry import AuditLog, Registry, RegistryUnit
from . import licences


def every(registry: Registry, digests: Digests, licence: str | None = None) -> list[Host]:
    """All hosts or those of one licence (its key or public id), ended ones included."""
    with registry.reading() as unit:
        chosen = licences.find(unit, digests, licence).id if licence else None
        return unit.hosts(chosen)


def show(registry: Registry, name: str) -> Host:
    """By public id, or by host name where it is unmistakable. Raises RefusedError."""
    with registry.reading() as unit:
        return _find(unit, name)


def revoke(registry: Registry, audit: AuditLog, name: str, now: int) -> Host:
    """Ends a host's registration: its tokens die and its seat is free.

    Who holds the key can register again; to shut a host out, revoke its licence.
    """
    with registry.writing() as unit:
        host = _find(unit, name)
        if host.ended_at is None:
            unit.end_host(host.id, "operator", now)
            audit.record(
                "host_revoked", licence=host.licence, host=host.public_id, host_name=host.name
            )
        return unit.find_hosts(host.public_id)[0]


def _find(unit: RegistryUnit, name: str) -> Host:
    found = unit.find_hosts(name)
    if not found:
        raise RefusedError(f"no host '{name}'", way_out="see tuxmirror host list")
    if len(found) > 1:
        raise RefusedError(
            f"{len(found)} hosts are named '{name}'",
            expected="one of: " + ", ".join(host.public_id for host in found),
            way_out="use its id",
        )
    return found[0]
