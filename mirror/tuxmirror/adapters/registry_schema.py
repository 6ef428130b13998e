"""The tables of the registry. A change here is a new `HEAD` and a step in `migrations`.

    registry_meta   pepper_check: which pepper the digests were made with
    alembic_version the last step that these tables have seen
    licences 1 ─── n hosts 1 ─── n tokens

Digests only: no table holds a key, a token or a machine id.
"""

from __future__ import annotations

import sqlalchemy as sa

HEAD = "0002"

metadata = sa.MetaData()

meta = sa.Table(
    "registry_meta",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(64), nullable=False),
)

version = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32)))

licences = sa.Table(
    "licences",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("public_id", sa.String(16), nullable=False, unique=True),
    sa.Column("key_digest", sa.String(64), nullable=False, unique=True),
    sa.Column("prefix", sa.String(8), nullable=False),
    sa.Column("hint", sa.String(8), nullable=False),
    sa.Column("products", sa.JSON, nullable=False),
    sa.Column("releases", sa.JSON, nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("host_limit", sa.Integer),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("revoked_at", sa.BigInteger),
)

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("public_id", sa.String(16), nullable=False, unique=True),
    sa.Column("licence_id", sa.ForeignKey("licences.id"), nullable=False),
    # Null where the host told none: then each registration is a host of its own.
    sa.Column("machine_digest", sa.String(64)),
    sa.Column("name", sa.String(255), nullable=False, index=True),
    sa.Column("release", sa.String(16)),
    sa.Column("arch", sa.String(16)),
    sa.Column("registered_at", sa.BigInteger, nullable=False),
    sa.Column("last_registered_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("ended_by", sa.String(16)),
    sa.UniqueConstraint("licence_id", "machine_digest", name="hosts_one_per_machine"),
    sa.Index("hosts_seats", "licence_id", "ended_at"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("host_id", sa.ForeignKey("hosts.id"), nullable=False, index=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("expires_at", sa.BigInteger),
)
