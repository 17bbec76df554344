"""When a database was put back from a backup."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from src.database import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restores",
        sa.Column("restored_at", UtcDateTime(), primary_key=True),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("file", sa.String(255), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("restores")
