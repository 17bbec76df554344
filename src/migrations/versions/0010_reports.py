"""The archive of reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("job_id", sa.String(255)),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("is_empty", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("pdf", sa.LargeBinary()),
        sa.Column("pdf_note", sa.Text()),
        sa.Column("mail_id", sa.String(36)),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reports_name", "reports", ["name", "seq"])
    op.create_index("uq_reports_address", "reports", ["name", "id"], unique=True)
    op.create_index("ix_reports_made_at", "reports", ["made_at"])


def downgrade() -> None:
    op.drop_table("reports")
