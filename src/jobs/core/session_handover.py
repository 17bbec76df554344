"""Session hand-over: a session of the application, checked and led to Callboard's tables for the time of a submission."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session

from ...configuration.kept_secrets import masked
from ...settings import get_settings
from ...sql.database import READ_ONLY, get_database
from ...sql.engines import FINDS_TABLES
from .errors import WrongSession

#: a session, or Flask-SQLAlchemy's `db.session`
AnySession = Session | scoped_session[Any]

_ENTER = text("SELECT current_setting('search_path'), set_config('search_path', :schema, true)")
_LEAVE = text("SELECT set_config('search_path', :path, true)")
#: drivers that take the parameters of direct SQL as they are written
_DRIVERS = ("pysqlite", "aiosqlite", "psycopg", "psycopg_async", "psycopg2", "asyncpg")
_TRANSLATION = "schema_translate_map"
#: SQLSTATEs: no such table, column, schema
_NO_TABLES = ("42P01", "42703", "3F000")
_OWN_TRANSACTION = "or submit in a transaction of its own after your commit: with database.write() as session: submit(session, message)"


@contextmanager
def handed_over(given: AnySession) -> Iterator[Session]:
    """Yield the session, in which Callboard's tables are found by their names; raises WrongSession with the cure."""
    session = _session(given)
    connection = session.connection()
    if connection.info.get(FINDS_TABLES):
        yield session  # a session of Callboard's own, or one inside this block
        return
    _check(connection)
    try:
        schema = get_settings().database_schema
        path = _search_path(session, connection, schema) if schema and connection.dialect.name == "postgresql" else nullcontext()
        with path, _untranslated(connection):
            yield session
    except DBAPIError as error:
        if (problem := _problem(connection, error)) is None:
            raise
        raise WrongSession(problem) from error


def _session(given: AnySession) -> Session:
    session = given() if isinstance(given, scoped_session) else given
    if isinstance(session, Session):
        if session.info.get(READ_ONLY):
            raise WrongSession("This session only reads: it was opened by read(). Open it with write().")
        return session
    if hasattr(session, "sync_session"):
        raise WrongSession(
            "This is an AsyncSession, and submitting is synchronous. Hand its own session over:  await session.run_sync(submit, message)"
        )
    raise WrongSession(f"A session of SQLAlchemy is needed, not {type(session).__name__}.")


def _check(connection: Connection) -> None:
    if connection.dialect.name not in ("sqlite", "postgresql"):
        raise WrongSession(
            f"This session is on {connection.dialect.name}, and Callboard's tables are on {_ours()}. Hand over a session of that database,"
            f" {_OWN_TRANSACTION}."
        )
    if connection.dialect.driver not in _DRIVERS:
        raise WrongSession(
            f"This session uses the driver {connection.dialect.driver}, whose statements differ."
            " Use postgresql+psycopg://, or for AsyncSession also postgresql+asyncpg://."
        )
    if _commits_each_statement(connection):
        raise WrongSession(
            "This session commits each statement by itself (isolation level AUTOCOMMIT), so the job would not belong to your transaction."
            " Hand over a session with transactions."
        )


def _commits_each_statement(connection: Connection) -> bool:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":  # with isolation level None, a transaction must have been begun by hand
        return driver.isolation_level is None and not getattr(driver, "in_transaction", True)
    return bool(driver.autocommit)


@contextmanager
def _untranslated(connection: Connection) -> Iterator[None]:
    """Leave Callboard's tables where they are, also in a session that looks for its own tables in the schema of a tenant."""
    translated = connection.get_execution_options().get(_TRANSLATION)
    if translated is None:
        yield
        return
    connection.execution_options(**{_TRANSLATION: None})
    try:
        yield
    finally:
        connection.execution_options(**{_TRANSLATION: translated})


@contextmanager
def _search_path(session: Session, connection: Connection, schema: str) -> Iterator[None]:
    path = connection.execute(_ENTER, {"schema": schema}).scalar_one()
    info = connection.info  # kept: a connection that has died since cannot be asked for it
    info[FINDS_TABLES] = True
    failed = False
    try:
        # The application's new objects are not flushed here: their tables are in its own schema.
        with session.no_autoflush:
            yield
    except DBAPIError:
        failed = True  # a failed transaction accepts no statement, and its rollback restores the path
        raise
    finally:
        info.pop(FINDS_TABLES)
        if not failed:
            connection.execute(_LEAVE, {"path": path})


def _problem(connection: Connection, error: DBAPIError) -> str | None:
    original, there = error.orig, masked("database_url", connection.engine.url.render_as_string())
    state, words = getattr(original, "sqlstate", None), str(original)
    if state in _NO_TABLES or words.startswith(("no such table", "no such column", "table jobs has no column")):
        schema = get_settings().database_schema
        cure = f", or grant its user USAGE on the schema {schema}," if schema and state else ""
        return (
            f"This session's database ({there}) has no tables of Callboard, which are in {_ours()}. Migrate{cure} if that is the same database,"
            f" hand over a session of that database, {_OWN_TRANSACTION}."
        )
    if state == "25006" or words.startswith("attempt to write a readonly database"):
        return f"This session only reads ({there}), so it cannot submit a job. Hand over a session that writes, {_OWN_TRANSACTION}."
    if state == "42501":
        return f"This session's user may not write Callboard's tables ({words.strip()}). Grant it the right, {_OWN_TRANSACTION}."
    return None


def _ours() -> str:
    schema = get_settings().database_schema
    return masked("database_url", get_database().url.render_as_string()) + (f", schema {schema}" if schema else "")
