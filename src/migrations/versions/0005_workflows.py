"""Workflows, their steps and edges; the members of Dramatiq's groups that have succeeded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OF_WORKFLOW = sa.text("workflow_seq IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("workflow_seq", sa.BigInteger()))
    op.create_index("ix_jobs_workflow", "jobs", ["workflow_seq", "seq"], postgresql_where=OF_WORKFLOW, sqlite_where=OF_WORKFLOW)
    op.create_table(
        "workflows",
        sa.Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(255), nullable=False, unique=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("on_dead", sa.String(16), nullable=False),
        sa.Column("submitted_by", sa.String(255)),
        sa.Column("created_at", INSTANT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "workflow_steps",
        sa.Column("job_seq", SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("workflow_seq", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("runs_on", sa.String(16), nullable=False),
        sa.Column("takes_results", sa.Boolean(), nullable=False),
        sa.Column("waits_text", sa.Text()),
        sa.Column("delay_ms", sa.BigInteger()),
        sa.Column("not_before", INSTANT),
        sa.Column("expires_ms", sa.BigInteger()),
        sa.Column("released_at", INSTANT),
        sa.Column("fate", sa.String(16)),
    )
    op.create_index("ix_workflow_steps_workflow", "workflow_steps", ["workflow_seq", "job_seq"])
    op.create_table(
        "workflow_edges",
        sa.Column("after_seq", SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("before_seq", SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("outcome", sa.String(16)),
    )
    op.create_index("ix_workflow_edges_before", "workflow_edges", ["before_seq"])
    op.create_index("ix_workflow_edges_outcome", "workflow_edges", ["after_seq", "outcome"])
    op.create_table(
        "message_groups",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    for table in ("message_groups", "workflow_edges", "workflow_steps", "workflows"):
        op.drop_table(table)
    op.drop_index("ix_jobs_workflow", "jobs")
    op.drop_column("jobs", "workflow_seq")
