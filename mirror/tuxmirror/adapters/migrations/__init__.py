"""How the registry's tables came to be what `registry_schema` says, a step a file.

    versions/0001_registry.py       the first layout
    versions/0002_….py              what changed since

A step that has been released is never edited. Steps are plain SQLAlchemy and know nothing of
`registry_schema`, which goes on changing.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from ...core.errors import ConfigError
from ..registry_schema import HEAD, meta

# The layout that told its version in `registry_meta`, before there were steps.
_FIRST = "0001"


def upgrade(connection: sa.Connection) -> None:
    """Brings the tables up to `HEAD`, within the caller's transaction.

    Raises:
        ConfigError: they were made by a version of this program that knows more steps.
    """
    config = _config(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None and _was_made_before_steps(connection):
        command.stamp(config, _FIRST)
        current = _FIRST
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise ConfigError(
            "the registry was made by another version of tuxmirror",
            expected=f"schema version {HEAD} or older",
            found=f"schema version {current}",
            way_out="use the version of tuxmirror that made it, or a newer one",
        )
    if current != HEAD:
        command.upgrade(config, HEAD)


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _was_made_before_steps(connection: sa.Connection) -> bool:
    if not sa.inspect(connection).has_table(meta.name):
        return False
    version = sa.select(meta.c.value).where(meta.c.name == "schema_version")
    found = connection.execute(version).scalar_one_or_none()
    if found != "1":
        raise ConfigError(
            "the registry was made by another version of tuxmirror", found=f"version {found}"
        )
    return True
