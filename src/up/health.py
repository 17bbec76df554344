"""`python -m src.up.health ROLE`: health check of a container. Exit code 0 or 1, with the reason on stdout."""

from __future__ import annotations

import socket
import sys

from ..settings import get_settings
from .checks.web_answers import web_missing


def missing(role: str) -> str | None:
    """The problem of this host's process with that role; None: healthy."""
    if role == "web":
        return web_missing(f"http://127.0.0.1:{get_settings().port}")
    # Imported late: the frequent check of a web container needs no database.
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    from ..jobs.leases import heartbeats
    from ..jobs.leases.heartbeats import Role
    from ..jobs.leases.workers import alive
    from ..sql.database import read

    here = socket.gethostname()
    try:
        with read() as session:
            session.execute(text("SELECT 1"))
            if role == "worker" and not any(worker.host == here for worker in alive(session)):
                return "no worker on this host has a heartbeat"
            fresh = {each.role for each in heartbeats.alive(session) if each.host == here}
            if role == "scheduler" and Role.SCHEDULER not in fresh:
                return "no scheduler on this host has a heartbeat"
            if role in ("worker", "scheduler") and Role.RELAY not in fresh:
                return f"no relay on this host has a heartbeat; every {role} runs one"
    except SQLAlchemyError as error:
        return f"the database does not respond: {error}"
    return None


if __name__ == "__main__":
    problem = missing(sys.argv[1])
    if problem:
        print(problem)
    sys.exit(1 if problem else 0)
