"""Worker commands, and the memory of a worker process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("wish", sa.String(16)))
    op.add_column("workers", sa.Column("wished_by", sa.String(255)))
    op.add_column("workers", sa.Column("memory_bytes", sa.BigInteger()))


def downgrade() -> None:
    for name in ("memory_bytes", "wished_by", "wish"):
        op.drop_column("workers", name)
