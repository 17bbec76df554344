"""Alerts, and the row by which schedulers take turns in checking."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("began_at", INSTANT),
        sa.Column("well_at", INSTANT),
        sa.Column("recovered_at", INSTANT),
    )
    for name, columns, where, unique in (
        ("uq_alerts_open", ["kind", "subject"], "recovered_at IS NULL", True),
        ("ix_alerts_recovered", ["recovered_at"], "recovered_at IS NOT NULL", False),
    ):
        op.create_index(name, "alerts", columns, unique=unique, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
    watch = op.create_table("alert_watch", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("looked_at", INSTANT, nullable=False))
    assert watch is not None
    epoch = 0 if op.get_bind().dialect.name == "sqlite" else datetime(1970, 1, 1, tzinfo=UTC)
    op.execute(sa.insert(watch).values(id=1, looked_at=epoch))
    dead = sa.text("state = 'dead'")
    op.create_index("ix_jobs_dead", "jobs", ["finished_at"], postgresql_where=dead, sqlite_where=dead)


def downgrade() -> None:
    op.drop_index("ix_jobs_dead", "jobs")
    op.drop_table("alert_watch")
    op.drop_table("alerts")
