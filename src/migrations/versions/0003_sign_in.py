"""Sign-in: users, browser sessions, one-time links, failed sign-ins, API tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "console_users",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("name", sa.String(150), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT),
    )
    op.create_table(
        "console_sessions",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("console_users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("browser", sa.String(255), nullable=False),
    )
    op.create_table(
        "console_sign_in_links",
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.BigInteger(), sa.ForeignKey("console_users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_table(
        "console_failed_sign_ins",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("who", sa.String(255), nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
    )
    op.create_index("ix_console_failed_sign_ins_who", "console_failed_sign_ins", ["who", "failed_at"])
    op.create_table(
        "api_tokens",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("name", sa.String(150), nullable=False, unique=True),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("revoked_at", INSTANT),
        sa.Column("last_used_at", INSTANT),
    )


def downgrade() -> None:
    for table in ("api_tokens", "console_failed_sign_ins", "console_sign_in_links", "console_sessions", "console_users"):
        op.drop_table(table)
