"""RabbitMQ's refusals to a worker process, by queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("refusals", sa.Text()))


def downgrade() -> None:
    op.drop_column("workers", "refusals")
