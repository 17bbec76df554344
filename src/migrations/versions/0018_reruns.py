"""Re-runs: the job that a new one runs again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

OF_RERUNS = sa.text("rerun_of IS NOT NULL")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("rerun_of", sa.String(255)))
    op.create_index("ix_jobs_rerun_of", "jobs", ["rerun_of"], postgresql_where=OF_RERUNS, sqlite_where=OF_RERUNS)


def downgrade() -> None:
    op.drop_index("ix_jobs_rerun_of", "jobs")
    op.drop_column("jobs", "rerun_of")
