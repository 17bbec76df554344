"""Actors and requests of the SQL door: the function submit() of PostgreSQL (src/migrations/sql_door.sql)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sql_actors",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("refusal", sa.Text()),
        sa.Column("max_bytes", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "sql_requests",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("submitted_by", sa.String(255), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sql_requests")
    op.drop_table("sql_actors")
