"""Status of error groups: resolved, muted, regressed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    for name in ("resolved_at", "regressed_at", "muted_until"):
        op.add_column("failure_groups", sa.Column(name, INSTANT))
    op.add_column("failure_groups", sa.Column("resolved_by", sa.String(255)))


def downgrade() -> None:
    for name in ("resolved_by", "muted_until", "regressed_at", "resolved_at"):
        op.drop_column("failure_groups", name)
