"""Mutes of alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alert_mutes",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("muted_by", sa.String(255), nullable=False),
        sa.Column("muted_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("alert_mutes")
