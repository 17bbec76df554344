"""Batches: tables of rows, one job for each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("bad", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(255)),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("submitted_by", sa.String(255)),
        sa.Column("submitted_at", INSTANT),
    )
    op.create_index("ix_batches_created", "batches", ["created_at", "id"])
    op.create_table(
        "batch_rows",
        sa.Column("batch_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.Column("args", sa.Text()),
        sa.Column("kwargs", sa.Text()),
        sa.Column("problems", sa.Text()),
        sa.Column("job_id", sa.String(255)),
    )
    op.create_index("ix_batch_rows_job_id", "batch_rows", ["job_id"])


def downgrade() -> None:
    op.drop_table("batch_rows")
    op.drop_table("batches")
