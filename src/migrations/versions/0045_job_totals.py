"""Totals of the statistics of ended jobs over all actors, for charts of all of them.

Schedulers fill the table in bounded steps; until then charts sum the statistics themselves.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_totals",
        sa.Column("span", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("minute", sa.BigInteger(), primary_key=True, autoincrement=False),
        *[sa.Column(name, sa.String(length), primary_key=True) for name, length in (("queue", 255), ("state", 16))],
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in ("jobs", "attempts", "wait_us", "run_us")],
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("waits", "runs")],
    )


def downgrade() -> None:
    op.drop_table("job_totals")
