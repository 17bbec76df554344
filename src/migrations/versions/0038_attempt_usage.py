"""CPU time and peak memory of attempts, and how many attempts an ended job had before an operator's last retry.

Columns without a default: no row is rewritten, and workers of the release before leave them empty.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("cpu_us", sa.BigInteger()))
    op.add_column("attempts", sa.Column("memory_bytes", sa.BigInteger()))
    op.add_column("jobs", sa.Column("earlier_attempts", sa.Integer()))


def downgrade() -> None:
    op.drop_column("jobs", "earlier_attempts")
    op.drop_column("attempts", "memory_bytes")
    op.drop_column("attempts", "cpu_us")
