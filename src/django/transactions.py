"""Sessions of SQLAlchemy on Django's own connection, for jobs that exist only if Django's transaction commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from dramatiq import Message
from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from .. import jobs
from ..jobs import Receipt
from ..jobs.core.errors import WrongSession
from ..sql.database import get_database


def submit(message: Message[Any], *, using: str | None = None, **how: Any) -> Receipt:
    """Insert the job of `message` in Django's transaction of the database `using`; it is published when that commits.

    Outside of `atomic()` it is committed at once, as Django's own statements are. `how` and errors: those of
    src.jobs.submit().
    """
    with session(using) as own:
        return jobs.submit(own, message, **how)


@contextmanager
def session(using: str | None = None) -> Iterator[Session]:
    """Yield a session in Django's transaction of the database `using`, for submit_many() and workflows.

    Outside of `atomic()` the block is a transaction. Do not commit the session. Raises WrongSession.
    """
    alias = using or DEFAULT_DB_ALIAS
    connection, ours = connections[alias], get_database().engine
    if connection.vendor != ours.dialect.name:
        raise WrongSession(
            f"Django's database {alias!r} is on {connection.vendor}, and Callboard's tables are on {ours.dialect.name}. Name the database that has"
            " them (using=…), or submit in a transaction of its own after your commit: with database.write() as session: submit(session, message)"
        )
    with nullcontext() if connection.in_atomic_block else transaction.atomic(using=alias):
        connection.validate_no_broken_transaction()
        own = Session(_engine(alias, ours), expire_on_commit=False)
        try:
            yield own
            own.flush()
        except BaseException:
            own.close()
            raise
        transaction.on_commit(lambda: _committed(own), using=alias)  # Django drops it if the transaction, or its savepoint, rolls back


def _committed(session: Session) -> None:
    """Publish: SQLAlchemy's events of a commit follow Django's own."""
    with session:
        session.commit()


class _Lent:
    """The driver's connection of Django, lent to SQLAlchemy: only Django commits, rolls back and closes it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


@lru_cache(maxsize=64)
def _engine(alias: str, ours: Engine) -> Engine:
    """Return an engine on this thread's connection to one of Django's databases.

    It shares the dialect of Callboard's engine. Created by create_engine(), it would set each connection up, and
    replace functions that Django has registered on SQLite.
    """
    with ours.connect():
        pass  # the dialect asks the server for its version at the first connection
    settings = connections[alias].settings_dict
    port = settings.get("PORT")
    url = URL.create(
        ours.url.drivername,
        settings.get("USER") or None,
        None,
        settings.get("HOST") or None,
        int(port) if port else None,
        str(settings["NAME"]),
    )
    pool = NullPool(lambda: _Lent(connections[alias].connection), dialect=ours.dialect, reset_on_return=None)
    return Engine(pool, ours.dialect, url, hide_parameters=True)
