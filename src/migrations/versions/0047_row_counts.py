"""Kept counts of rows, run times of actors by week, and indexes of missed ticks and of the jobs of each actor.

PostgreSQL builds the indexes afterwards (`late_indexes.py`); in SQLite the scheduler waits for one scan of ticks and statistics.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_schedule_ticks_missed": "schedule_ticks (schedule_id, decided_at) WHERE state = 'missed'",
    "ix_job_statistics_actor": "job_statistics (span, minute, actor, state, jobs)",
}


def upgrade() -> None:
    op.create_table(
        "row_counts",
        sa.Column("subject", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite"), nullable=False),
    )
    op.create_table(
        "actor_runs",
        sa.Column("week", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("actor", sa.String(255), primary_key=True),
        sa.Column("runs", sa.Text(), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for name, covered in _INDEXES.items():
            op.execute(f"CREATE INDEX {name} ON {covered}")


def downgrade() -> None:
    for name in _INDEXES:
        op.execute(f"DROP INDEX IF EXISTS {name}")
    op.drop_table("actor_runs")
    op.drop_table("row_counts")
