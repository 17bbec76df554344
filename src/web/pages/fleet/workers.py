"""/workers: worker processes and their running jobs."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from .... import __version__
from ....jobs.core.errors import JobsError
from ....jobs.core.states import WorkerCommand
from ....jobs.leases import deploys, heartbeats, worker_commands, workers
from ....jobs.read import queries
from ....jobs.read.memory import Sample, growth
from ....operations.fleet import worker_documents
from ....operations.fleet.figures import history
from ....operations.format.instants import write_instant
from ....operations.jobs.rows import Worker
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, visitor
from ...http.requests.time_range import current_range
from ...http.responses import export_formats
from ...render.graphics import time_charts

blueprint = Blueprint("workers", __name__)

_SAID = {
    "quiet": "stops taking jobs and finishes its current ones",
    "stop": "stops after its current jobs",
    "resume": "takes jobs again",
}


@blueprint.get("/workers")
@allow(Role.VIEWER)
def index() -> str | Response:
    """List the live worker processes and the recently lost ones."""
    period = current_range() if current_range().is_chosen else None
    with database.read() as session:
        alive = workers.fleet(session)
        lost = workers.lost_lately(session, since=period.since if period else None, until=period.until if period else None)
        running = queries.running_on(session, [each.id for each in alive])
        memory = history.memory(session, current_range())
        beats, silent = heartbeats.alive(session), [each for role in heartbeats.Role for each in heartbeats.silent(session, role)]
    if export_formats.requested_format():
        rows = [_document(each, len(running.get(each.id, ()))) for each in alive]
        return (
            export_formats.as_csv(rows, "workers")
            if export_formats.requested_format() == "csv"
            else export_formats.as_json({"workers": rows})
        )
    return render_template(
        "workers/index.html",
        alive=alive,
        lost=lost,
        is_on_record=period is None or workers.is_on_record(period.since),
        running=running,
        beats=beats,
        silent=silent,
        version=__version__,
        shown=queries.RUNNING_SHOWN,
        memory=memory,
        growth=growth,
        bytes_of=_bytes,
    )


@blueprint.get("/workers/<name>")
@allow(Role.VIEWER)
def show(name: str) -> str:
    """Memory of one worker process over the range."""
    period = current_range()
    with database.read() as session:
        document, worker = worker_documents.memory_document(session, name, period), worker_documents.find(session, name)
        samples = history.memory(session, period).get(name) or [None] * len(period.columns)
        marks = [(at, version) for at, version in deploys.since(session, period.first) if at < period.last]
    charts = time_charts.memory(period, samples, marks)
    return render_template("workers/show.html", name=name, worker=worker, grown=document["growth"], charts=charts, deploys=marks)


@blueprint.post("/workers/<name>/<any(quiet, stop, resume):verb>")
@allow(Role.OPERATOR, action="worker.{verb}")
def act(name: str, verb: str) -> Response:
    """Quiet, stop or resume a worker."""
    try:
        with database.write() as session:
            worker_commands.ask(session, name, None if verb == "resume" else WorkerCommand(verb), by=visitor().name)
        flash(f"{name} {_SAID[verb]}.", "success")
    except JobsError as error:
        flash(f"Failed: {error}", "error")
    return redirect(url_for("workers.index"), 303)


def _bytes(worker: Worker, samples: Sequence[Sample | None]) -> list[int]:
    """Memory in each step, from the start of the process, or from its first sample if that is later."""
    first = next((at for at, each in enumerate(samples) if each), 0)
    is_older = worker.started_at < current_range().columns[first]
    return [each.memory_bytes if each else 0 for each in samples[first if is_older else 0 :]]


def _document(worker: Worker, running: int) -> dict[str, object]:
    return {
        "name": worker.name, "host": worker.host, "pid": worker.pid, "version": worker.version, "threads": worker.threads, "busy": worker.busy, "running": running,
        "memory_bytes": worker.memory_bytes, "jobs_done": worker.jobs_done, "recycled": worker.recycled, "wish": worker.wish.value if worker.wish else None,
        "queues": worker.queues, "started_at": write_instant(worker.started_at), "heartbeat_at": write_instant(worker.heartbeat_at),
    }  # fmt: skip
