"""Words for a database error that an operator can cure: no tables yet, an older schema, a server that is away."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

from ... import COMMAND, migrations
from ...configuration.database_url import parse
from ...configuration.kept_secrets import masked
from ...settings import get_settings
from ...sql.outages import is_outage


def problem_of(error: DBAPIError) -> str | None:
    """The cause and the cure; None for a statement that fails on a complete database, which is a bug."""
    if is_outage(error) or getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        url = masked("database_url", parse(get_settings().effective_database_url).render_as_string())
        return f"The database {url} cannot be used: {' '.join(str(error.orig).split())}\nCorrect CALLBOARD_DATABASE_URL, or see:  {COMMAND} doctor"
    return migrations.problem()
