"""The schema's history, which Alembic applies; and whether a database has the schema that this code needs."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from src.database import get_database, is_outage

VERSIONS = Path(__file__).with_name("versions")


def newest() -> str:
    """The revision that this code needs."""
    return max(path.name[:4] for path in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))


def problem() -> str | None:
    """The same of this process's database; None also while that is away."""
    try:
        with get_database().engine.connect() as connection:
            return missing(connection)
    except Exception as error:
        if not is_outage(error):
            raise
        return None


def missing(connection: Connection) -> str | None:
    """None when the database has the needed schema or a newer one; else what it lacks, and the cure."""
    if not inspect(connection).has_table("alembic_version"):
        return "The database has no tables yet.\nMake them:  ./run migrate"
    found = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
    if found >= newest():
        return None
    return f"The database has schema {found or 'none'}, and this code needs {newest()}.\nBring it there:  ./run migrate"
