"""`waits_for` of waiting jobs: bytewise collation, whatever the database's locale, and cleared from jobs that have ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE jobs SET waits_for = NULL WHERE waits_for IS NOT NULL AND state IN ('succeeded', 'dead', 'cancelled', 'expired')")
    _collate("C")


def downgrade() -> None:
    _collate("default")


def _collate(name: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("jobs", "waits_for", type_=sa.String(255, collation=name), existing_nullable=True)
