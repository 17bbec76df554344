"""The SQL door of PostgreSQL: installs callboard_submit(), by which any program with SQL submits jobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import ProgrammingError

from ..logs import get_logger
from .version_table import NAME

log = get_logger(__name__)

#: schema of the short name, callboard.submit()
DOOR = "callboard"
_SOURCE = Path(__file__).with_name("sql_door.sql")
#: an arbitrary constant: the advisory lock that serialises processes which install the functions
_LOCK = 7_236_521
_CALLED = re.compile(r'SELECT "?(\w+)"?\.callboard_submit')
_SHORT = """
CREATE OR REPLACE FUNCTION {door}.submit(actor text, request jsonb DEFAULT '{{}}') RETURNS text
    LANGUAGE sql SECURITY DEFINER SET search_path = {tables}, pg_temp AS $$ SELECT {tables}.callboard_submit(actor, request) $$;
REVOKE ALL ON FUNCTION {door}.submit(text, jsonb) FROM PUBLIC;
"""
# A caller needs the way to the function. A schema with tables is another program's, or that of our own, which the operator opens.
_OPEN = """
DO $$ BEGIN
    IF EXISTS (
        SELECT FROM pg_namespace WHERE nspname = '{door}' AND pg_get_userbyid(nspowner) = current_user
            AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid)
    ) THEN
        GRANT USAGE ON SCHEMA {door} TO PUBLIC;
    END IF;
END $$;
"""


def install(engine: Engine) -> None:
    """Create or replace the functions. Without the right to, only the door is missing."""
    _run(engine, _functions)
    _run(engine, _short_name)


def _run(engine: Engine, change: Callable[[Connection], None]) -> None:
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            change(connection)
    except ProgrammingError as error:
        log.warning("sql_door_not_installed", detail=str(error.orig).strip())


def _functions(connection: Connection) -> None:
    tables = _schema(connection)
    _execute(connection, _SOURCE.read_text().format(tables=f'"{tables}"'))


def _short_name(connection: Connection) -> None:
    tables = _schema(connection)
    if tables != DOOR:
        if connection.execute(text("SELECT current_user")).scalar_one() == DOOR:
            return  # in a schema with the user's name PostgreSQL would look for tables first, and create them there
        if not inspect(connection).has_schema(DOOR):
            connection.execute(text(f"CREATE SCHEMA {DOOR}"))
        elif (other := _meant(connection)) not in (None, tables):
            log.warning(
                "sql_door_has_no_short_name", detail=f"{DOOR}.submit() submits to the schema {other}: call {tables}.callboard_submit()"
            )
            return
    _execute(connection, _SHORT.format(door=DOOR, tables=f'"{tables}"') + _OPEN.format(door=DOOR))


def _meant(connection: Connection) -> str | None:
    """Return the schema of the installation that has the short name: a second one must not take over its triggers and programs."""
    body = connection.execute(
        text("SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure(:name)"), {"name": f"{DOOR}.submit(text, jsonb)"}
    ).scalar()
    found = _CALLED.search(body or "")
    return found[1] if found is not None and inspect(connection).has_table(NAME, schema=found[1]) else None


def _execute(connection: Connection, script: str) -> None:
    """Execute statements as they are written, without parameters."""
    connection.execution_options(no_parameters=True).exec_driver_sql(script)


def _schema(connection: Connection) -> str:
    return str(connection.execute(text("SELECT current_schema()")).scalar_one())
