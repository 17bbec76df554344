"""Rate limits, concurrency slots, pauses, circuit breakers, fair shares, and the log lines of attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("waits_for", sa.String(255)))
    op.add_column("jobs", sa.Column("slot_at", INSTANT))
    op.add_column("jobs", sa.Column("fair_key", sa.String(255)))
    op.add_column("jobs", sa.Column("unique_until", sa.String(16)))
    _partial("ix_jobs_waits_for", "waits_for", "seq", where="waits_for IS NOT NULL")
    _partial("ix_jobs_fair", "queue", "fair_key", where="fair_key IS NOT NULL AND state IN ('queued', 'running')")
    _partial("ix_jobs_finished", "finished_at", where="finished_at IS NOT NULL")
    op.create_table(
        "controls",
        sa.Column("scope", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("setting", sa.String(32), primary_key=True),
        sa.Column("value", sa.Text()),
        sa.Column("until", INSTANT),
        sa.Column("set_by", sa.String(255)),
        sa.Column("set_at", INSTANT, nullable=False),
    )
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "slots",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("job_seq", SEQUENCE, primary_key=True, autoincrement=False),
    )
    op.create_index("ix_slots_job_seq", "slots", ["job_seq"])
    op.create_table(
        "breakers",
        sa.Column("actor", sa.String(255), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", INSTANT),
        sa.Column("probe_at", INSTANT),
    )
    op.create_table(
        "limiter_values",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("ix_limiter_values_expires_at", "limiter_values", ["expires_at"])
    op.create_table(
        "unique_periods",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("job_id", sa.String(255), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
    )
    op.create_index("ix_unique_periods_until", "unique_periods", ["until"])
    op.create_table(
        "log_lines",
        sa.Column("job_seq", SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("attempt", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("written_at", INSTANT, nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    for table in ("log_lines", "unique_periods", "limiter_values", "breakers", "slots", "rate_limits", "controls"):
        op.drop_table(table)
    for index in ("ix_jobs_finished", "ix_jobs_fair", "ix_jobs_waits_for"):
        op.drop_index(index, "jobs")
    for column in ("unique_until", "fair_key", "slot_at", "waits_for"):
        op.drop_column("jobs", column)


def _partial(name: str, *columns: str, where: str) -> None:
    op.create_index(name, "jobs", list(columns), postgresql_where=sa.text(where), sqlite_where=sa.text(where))
