"""/metrics: the numbers of SQL in Prometheus' text format. Needs a viewer's token: they tell what a company does."""

from __future__ import annotations

from flask import Blueprint, Response

from src import __version__, database
from src.jobs import queries, workers
from src.web.auth import allow
from src.web.roles import Role

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@allow(Role.VIEWER)
def show() -> Response:
    """Jobs by state, queues and workers."""
    with database.read() as session:
        counts, queues, alive = queries.counts(session), queries.queues(session), workers.alive(session)
    lines = [
        *_metric("callboard_jobs", "Jobs by state.", [({"state": state.value}, number) for state, number in counts.items()]),
        *_metric("callboard_queue_queued", "Queued jobs by queue.", [({"queue": each.queue}, each.queued) for each in queues]),
        *_metric("callboard_queue_running", "Running jobs by queue.", [({"queue": each.queue}, each.running) for each in queues]),
        *_metric("callboard_workers", "Worker processes that are alive.", [({}, len(alive))]),
        *_metric("callboard_worker_threads", "Actor threads of all workers.", [({}, sum(each.threads for each in alive))]),
        *_metric("callboard_worker_threads_busy", "Actor threads that run a job.", [({}, sum(each.busy for each in alive))]),
        *_metric("callboard_build_info", "The version that runs.", [({"version": __version__}, 1)]),
    ]
    return Response("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8")


def _metric(name: str, help: str, samples: list[tuple[dict[str, str], int]]) -> list[str]:
    return [f"# HELP {name} {help}", f"# TYPE {name} gauge", *(f"{name}{_labels(labels)} {value}" for labels, value in samples)]


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    escaped = {name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
