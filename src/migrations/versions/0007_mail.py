"""Emails with their deliveries, and the built-in mailbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("message_id", sa.String(255), nullable=False, unique=True),
        sa.Column("sender", sa.String(320), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("template", sa.String(100)),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("job_id", sa.String(255)),
        sa.Column("delivery_job_id", sa.String(255)),
        sa.Column("created_at", INSTANT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mails_job", "mails", ["job_id"])
    op.create_index("ix_mails_created_at", "mails", ["created_at"])
    op.create_table(
        "mail_deliveries",
        sa.Column("mail_seq", KEY, sa.ForeignKey("mails.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("recipient", sa.String(320), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("tried_at", INSTANT),
        sa.Column("sent_at", INSTANT),
    )
    queued = sa.text("state = 'queued'")
    op.create_index("ix_mail_deliveries_open", "mail_deliveries", ["mail_seq"], postgresql_where=queued, sqlite_where=queued)
    op.create_table(
        "mailbox",
        sa.Column("seq", KEY, primary_key=True, autoincrement=True),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mailbox_received_at", "mailbox", ["received_at"])


def downgrade() -> None:
    for table in ("mailbox", "mail_deliveries", "mails"):
        op.drop_table(table)
