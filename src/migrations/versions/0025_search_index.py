"""Searches read no list of pending entries: PostgreSQL takes a trigram index with one for dear and reads the whole table instead."""

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
    """SQLite has another index, and a PostgreSQL without pg_trgm none."""
    connection = op.get_bind()
    return connection.dialect.name == "postgresql" and connection.execute(sa.text(f"SELECT to_regclass('{_INDEX}')")).scalar() is not None
