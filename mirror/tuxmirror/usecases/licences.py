"""Making, looking at and revoking licences."""

from __future__ import annotations

from ..core.credentials import Digests, is_key, make_key, make_public_id, normalise_key
from ..core.errors import RefusedError
from ..core.licence import Licence, Terms
from ..ports.registry import AuditLog, Registry, RegistryUnit

_HINT = 4


def create(
    registry: Registry, digests: Digests, audit: AuditLog, terms: Terms, now: int
) -> tuple[str, Licence]:
    """A new licence and its key, which is never seen again."""
    key = make_key(terms.key_prefix)
    with registry.writing() as unit:
        licence = unit.add_licence(
            make_public_id(), digests.key(key), terms.key_prefix, key[-_HINT:], terms, now
        )
        audit.record(
            "licence_created",
            licence=licence.public_id,
            products=terms.products,
            releases=terms.releases,
            channel=terms.channel,
            hosts=terms.host_limit,
        )
    return key, licence


def every(registry: Registry) -> list[Licence]:
    """All licences, oldest first."""
    with registry.reading() as unit:
        return unit.licences()


def show(registry: Registry, digests: Digests, name: str) -> Licence:
    """By its key or public id. Raises RefusedError where there is none."""
    with registry.reading() as unit:
        return find(unit, digests, name)


def revoke(registry: Registry, digests: Digests, audit: AuditLog, name: str, now: int) -> Licence:
    """Ends a licence and all its tokens; revoking it again changes nothing."""
    with registry.writing() as unit:
        licence = find(unit, digests, name)
        if licence.revoked_at is None:
            unit.revoke_licence(licence.id, now)
            audit.record("licence_revoked", licence=licence.public_id)
        return find(unit, digests, name)


def find(unit: RegistryUnit, digests: Digests, name: str) -> Licence:
    """The licence that a key or a public id names.

    Raises:
        RefusedError: none; says which of the two it looked for, never the key.
    """
    key = normalise_key(name)
    if is_key(key):
        licence, sought = unit.licence_by_key(digests.key(key)), "this key"
    else:
        licence = unit.licence_by_public_id(name.strip().lower())
        sought = "this id (and it is no well-formed key)"
    if licence is None:
        raise RefusedError(f"no licence with {sought}", way_out="see tuxmirror license list")
    return licence
