"""Restores of the database from a backup."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "restores",
        sa.Column("restored_at", INSTANT, primary_key=True),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("file", sa.String(255), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("restores")
