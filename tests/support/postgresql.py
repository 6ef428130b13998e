"""A throwaway PostgreSQL server, with a database for each test.

    with PostgreSQL() as server, server.database() as url:
        DatabaseRegistry.open(url, …)
        server.stop(); server.start()       # it goes away and comes back

What is in it does not survive a power cut: it does not wait for the disk.
"""

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import sqlalchemy as sa

from tests.support.nginx import free_port

_USER = "tux"


def binaries():
    """The folder with initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else Path(shutil.which("initdb") or "/usr/bin/initdb").parent


class PostgreSQL:
    """Runs while the context lasts; as the user postgres where the tests run as root.

    Args:
        durable: writes reach the disk before they are acknowledged, as they do in earnest.
    """

    def __init__(self, durable=False):
        self._durable = durable
        self._numbers = itertools.count(1)

    def __enter__(self):
        self.port = free_port()
        # In memory where it may: making a database is copying files.
        place = None if self._durable else "/dev/shm"
        self._folder = Path(tempfile.mkdtemp(prefix="tuxmirror-postgresql-", dir=place))
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        self._run("initdb", "-A", "trust", "-U", _USER, "--no-sync", "--locale=C", "-E", "UTF8")
        self.start()
        return self

    def __exit__(self, *_exc):
        self.stop()
        shutil.rmtree(self._folder)

    def start(self):
        sync = "on" if self._durable else "off"
        options = (
            f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self._folder} -c fsync={sync}"
            f" -c synchronous_commit={sync} -c full_page_writes={sync}"
        )
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self):
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    @contextlib.contextmanager
    def database(self):
        """The URL of an empty database."""
        name = f"t{os.getpid()}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}")
        yield f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement):
        url = f"postgresql://{_USER}@127.0.0.1:{self.port}/postgres"
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text(statement))

    def _run(self, name, *arguments):
        argv = [str(binaries() / name), "-D", str(self._folder / "data"), *arguments]
        if os.geteuid() == 0:
            argv = ["runuser", "-u", "postgres", "--", *argv]
        # Files and not pipes: the server inherits them and would keep a pipe open.
        with (self._folder / "said").open("a+") as said:
            done = subprocess.run(argv, stdout=said, stderr=said, cwd="/")
            said.seek(0)
            assert done.returncode == 0, said.read()
