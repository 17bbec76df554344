"""The job that another one comes from: its actor submitted it, or it follows as a callback or in a pipeline.

PostgreSQL builds the index afterwards, while jobs are written (`late_indexes.py`); in SQLite writers wait for one scan of the jobs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_INDEX = "ix_jobs_parent"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("parent_id", sa.String(255)))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE INDEX {_INDEX} ON jobs (parent_id) WHERE parent_id IS NOT NULL")


def downgrade() -> None:
    op.execute(f"DROP INDEX IF EXISTS {_INDEX}")
    op.drop_column("jobs", "parent_id")
