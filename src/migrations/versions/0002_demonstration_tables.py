"""The tables of the actors that come with Callboard: user accounts and widgets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from src.database import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_accounts",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("username", sa.String(150), nullable=False, unique=True),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("joined_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "widgets",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(140), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("widgets")
    op.drop_table("user_accounts")
