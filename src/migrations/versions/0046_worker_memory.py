"""Memory of worker processes over time, for spans of four lengths."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker_memory",
        sa.Column("span", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("minute", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("worker", sa.String(255), primary_key=True),
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in ("memory_bytes", "jobs_done")],
    )


def downgrade() -> None:
    op.drop_table("worker_memory")
