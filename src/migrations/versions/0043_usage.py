"""Usage of ended jobs, summed by minute and hour: CPU time, peak memory, waits and attempts.

The scheduler's upkeep fills it, in bounded steps from the oldest job on; workers do not know the table.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_usage",
        sa.Column("span", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("minute", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("actor", sa.String(255), primary_key=True),
        sa.Column("source", sa.String(16), primary_key=True),
        sa.Column("submitted_by", sa.String(255), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("jobs", "attempts", "measured", "cpu_us", "run_us", "wait_us")),
        sa.Column("memory_bytes", sa.BigInteger()),
    )


def downgrade() -> None:
    op.drop_table("job_usage")
