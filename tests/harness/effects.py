"""The table that transactional test actors write into: one row per attempt that was committed, so a doubled effect shows."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table

from src.sql.database import Database

#: a metadata of its own: migrations must not find it
metadata = MetaData()
effects = Table(
    "chaos_effects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", String(255), nullable=False),  # not unique: the database must not prevent what we look for
    Column("attempt", Integer, nullable=False),
)


def create_effects(database: Database) -> None:
    """Make the table in a migrated database."""
    metadata.create_all(database.engine)
