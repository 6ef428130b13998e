"""The registry in a database: SQLite in a file, or PostgreSQL by URL.

    <store>/state/registry.sqlite       0600; with -wal and -shm beside it while open

Writers are serialised where it matters: SQLite takes its one write lock at the start of a
writing unit (BEGIN IMMEDIATE), PostgreSQL locks the licence's row (SELECT … FOR UPDATE). So the
last seat goes to one host, however many ask.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from ..core.errors import ConfigError, StorageError
from ..core.licence import Host, HostFacts, Licence, Terms, TokenRecord
from .registry_schema import HEAD, hosts, licences, meta, tokens, version

_IMMEDIATE = "tuxmirror_immediate"
_BUSY_SECONDS = 15
_IDLE_SECONDS = 0.5
# Any number, the same in every process: makes the first start of several servers wait in line.
_SCHEMA_LOCK = 7_283_119

_SEATS = (
    sa.select(sa.func.count())
    .where(hosts.c.licence_id == licences.c.id, hosts.c.ended_at.is_(None))
    .scalar_subquery()
    .label("seats_taken")
)
_LICENCE = sa.select(licences, _SEATS)
_HOST = sa.select(hosts, licences.c.public_id.label("licence")).join_from(hosts, licences)

# What each registration runs, composed once: composing takes as long as running.
_BY_KEY = licences.c.key_digest == sa.bindparam("value")
_BY_PUBLIC_ID = licences.c.public_id == sa.bindparam("value")
_LICENCE_BY_KEY = _LICENCE.where(_BY_KEY)
_LICENCE_BY_PUBLIC_ID = _LICENCE.where(_BY_PUBLIC_ID)
_LOCK_BY_KEY = sa.select(licences.c.id).where(_BY_KEY).with_for_update()
_LOCK_BY_PUBLIC_ID = sa.select(licences.c.id).where(_BY_PUBLIC_ID).with_for_update()
_HOST_BY_ID = _HOST.where(hosts.c.id == sa.bindparam("host"))
_HOST_BY_MACHINE = _HOST.where(
    hosts.c.licence_id == sa.bindparam("licence"),
    hosts.c.machine_digest == sa.bindparam("machine"),
)
_TOKEN = sa.select(tokens.c.host_id, tokens.c.expires_at).where(
    tokens.c.digest == sa.bindparam("digest")
)
_ADD_HOST = hosts.insert()
_ADD_TOKEN = tokens.insert()


class DatabaseUnit:
    """See `ports.registry.RegistryUnit`."""

    def __init__(self, connection: sa.Connection, writing: bool) -> None:
        self._connection = connection
        self._writing = writing

    def add_licence(
        self, public_id: str, key_digest: str, prefix: str, hint: str, terms: Terms, now: int
    ) -> Licence:
        self._connection.execute(
            licences.insert().values(
                public_id=public_id,
                key_digest=key_digest,
                prefix=prefix,
                hint=hint,
                products=list(terms.products),
                releases=list(terms.releases),
                channel=terms.channel,
                host_limit=terms.host_limit,
                expires_at=terms.expires_at,
                note=terms.note,
                created_at=now,
            )
        )
        row = self._connection.execute(_LICENCE.where(licences.c.public_id == public_id)).one()
        return _licence(row)

    def licences(self) -> list[Licence]:
        rows = self._connection.execute(_LICENCE.order_by(licences.c.id))
        return [_licence(row) for row in rows]

    def licence_by_key(self, key_digest: str) -> Licence | None:
        return self._one_licence(_LOCK_BY_KEY, _LICENCE_BY_KEY, key_digest)

    def licence_by_public_id(self, public_id: str) -> Licence | None:
        return self._one_licence(_LOCK_BY_PUBLIC_ID, _LICENCE_BY_PUBLIC_ID, public_id)

    def _one_licence(
        self, lock: sa.Select[Any], read: sa.Select[Any], value: str
    ) -> Licence | None:
        # In one statement PostgreSQL would count the seats as they were before it got the lock.
        # SQLite has locked all of it by now.
        if self._writing and self._connection.dialect.name == "postgresql":
            self._connection.execute(lock, {"value": value})
        row = self._connection.execute(read, {"value": value}).one_or_none()
        return _licence(row) if row else None

    def revoke_licence(self, licence: int, now: int) -> None:
        self._connection.execute(
            licences.update().where(licences.c.id == licence).values(revoked_at=now)
        )

    def hosts(self, licence: int | None = None) -> list[Host]:
        query = _HOST.order_by(hosts.c.id)
        if licence is not None:
            query = query.where(hosts.c.licence_id == licence)
        return [_host(row) for row in self._connection.execute(query)]

    def find_hosts(self, name: str) -> list[Host]:
        by_id = self._connection.execute(_HOST.where(hosts.c.public_id == name)).one_or_none()
        if by_id:
            return [_host(by_id)]
        named = _HOST.where(hosts.c.name == name, hosts.c.ended_at.is_(None))
        return [_host(row) for row in self._connection.execute(named.order_by(hosts.c.id))]

    def host_by_machine(self, licence: int, machine_digest: str) -> Host | None:
        named = {"licence": licence, "machine": machine_digest}
        row = self._connection.execute(_HOST_BY_MACHINE, named).one_or_none()
        return _host(row) if row else None

    def add_host(
        self,
        licence: Licence,
        public_id: str,
        facts: HostFacts,
        machine_digest: str | None,
        now: int,
    ) -> Host:
        values: dict[str, Any] = {
            "public_id": public_id,
            "name": facts.name,
            "release": facts.release,
            "arch": facts.arch,
            "registered_at": now,
            "last_registered_at": now,
        }
        kept = {"licence_id": licence.id, "machine_digest": machine_digest}
        done = self._connection.execute(_ADD_HOST, {**values, **kept})
        return Host(
            id=done.inserted_primary_key[0],  # type: ignore[index]
            licence=licence.public_id,
            ended_at=None,
            ended_by=None,
            **values,
        )

    def renew_host(self, host: int, facts: HostFacts, now: int) -> None:
        values: dict[str, object] = {
            "name": facts.name,
            "last_registered_at": now,
            "ended_at": None,
            "ended_by": None,
        }
        if facts.release:
            values["release"] = facts.release
        if facts.arch:
            values["arch"] = facts.arch
        self._connection.execute(hosts.update().where(hosts.c.id == host).values(**values))

    def end_host(self, host: int, by: str, now: int) -> None:
        self._connection.execute(tokens.delete().where(tokens.c.host_id == host))
        self._connection.execute(
            hosts.update().where(hosts.c.id == host).values(ended_at=now, ended_by=by)
        )

    def add_token(self, host: int, token_digest: str, now: int) -> None:
        values = {"digest": token_digest, "host_id": host, "created_at": now}
        self._connection.execute(_ADD_TOKEN, values)

    def retire_tokens(self, host: int, keep: str | None, until: int, now: int) -> None:
        of_host = tokens.c.host_id == host
        if keep is None:
            newest = sa.select(tokens.c.digest).where(of_host).order_by(tokens.c.id.desc())
            keep = self._connection.execute(newest.limit(1)).scalar_one_or_none()
        over = tokens.c.expires_at < now
        self._connection.execute(tokens.delete().where(of_host, (tokens.c.digest != keep) | over))
        self._connection.execute(
            tokens.update()
            .where(of_host, tokens.c.expires_at.is_(None) | (tokens.c.expires_at > until))
            .values(expires_at=until)
        )

    def token(self, token_digest: str) -> TokenRecord | None:
        row = self._connection.execute(_TOKEN, {"digest": token_digest}).one_or_none()
        if row is None:
            return None
        host = self._connection.execute(_HOST_BY_ID, {"host": row.host_id}).one()
        named = {"value": host.licence}
        licence = self._connection.execute(_LICENCE_BY_PUBLIC_ID, named).one()
        return TokenRecord(_host(host), _licence(licence), row.expires_at)


class DatabaseRegistry:
    """See `ports.registry.Registry`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._immediate = engine.execution_options(**{_IMMEDIATE: True})
        # SQLite has one writer. Others would poll for its lock, the unlucky ones for seconds;
        # within this process they wait in line.
        self._line = threading.Lock() if engine.dialect.name == "sqlite" else None

    @classmethod
    def open(cls, url: str, pepper_check: str) -> DatabaseRegistry:
        """Opens the registry and makes its tables where there are none yet.

        Args:
            url: `sqlite:///PATH` or `postgresql://…`.
            pepper_check: `Digests.check()` of the pepper in use.

        Raises:
            ConfigError: no such database driver; another version of this program made the
                tables; they belong to another pepper.
            StorageError: it cannot be opened.
        """
        registry = cls(_engine(url))
        with _translated():
            _prepare(registry, pepper_check)
        return registry

    def close(self) -> None:
        self._engine.dispose()

    def check(self) -> None:
        with self.reading() as unit:
            unit.token("")

    @contextmanager
    def reading(self) -> Iterator[DatabaseUnit]:
        with _translated(), self._engine.connect() as connection:
            yield DatabaseUnit(connection, writing=False)

    @contextmanager
    def writing(self) -> Iterator[DatabaseUnit]:
        with self._turn(), _translated(), self._immediate.begin() as connection:
            yield DatabaseUnit(connection, writing=True)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._line is None:
            yield
            return
        if not self._line.acquire(timeout=_BUSY_SECONDS):
            raise StorageError("the registry's database is busy", way_out="try again")
        try:
            yield
        finally:
            self._line.release()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        # The driver's own words: SQLAlchemy's would add the statement and its parameters.
        raise StorageError(
            f"the registry's database failed: {str(error.orig).strip()}",
            way_out="see whether the disk is full or the database is down",
        ) from None
    except SQLAlchemyError as error:
        raise StorageError(f"the registry's database failed: {type(error).__name__}") from None


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite_engine(parsed)
        return _postgresql_engine(parsed)
    except (ImportError, NoSuchModuleError) as error:
        raise ConfigError(
            f"[main] database: its driver is missing: {error}",
            way_out="for postgresql:// install python3-psycopg2",
        ) from None
    except SQLAlchemyError:
        raise ConfigError("[main] database: not a database URL") from None


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    # A server that is away must not hold a request for as long as TCP would.
    waiting = {} if "connect_timeout" in url.query else {"connect_timeout": 5}
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        pool_timeout=_BUSY_SECONDS,
        connect_args=waiting,
    )
    sa.event.listen(engine, "connect", _configure_postgresql)
    sa.event.listen(engine, "checkin", _remember_use)
    sa.event.listen(engine, "checkout", _check_if_idle)
    return engine


def _remember_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _check_if_idle(connection: Any, record: Any, _proxy: object) -> None:
    """The server may have been restarted since. Under load a question each time costs a fifth."""
    if time.monotonic() - record.info.get("used", time.monotonic()) < _IDLE_SECONDS:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        # Of the driver, whichever it is. The pool then connects anew.
        raise sa.exc.DisconnectionError from error


def _configure_postgresql(connection: Any, _record: object) -> None:
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{_BUSY_SECONDS}s'")
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
    connection.autocommit = False


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError(
            "[main] database: a registry needs a file", expected="sqlite, or sqlite:////a/path"
        )
    _create_private(Path(url.database))
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        # No implicit BEGIN of the driver: the one below says which kind.
        connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None},
    )
    sa.event.listen(engine, "connect", _configure_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private(path: Path) -> None:
    # Only where it is new: closing a second descriptor of a database drops SQLite's locks.
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StorageError(
            f"cannot create the registry: {error.strerror}", path=str(path)
        ) from None


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    _use_wal(cursor)
    # A token that was handed out must not be forgotten in a power cut.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Into a new file the mode is written under an exclusive lock, for which SQLite does not wait
    where waiting for each other would never end: it says at once that the file is locked."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            # Not in step with the others, or none would ever find the file free.
            time.sleep(random.uniform(0.001, 0.05))  # noqa: S311


def _begin_sqlite(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get(_IMMEDIATE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _prepare(registry: DatabaseRegistry, pepper_check: str) -> None:
    """Tables as they must be, under the pepper that we have.

    Who finds them so takes no lock and does not load Alembic. Of several processes that do not,
    one does the work and the others wait for it.
    """
    with registry._engine.connect() as connection:
        found = _state(connection)
    if found != (HEAD, pepper_check):
        with registry._immediate.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            from .migrations import upgrade

            upgrade(connection)
            found = _state(connection)
            if found[1] is None:
                connection.execute(meta.insert().values(name=_PEPPER_CHECK, value=pepper_check))
                return
    if found[1] != pepper_check:
        raise ConfigError(
            "the registry's keys and tokens were made with another pepper",
            way_out="restore state/pepper from the backup of this registry",
        )


_PEPPER_CHECK = "pepper_check"


def _state(connection: sa.Connection) -> tuple[str | None, str | None]:
    """The last step that the tables have seen, and the check of their pepper."""
    inspector = sa.inspect(connection)
    if not inspector.has_table(version.name) or not inspector.has_table(meta.name):
        return None, None
    step = connection.execute(sa.select(version.c.version_num)).scalar_one_or_none()
    check = sa.select(meta.c.value).where(meta.c.name == _PEPPER_CHECK)
    return step, connection.execute(check).scalar_one_or_none()


def _licence(row: Any) -> Licence:
    terms = Terms(
        products=tuple(row.products),
        releases=tuple(row.releases),
        channel=row.channel,
        host_limit=row.host_limit,
        expires_at=row.expires_at,
        note=row.note,
    )
    return Licence(
        id=row.id,
        public_id=row.public_id,
        prefix=row.prefix,
        hint=row.hint,
        terms=terms,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        seats_taken=row.seats_taken,
    )


def _host(row: Any) -> Host:
    return Host(
        id=row.id,
        public_id=row.public_id,
        licence=row.licence,
        name=row.name,
        release=row.release,
        arch=row.arch,
        registered_at=row.registered_at,
        last_registered_at=row.last_registered_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
