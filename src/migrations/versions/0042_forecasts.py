"""Sampled forecasts of jobs' ends, with how long the jobs took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
_INDEXES = {"ix_forecasts_actor": ["actor", "asked_at"], "ix_forecasts_asked": ["asked_at"]}


def upgrade() -> None:
    op.create_table(
        "forecasts",
        sa.Column("job_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("asked_at", INSTANT, primary_key=True),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("fixed_us", sa.BigInteger(), nullable=False),
        sa.Column("raw_p50_us", sa.BigInteger(), nullable=False),
        sa.Column("raw_p90_us", sa.BigInteger(), nullable=False),
        sa.Column("p90_us", sa.BigInteger(), nullable=False),
        sa.Column("took_us", sa.BigInteger()),
        sa.Column("judged_at", INSTANT),
    )
    for name, columns in _INDEXES.items():
        op.create_index(name, "forecasts", columns)
    open_ = sa.text("took_us IS NULL")
    op.create_index("ix_forecasts_open", "forecasts", ["asked_at"], postgresql_where=open_, sqlite_where=open_)


def downgrade() -> None:
    op.drop_table("forecasts")
