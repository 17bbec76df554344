"""Counts of ended jobs by actor and state for each minute and half hour, and an index that counts backlogs by queue.

The scheduler's upkeep fills the counts, in bounded steps from the oldest job on; workers do not know the table.
PostgreSQL builds the index afterwards, while jobs are written (`late_indexes.py`); in SQLite writers wait for one scan of the jobs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_INDEX = "ix_jobs_backlog"


def upgrade() -> None:
    op.create_table(
        "ended_jobs",
        sa.Column("span", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("minute", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("actor", sa.String(255), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
    )

    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE INDEX {_INDEX} ON jobs (queue, state) WHERE state IN ('scheduled', 'retrying', 'held', 'dead')")


def downgrade() -> None:
    op.execute(f"DROP INDEX IF EXISTS {_INDEX}")
    op.drop_table("ended_jobs")
