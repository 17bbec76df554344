"""Migrations: the schema's history, which Alembic applies; and whether a database has the schema that this code needs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from .. import COMMAND
from ..settings import get_settings
from ..sql.database import Database, get_database
from ..sql.outages import SharedConnection, is_outage
from . import late_indexes, sql_door, version_table
from .shared_database import MigrationRefused, create_schema, foreign_tables, in_short, refusal, refuse_foreign_tables
from .version_table import revision, revisions

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = [
    "MigrationRefused", "configuration", "create_schema", "foreign_tables", "in_short", "migrate", "missing", "newest", "problem", "revision",
    "revisions",
]  # fmt: skip

FOLDER = Path(__file__).parent


def migrate(url: str | None = None) -> None:
    """Migrate the database to the newest schema; safe to call from several processes at once.

    Raises MigrationRefused, before anything changes, if tables of another program are in the way.
    """
    from alembic import command  # here: only a process that migrates pays for this import

    config, schema = configuration(url), get_settings().database_schema
    database = config.attributes["database"]
    if schema and not database.is_sqlite:
        create_schema(database.engine, schema)
        config = configuration(url)  # an engine notes its default schema at its first connection, where it did not exist
        database.engine.dispose()
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        raise refusal(error, database.engine, schema) or error from None
    if not database.is_sqlite:
        sql_door.install(database.engine)
        late_indexes.build(database.engine)
        database.engine.dispose()


def configuration(url: str | None = None) -> Config:
    """Return Alembic's configuration for a database; without a URL, for the configured one."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))  # Alembic interpolates it
    config.attributes["database"] = Database(url or get_settings().effective_database_url)
    config.attributes["version_table"] = version_table.NAME
    config.attributes["prepare"] = _prepare
    return config


@cache
def newest() -> str:
    """The revision that this code needs. Read once: an upgrade may replace the files while this process runs."""
    return max(revisions())


def _prepare(connection: Connection) -> None:
    refuse_foreign_tables(connection, get_settings().database_schema)
    version_table.take_over(connection)


def problem() -> str | None:
    """Return the problem of this process's database; None also while it is away."""
    try:
        with get_database().engine.connect() as connection:
            return missing(connection)
    except SharedConnection as error:
        return str(error)
    except Exception as error:
        if not is_outage(error):
            raise
        return None


def missing(connection: Connection) -> str | None:
    """Return None if the database has the needed schema or a newer one; else its problem, and the cure."""
    found = revision(connection)
    if found is None:
        schema = get_settings().database_schema if connection.dialect.name != "sqlite" else ""
        return f"{f'The schema {schema}' if schema else 'The database'} has no tables of Callboard yet.\nMake them:  {COMMAND} migrate"
    if found >= newest():
        return None
    return f"The database has schema {found}, and this code needs {newest()}.\nBring it there:  {COMMAND} migrate"
