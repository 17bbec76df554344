"""An index of failed ticks, which the scheduler looks through for retried jobs each half minute.

PostgreSQL builds it afterwards (`late_indexes.py`).
"""

from __future__ import annotations

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE INDEX ix_schedule_ticks_failed ON schedule_ticks (finished_at) WHERE state IN ('dead', 'expired', 'cancelled')")


def downgrade() -> None:
    op.execute("DROP INDEX IF EXISTS ix_schedule_ticks_failed")
