"""Users and tokens may be limited to certain actors; tokens may belong to a user; sessions record whether a link began them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("console_users", sa.Column("actors", sa.Text()))
    op.add_column("api_tokens", sa.Column("actors", sa.Text()))
    op.add_column("console_sessions", sa.Column("by_link", sa.Boolean()))
    # The token's owner: may see and revoke it; disabling the owner disables it. None: made at a terminal or by an administrator.
    op.add_column("api_tokens", sa.Column("user_id", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("api_tokens", "user_id")
    op.drop_column("console_sessions", "by_link")
    op.drop_column("api_tokens", "actors")
    op.drop_column("console_users", "actors")
