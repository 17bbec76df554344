"""The audit log of actions and refusals. Entries can be added and deleted, never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

REFUSED = sa.text("outcome = 'refused'")


def upgrade() -> None:
    op.create_table(
        "audit_lines",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("who", sa.String(150), nullable=False),
        sa.Column("who_key", sa.String(170)),
        sa.Column("role", sa.String(16)),
        sa.Column("via", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32)),
        sa.Column("subject", sa.String(255)),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500)),
        sa.Column("details", sa.Text()),
    )
    op.create_index("ix_audit_lines_subject", "audit_lines", ["kind", "subject", "seq"])
    op.create_index("ix_audit_lines_who", "audit_lines", ["who", "seq"])
    op.create_index("ix_audit_lines_at", "audit_lines", ["at"])
    op.create_index("ix_audit_lines_refused", "audit_lines", ["seq"], sqlite_where=REFUSED, postgresql_where=REFUSED)
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_lines_stay BEFORE UPDATE ON audit_lines BEGIN SELECT RAISE(ABORT, 'lines of the audit are never changed'); END"
        )
    else:
        # A rule, not a trigger: a trigger's function would outlive the table when a backup is restored.
        op.execute("CREATE RULE audit_lines_stay AS ON UPDATE TO audit_lines DO INSTEAD NOTHING")


def downgrade() -> None:
    op.drop_table("audit_lines")
