"""Search index without a pending list (fastupdate): PostgreSQL overestimates the cost of an index with one and scans the table instead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_INDEX = "ix_job_texts_trigrams"


def upgrade() -> None:
    if _is_there():
        op.execute(f"ALTER INDEX {_INDEX} SET (fastupdate = off)")
        op.execute(f"SELECT gin_clean_pending_list('{_INDEX}')")


def downgrade() -> None:
    if _is_there():
        op.execute(f"ALTER INDEX {_INDEX} RESET (fastupdate)")


def _is_there() -> bool:
    """True on PostgreSQL with pg_trgm: SQLite has another index."""
    connection = op.get_bind()
    return connection.dialect.name == "postgresql" and connection.execute(sa.text(f"SELECT to_regclass('{_INDEX}')")).scalar() is not None
