"""Mutes of alerts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from src.database import UtcDateTime

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_mutes",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("muted_by", sa.String(255), nullable=False),
        sa.Column("muted_at", UtcDateTime(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("alert_mutes")
