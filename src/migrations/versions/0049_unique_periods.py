"""An index of unique periods by job: a job's page shows its own."""

from __future__ import annotations

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_unique_periods_job_id", "unique_periods", ["job_id"])


def downgrade() -> None:
    op.drop_index("ix_unique_periods_job_id", "unique_periods")
