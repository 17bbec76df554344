"""Results too large for their row: the name of their file, and its size."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("result_file", sa.String(64)))
    op.add_column("jobs", sa.Column("result_bytes", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("jobs", "result_bytes")
    op.drop_column("jobs", "result_file")
