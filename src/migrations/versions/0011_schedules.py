"""Schedules, their ticks, and their change log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("kwargs", sa.Text(), nullable=False),
        sa.Column("cron", sa.String(255)),
        sa.Column("every_s", sa.Integer()),
        sa.Column("at", INSTANT),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("starts_at", INSTANT),
        sa.Column("ends_at", INSTANT),
        sa.Column("jitter_s", sa.Integer(), nullable=False),
        sa.Column("missed", sa.String(16), nullable=False),
        sa.Column("grace_s", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.String(16), nullable=False),
        sa.Column("pause_after", sa.Integer()),
        sa.Column("on_failure", sa.String(255)),
        sa.Column("on_recovery", sa.String(255)),
        sa.Column("expect_by", sa.String(5)),
        sa.Column("expect_within_s", sa.Integer()),
        sa.Column("on_alert", sa.String(255)),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("tick_at", INSTANT),
        sa.Column("due_at", INSTANT),
        sa.Column("paused_at", INSTANT),
        sa.Column("paused_by", sa.String(255)),
        sa.Column("pause_reason", sa.Text()),
        sa.Column("broken", sa.Text()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("alert_at", INSTANT),
        sa.Column("alerted_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_schedules_actor", "schedules", ["actor"])
    _partial("ix_schedules_due", "schedules", "due_at", where="due_at IS NOT NULL")
    _partial("ix_schedules_alert", "schedules", "alert_at", where="alert_at IS NOT NULL")
    op.create_table(
        "schedule_ticks",
        sa.Column("schedule_id", SEQUENCE, sa.ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("scheduled_for", INSTANT, primary_key=True),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("covers", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(255)),
        sa.Column("finished_at", INSTANT),
        sa.Column("submitted_by", sa.String(255)),
    )
    _partial("ix_schedule_ticks_open", "schedule_ticks", "schedule_id", where="state = 'submitted'")
    op.create_index("ix_schedule_ticks_job", "schedule_ticks", ["job_id"])
    op.create_table(
        "schedule_changes",
        sa.Column("id", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("schedule_id", SEQUENCE, sa.ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("changed_by", sa.String(255), nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_schedule_changes_schedule_id", "schedule_changes", ["schedule_id"])


def downgrade() -> None:
    for table in ("schedule_changes", "schedule_ticks", "schedules"):
        op.drop_table(table)


def _partial(name: str, table: str, *columns: str, where: str) -> None:
    op.create_index(name, table, list(columns), postgresql_where=sa.text(where), sqlite_where=sa.text(where))
