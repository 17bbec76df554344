"""Migrations: the schema's history, which Alembic applies; and whether a database has the schema that this code needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from ..settings import get_settings
from ..sql.database import Database, get_database
from ..sql.outages import is_outage

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent
VERSIONS = FOLDER / "versions"


def migrate(url: str | None = None) -> None:
    """Migrate the database to the newest schema; safe to call from several processes at once."""
    from alembic import command  # here: only a process that migrates pays for this import

    command.upgrade(configuration(url), "head")


def configuration(url: str | None = None) -> Config:
    """Return Alembic's configuration for a database; without a URL, for the configured one."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["database"] = Database(url or get_settings().effective_database_url)
    return config


def newest() -> str:
    """The revision that this code needs."""
    return max(path.name[:4] for path in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))


def problem() -> str | None:
    """Return the problem of this process's database; None also while it is away."""
    try:
        with get_database().engine.connect() as connection:
            return missing(connection)
    except Exception as error:
        if not is_outage(error):
            raise
        return None


def missing(connection: Connection) -> str | None:
    """Return None if the database has the needed schema or a newer one; else its problem, and the cure."""
    if not inspect(connection).has_table("alembic_version"):
        return "The database has no tables yet.\nMake them:  ./run migrate"
    found = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
    if found >= newest():
        return None
    return f"The database has schema {found or 'none'}, and this code needs {newest()}.\nBring it there:  ./run migrate"
