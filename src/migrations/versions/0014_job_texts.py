"""The searchable texts of jobs, in a table beside them.

Not among the models: SQLite keeps them in a virtual table with an index of trigrams, PostgreSQL in a plain one under pg_trgm. Where that
extension may not be made, searching reads all texts instead.
"""

from __future__ import annotations

import sqlalchemy as sa
import structlog
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        # detail=none: trigram matches are compared with the text anyway, and the index is half as large.
        op.execute("CREATE VIRTUAL TABLE job_texts USING fts5(text, tokenize='trigram', detail='none', columnsize=0)")
        return
    op.create_table(
        "job_texts", sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False), sa.Column("text", sa.Text(), nullable=False)
    )
    try:
        with connection.begin_nested():
            # In `public`, where other programs of the database find it: an extension exists once per database.
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public"))
            place = connection.execute(
                sa.text("SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'pg_trgm'")
            ).scalar_one()
            connection.execute(sa.text(f"CREATE INDEX ix_job_texts_trigrams ON job_texts USING gin (text {place}.gin_trgm_ops)"))
    except sa.exc.DBAPIError as error:
        structlog.get_logger(__name__).warning(
            "searching_without_index", cure="CREATE EXTENSION pg_trgm as a superuser", detail=str(error.orig)[:200]
        )


def downgrade() -> None:
    op.execute("DROP TABLE job_texts")
