"""/healthz: liveness. /readyz: readiness and known problems, without names. Public."""

from __future__ import annotations

from flask import Blueprint, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ... import COMMAND, migrations
from ...operations.fleet.figures import fleet_health
from ...operations.fleet.figures.fleet_health import FleetHealth
from ...sql import database
from ..auth import open_to_all
from .json_bodies import answer

blueprint = Blueprint("health", __name__)

#: seconds that /readyz waits for RabbitMQ if its last response is old: a slow broker must not take the web process out of rotation
BROKER_WAIT_S = 0.25


@blueprint.get("/healthz")
@open_to_all
def alive() -> Response:
    """Alive."""
    return answer({"status": "ok"})


@blueprint.get("/readyz")
@open_to_all
def ready() -> Response:
    """Ready if the database is reachable at the latest schema. Other problems are listed only: submissions work without them."""
    problem, health = _examine()
    document: dict[str, object] = {"ready": problem is None, "database": problem or "reachable", "broker": "not known"}
    if health is not None:
        document |= {
            "broker": health.broker_words,
            "workers": {"alive": len(health.workers), "silent": len(health.silent_workers)},
            "schedulers": {"alive": len(health.schedulers), "silent": len(health.silent_schedulers)},
            "relays": {"alive": len(health.relays)},
            "problems": health.public_problems,
        }
    return answer(document, 200 if problem is None else 503)


def _examine() -> tuple[str | None, FleetHealth | None]:
    try:
        with database.read() as session:
            if not database.get_database().is_sqlite and session.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
                # After a failover the connection may lead to a standby; a new one can find the primary.
                session.connection().invalidate()
                return "read-only: name the server that takes writes in CALLBOARD_DATABASE_URL, or all of them", None
            found = migrations.revision(session.connection())
            if found is None:
                return f"not migrated: run {COMMAND} migrate", None
            if found != migrations.newest():
                return f"at schema {found}, but this version has {migrations.newest()}: run {COMMAND} migrate", None
            return None, fleet_health.look(session, wait_s=BROKER_WAIT_S)
    except SQLAlchemyError:
        return "not reachable: check CALLBOARD_DATABASE_URL and that the server runs", None
