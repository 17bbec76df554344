"""The table that transactional test actors write to: one row per committed attempt, so that a doubled effect is visible."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table

from src.sql.database import Database

#: separate metadata: migrations must not find it
metadata = MetaData()
effects = Table(
    "chaos_effects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(255), nullable=False),  # not unique: the database must not prevent the fault that tests look for
    Column("attempt", Integer, nullable=False),
)


def create_effects(database: Database) -> None:
    """Create the table in a migrated database."""
    metadata.create_all(database.engine)
