"""Time until which retention keeps a job; NULL: as long as its state is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("keep_until", INSTANT))


def downgrade() -> None:
    op.drop_column("jobs", "keep_until")
