"""Database of `./run up`: migrate it and create the first administrator, or say why it cannot be used."""

from __future__ import annotations

import shlex

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from ... import COMMAND, migrations
from ...configuration.database_url import parse
from ...settings import get_settings
from ..data.configuration import masked
from ..errors import UpError
from . import front_door


def prepare() -> str | None:
    """Migrate the database, and return the password of an administrator created for it. Raises UpError."""
    url = parse(get_settings().effective_database_url)
    try:
        migrations.migrate()
        return front_door.ensure_admin()
    except migrations.MigrationRefused as error:
        raise UpError(str(error)) from None
    except (SQLAlchemyError, OSError) as error:
        raise UpError(_problem(url, error)) from None


def _problem(url: URL, error: Exception) -> str:
    shown = masked("database_url", url.render_as_string(hide_password=True))
    cause = str(getattr(error, "orig", None) or error).strip()
    if url.get_backend_name() == "sqlite":
        file = shlex.quote(str(url.database))
        return (
            f"The database {shown} cannot be used: {cause}.\nIs the disk full, or is the file owned by another user?  df -h ; ls -l {file}"
        )
    return f"The database {shown} cannot be used: {cause}.\nStart it or correct CALLBOARD_DATABASE_URL, then:  {COMMAND} up"
