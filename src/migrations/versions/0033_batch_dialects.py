"""Format of a batch's file, so that it is returned in the same format; NULL: commas and UTF-8."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batches", sa.Column("dialect", sa.Text()))


def downgrade() -> None:
    op.drop_column("batches", "dialect")
