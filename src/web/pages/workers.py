"""/workers: the processes that run jobs, and what each of them runs at the moment."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from src import __version__, database
from src.jobs import queries, workers
from src.jobs.models import Worker
from src.web import twins
from src.web.auth import allow
from src.web.instants import write_instant
from src.web.roles import Role

blueprint = Blueprint("workers", __name__)


@blueprint.get("/workers")
@allow(Role.VIEWER)
def index() -> str | Response:
    """All worker processes that are alive, and those that were lost lately."""
    with database.read() as session:
        alive, lost = workers.alive(session), workers.lost_lately(session)
        running = queries.running_on(session, [each.id for each in alive])
    if twins.wanted():
        rows = [_document(each, len(running.get(each.id, ()))) for each in alive]
        return twins.as_csv(rows, "workers") if twins.wanted() == "csv" else twins.as_json({"workers": rows})
    return render_template("workers/index.html", alive=alive, lost=lost, running=running, version=__version__, shown=queries.RUNNING_SHOWN)


def _document(worker: Worker, running: int) -> dict[str, object]:
    return {
        "name": worker.name, "host": worker.host, "pid": worker.pid, "version": worker.version, "threads": worker.threads, "busy": worker.busy, "running": running,
        "queues": worker.queues, "started_at": write_instant(worker.started_at), "heartbeat_at": write_instant(worker.heartbeat_at),
    }  # fmt: skip
