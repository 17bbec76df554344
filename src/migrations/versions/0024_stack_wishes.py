"""Requests for the stack of a running attempt."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "stack_wishes",
        sa.Column("job_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("wished_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("stack_wishes")
