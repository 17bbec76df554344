"""Alembic's environment: migrates the database that migrations.configuration() names, one process at a time.

Alembic runs this file and the revisions by their paths, outside any package: they import nothing of the application.

Revisions are written by hand; tests/sql/test_migrations.py compares what they make with the models of every room.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

#: an arbitrary constant: the advisory lock that serialises migrating processes
MIGRATION_LOCK = 7_236_519

database = context.config.attributes["database"]
try:
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            connection.commit()
        context.config.attributes["prepare"](connection)
        context.configure(
            connection=connection, target_metadata=None, transactional_ddl=True, version_table=context.config.attributes["version_table"]
        )
        with context.begin_transaction():
            context.run_migrations()
        if connection.in_transaction():
            connection.commit()
finally:
    database.engine.dispose()  # ends the session, which releases the advisory lock
