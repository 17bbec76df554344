"""Statistics of ended jobs by actor and queue, with histograms of waits and runs, and depths of queues, for spans of four lengths.

The counts of the release before are copied; its processes go on with their own table `ended_jobs`, which a later migration drops. The last
two hours are counted again from the jobs, with their queues and durations.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

#: span -> the span of `ended_jobs` that it is the sum of
_COPIED = {1: 1, 10: 1, 60: 30, 1440: 30}


def _key() -> list[sa.Column[int]]:
    return [
        sa.Column("span", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("minute", sa.BigInteger(), primary_key=True, autoincrement=False),
    ]


def upgrade() -> None:
    op.create_table(
        "job_statistics",
        *_key(),
        *[sa.Column(name, sa.String(length), primary_key=True) for name, length in (("actor", 255), ("queue", 255), ("state", 16))],
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in ("jobs", "attempts", "wait_us", "run_us")],
        *[sa.Column(name, sa.Text(), nullable=False) for name in ("waits", "runs")],
    )
    op.create_table(
        "queue_depths",
        *_key(),
        sa.Column("queue", sa.String(255), primary_key=True),
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in ("queued", "running")],
        sa.Column("oldest_s", sa.Float(), nullable=False),
    )
    for span, source in _COPIED.items():
        op.execute(f"""
            INSERT INTO job_statistics (span, minute, actor, queue, state, jobs, attempts, wait_us, run_us, waits, runs)
            SELECT {span}, minute - minute % {span}, actor, '?', state, sum(jobs), sum(jobs), 0, 0, '', '' FROM ended_jobs
            WHERE span = {source} AND minute < (SELECT (max(minute) / 60 - 2) * 60 FROM ended_jobs WHERE span = 1) GROUP BY 2, 3, 5
        """)


def downgrade() -> None:
    op.drop_table("queue_depths")
    op.drop_table("job_statistics")
