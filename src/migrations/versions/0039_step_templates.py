"""Arguments of workflow steps as submitted, with placeholders: a step is released with results in their place.

NULL for steps that take no results, and for those submitted before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workflow_steps", sa.Column("template", sa.Text()))


def downgrade() -> None:
    op.drop_column("workflow_steps", "template")
