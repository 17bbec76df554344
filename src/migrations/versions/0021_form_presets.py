"""Presets: values of an actor's form under a name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

#: an aware UTC instant: timestamptz on PostgreSQL, integer microseconds since 1970 on SQLite
INSTANT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "form_presets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("owner", sa.String(150), nullable=False),
        sa.Column("owner_key", sa.String(170), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("values", sa.Text(), nullable=False),
        sa.Column("saved_at", INSTANT, nullable=False),
    )
    op.create_index("uq_form_presets_name", "form_presets", ["actor", "owner_key", "name"], unique=True)


def downgrade() -> None:
    op.drop_table("form_presets")
