"""Shared database: a schema of Callboard's own, and a refusal where another program's tables have its names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from .version_table import EARLIER, NAME, revision, revisions

#: an arbitrary constant: the advisory lock that serialises processes which create the schema
_SCHEMA_LOCK = 7_236_520
_CREATED = re.compile(r'create_table\(\s*"(\w+)"|CREATE (?:VIRTUAL )?TABLE (\w+)')
_INSUFFICIENT_PRIVILEGE = "42501"
#: prefix of the tables that SQLite keeps behind the virtual table of texts
_SHADOWS = "job_texts_"
#: tables that a message names
MOST_NAMED = 5


class MigrationRefused(Exception):
    """The database cannot be migrated; nothing has changed. The text names the cure."""


def create_schema(engine: Engine, schema: str) -> None:
    """Create the schema of CALLBOARD_DATABASE_SCHEMA if it is missing. Raises MigrationRefused without the right to."""
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})"))
            # CREATE SCHEMA IF NOT EXISTS needs the right to create one even if it exists.
            if not inspect(connection).has_schema(schema):
                connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    except ProgrammingError as error:
        raise MigrationRefused(
            f"The schema {schema} of CALLBOARD_DATABASE_SCHEMA cannot be created: {str(error.orig).strip()}.\n"
            f"Create it as the database's owner:  CREATE SCHEMA {schema} AUTHORIZATION {engine.url.username or 'USER'}"
        ) from None


def refuse_foreign_tables(connection: Connection, schema: str) -> None:
    """Raise MigrationRefused if tables that the next migrations create exist already."""
    done = revision(connection) or ""
    inspector, is_sqlite = inspect(connection), connection.dialect.name == "sqlite"
    present = {*inspector.get_table_names(), *inspector.get_view_names()}
    if is_sqlite:
        present = {name.lower() for name in present}
    taken = sorted(present & _created_after(done))
    connection.rollback()
    if not taken:
        return
    raise MigrationRefused(
        f"Another program's tables have the names of Callboard's: {in_short(taken)}. Nothing was changed.\n{_elsewhere(is_sqlite, schema)}."
    )


def foreign_tables(connection: Connection) -> list[str]:
    """Return the names of the tables beside Callboard's that are not its own."""
    names = inspect(connection).get_table_names()
    own = _created_after("") | {NAME}
    if NAME not in names and revision(connection) is not None:
        own.add(EARLIER)
    is_sqlite = connection.dialect.name == "sqlite"
    return sorted(name for name in names if (name.lower() if is_sqlite else name) not in own and not name.startswith(_SHADOWS))


def in_short(names: Sequence[str]) -> str:
    """Write the first of the names, and the number of the others."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"


def refusal(error: DBAPIError, engine: Engine, schema: str) -> MigrationRefused | None:
    """Return the refusal for an error of a migration: an index, sequence or type of another program's, or a missing right; None for others."""
    detail, _, _ = str(error.orig).strip().partition("\n")
    if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
        return MigrationRefused(
            f"The user {engine.url.username} may not migrate: {detail}. Nothing was changed.\n"
            f"Grant the right as the owner:  GRANT CREATE ON SCHEMA {schema or 'public'} TO {engine.url.username}"
        )
    if detail.endswith("already exists"):
        return MigrationRefused(
            f"Another program's object has a name of Callboard's: {detail}. Nothing was changed.\n{_elsewhere(engine.dialect.name == 'sqlite', schema)}."
        )
    return None


def _elsewhere(is_sqlite: bool, schema: str) -> str:
    if is_sqlite:
        return "Give Callboard a file of its own: CALLBOARD_DATABASE_URL=sqlite:////ABSOLUTE/PATH/callboard.db, or leave it empty"
    return f"Give Callboard {'another schema' if schema else 'a schema of its own: CALLBOARD_DATABASE_SCHEMA=callboard'}, or a database of its own"


def _created_after(done: str) -> set[str]:
    """Return the names of tables that revisions after `done` create."""
    texts = [path.read_text() for number, path in revisions().items() if number > done]
    return {found[1] or found[2] for text in texts for found in _CREATED.finditer(text)}
