"""Alembic's environment: the URL handed over by src.database.migrate(), one migrating process at a time.

Revisions are written by hand; tests/sql/test_migrations.py compares what they make with the models of every room.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from src.database import Database
from src.settings import get_settings

#: any fixed number: the advisory lock that two processes migrating at once meet
MIGRATION_LOCK = 7_236_519

database = Database(context.config.attributes.get("url") or get_settings().effective_database_url)
with database.engine.connect() as connection:
    if not database.is_sqlite:
        connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
        connection.commit()
    context.configure(connection=connection, target_metadata=None, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
    if connection.in_transaction():
        connection.commit()
database.engine.dispose()  # ends the session, which gives the advisory lock back
