"""Failures of each error group per day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failure_days",
        sa.Column("fingerprint", sa.String(16), primary_key=True),
        sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("failure_days")
