"""Kept counts of rows, and an index of missed ticks.

PostgreSQL builds the index afterwards (`late_indexes.py`); in SQLite the scheduler waits for one scan of the ticks.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_INDEX = "ix_schedule_ticks_missed"


def upgrade() -> None:
    op.create_table(
        "row_counts",
        sa.Column("subject", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite"), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE INDEX {_INDEX} ON schedule_ticks (schedule_id, decided_at) WHERE state = 'missed'")


def downgrade() -> None:
    op.execute(f"DROP INDEX IF EXISTS {_INDEX}")
    op.drop_table("row_counts")
