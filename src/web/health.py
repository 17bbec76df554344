"""/healthz: this process answers. /readyz: it can do its work. Open to all, so they tell nothing else."""

from __future__ import annotations

from functools import lru_cache

from alembic.script import ScriptDirectory
from flask import Blueprint, Response
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from src import database, migrations
from src.broker import management
from src.web.api.bodies import answer
from src.web.auth import open_to_all

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@open_to_all
def alive() -> Response:
    """Alive."""
    return answer({"status": "ok"})


@blueprint.get("/readyz")
@open_to_all
def ready() -> Response:
    """Ready when the database is there with its newest schema. Without the broker submissions go on: it is only mentioned."""
    problem = _database_problem()
    broker = "reachable" if management.overview().reachable else "not reachable"
    return answer({"ready": problem is None, "database": problem or "reachable", "broker": broker}, 200 if problem is None else 503)


def _database_problem() -> str | None:
    try:
        with database.read() as session:
            if not database.get_database().is_sqlite and session.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
                # After a fail-over the connections lead to a standby: new ones may find the server that takes writes.
                database.get_database().engine.dispose()
                return "read-only: name the server that takes writes in CALLBOARD_DATABASE_URL, or all of them"
            if not inspect(session.connection()).has_table("alembic_version"):
                return "not migrated: run ./run migrate"
            found = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except SQLAlchemyError:
        return "not reachable: check CALLBOARD_DATABASE_URL and that the server runs"
    return None if found == _newest() else f"at schema {found}, but this version has {_newest()}: run ./run migrate"


@lru_cache(maxsize=1)
def _newest() -> str | None:
    return ScriptDirectory(next(iter(migrations.__path__))).get_current_head()
