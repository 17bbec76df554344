"""Result waiters, to be notified of a job's end; only on PostgreSQL, unlogged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.create_table(
            "awaited",
            sa.Column("job_seq", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("channel", sa.String(63), primary_key=True),
            prefixes=["UNLOGGED"],
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_table("awaited")
