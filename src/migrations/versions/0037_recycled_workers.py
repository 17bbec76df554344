"""Jobs that a worker process has run, and why the one before it was recycled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("jobs_done", sa.BigInteger()))
    op.add_column("workers", sa.Column("recycled", sa.String(255)))


def downgrade() -> None:
    for name in ("recycled", "jobs_done"):
        op.drop_column("workers", name)
