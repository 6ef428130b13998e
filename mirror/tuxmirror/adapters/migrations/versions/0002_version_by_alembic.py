"""The version of the layout stands in Alembic's own table, and only there."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    meta = sa.table("registry_meta", sa.column("name", sa.String))
    op.execute(meta.delete().where(meta.c.name == "schema_version"))
