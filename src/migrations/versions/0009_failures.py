"""Fingerprints of failed attempts, and the groups they form."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

OF_FAILURES = sa.text("fingerprint IS NOT NULL")
UNNOTED = sa.text("noted = false")


def upgrade() -> None:
    op.add_column("attempts", sa.Column("fingerprint", sa.String(16)))
    op.add_column("attempts", sa.Column("noted", sa.Boolean()))
    op.create_index(
        "ix_attempts_fingerprint", "attempts", ["fingerprint", "finished_at"], postgresql_where=OF_FAILURES, sqlite_where=OF_FAILURES
    )
    op.create_index("ix_attempts_unnoted", "attempts", ["job_seq"], postgresql_where=UNNOTED, sqlite_where=UNNOTED)
    op.create_table(
        "failure_groups",
        sa.Column("fingerprint", sa.String(16), primary_key=True),
        sa.Column("kind", sa.String(255), nullable=False),
        sa.Column("place", sa.String(255), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("actors", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("count_before", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_at", INSTANT, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("recovered_at", INSTANT),
        sa.Column("mailed_at", INSTANT),
        sa.Column("mailed_count", sa.BigInteger(), nullable=False),
        sa.Column("sample_seq", sa.BigInteger()),
        sa.Column("sample_attempt", sa.Integer()),
    )
    op.create_index("ix_failure_groups_last_seen_at", "failure_groups", ["last_seen_at"])


def downgrade() -> None:
    op.drop_table("failure_groups")
    op.drop_index("ix_attempts_unnoted", "attempts")
    op.drop_index("ix_attempts_fingerprint", "attempts")
    op.drop_column("attempts", "noted")
    op.drop_column("attempts", "fingerprint")
