"""Jobs, attempts and workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(255), nullable=False, unique=True),
        sa.Column("actor", sa.String(255)),
        sa.Column("queue", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("held_for", sa.String(16)),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("kwargs", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("submitted_by", sa.String(255)),
        sa.Column("unique_key", sa.String(255)),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.BigInteger()),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("expires_at", INSTANT),
        sa.Column("publish_at", INSTANT),
        sa.Column("published_at", INSTANT),
        sa.Column("started_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.Column("result", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("progress_done", sa.BigInteger()),
        sa.Column("progress_total", sa.BigInteger()),
        sa.Column("progress_message", sa.Text()),
        postgresql_with={"fillfactor": "80"},
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_actor", "jobs", ["actor", "seq"])
    _partial("ix_jobs_state", "state", "seq", where="state <> 'succeeded'")
    _partial("ix_jobs_publish", "publish_at", where="publish_at IS NOT NULL")
    _partial("ix_jobs_due", "due_at", where="state IN ('scheduled', 'retrying')")
    _partial("ix_jobs_expires", "expires_at", where="expires_at IS NOT NULL AND state IN ('scheduled', 'queued', 'retrying')")
    _partial("ix_jobs_queued", "queue", "published_at", where="state = 'queued'")
    _partial("ix_jobs_running", "worker_id", where="state = 'running'")
    _partial("uq_jobs_idempotency_key", "idempotency_key", where="idempotency_key IS NOT NULL", unique=True)
    _partial(
        "uq_jobs_unique_key",
        "unique_key",
        where="unique_key IS NOT NULL AND state NOT IN ('succeeded', 'dead', 'cancelled', 'expired')",
        unique=True,
    )
    op.create_table(
        "attempts",
        sa.Column("job_seq", SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("traceback", sa.Text()),
    )
    op.create_table(
        "workers",
        sa.Column("id", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("queues", sa.Text(), nullable=False),
        sa.Column("actors", sa.Text(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("heartbeat_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("stopped_at", INSTANT),
        sa.Column("lost_at", INSTANT),
        sa.Column("busy", sa.Integer(), nullable=False),
        sa.Column("frontier", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    for table in ("workers", "attempts", "jobs"):
        op.drop_table(table)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> None:
    op.create_index(name, "jobs", list(columns), unique=unique, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
