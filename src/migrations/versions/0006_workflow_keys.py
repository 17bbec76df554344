"""Idempotency keys of workflows: the same request again answers with the same workflow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEYED = sa.text("idempotency_key IS NOT NULL")


def upgrade() -> None:
    op.add_column("workflows", sa.Column("idempotency_key", sa.String(255)))
    op.add_column("workflows", sa.Column("fingerprint", sa.String(64)))
    op.create_index(
        "uq_workflows_idempotency_key", "workflows", ["idempotency_key"], unique=True, postgresql_where=KEYED, sqlite_where=KEYED
    )


def downgrade() -> None:
    op.drop_index("uq_workflows_idempotency_key", "workflows")
    op.drop_column("workflows", "fingerprint")
    op.drop_column("workflows", "idempotency_key")
