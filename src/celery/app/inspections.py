"""Answers of app.control.inspect() and `celery inspect`, in the shape of Celery's replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from ...jobs.core.models import Job, Worker
from ...jobs.core.states import State
from ...jobs.read import queries
from ...settings import get_settings
from ...sql.clock import now

#: node of jobs that wait: they belong to no worker
WAITING = "callboard"
#: jobs listed at most
MOST = 1_000


def ping(_: Session, worker: Worker) -> Any:
    return {"ok": "pong"}


def registered(_: Session, worker: Worker) -> Any:
    return sorted(worker.actors)


def active_queues(_: Session, worker: Worker) -> Any:
    return [{"name": queue, "routing_key": queue, "durable": True} for queue in worker.queues]


def stats(_: Session, worker: Worker) -> Any:
    broker = urlsplit(get_settings().broker_urls[0])
    return {
        "pid": worker.pid,
        "uptime": int((now() - worker.started_at).total_seconds()),
        "pool": {"implementation": "threads", "max-concurrency": worker.threads, "processes": [worker.pid], "busy": worker.busy},
        "rusage": {"maxrss": (worker.memory_bytes or 0) // 1024},
        "broker": {
            "transport": "amqp", "hostname": broker.hostname, "port": broker.port, "userid": broker.username,
            "virtual_host": broker.path.removeprefix("/") or "/",
        },
    }  # fmt: skip


def active(session: Session, worker: Worker) -> Any:
    return [_request(job, worker) for job in queries.running_on(session, [worker.id], limit=MOST)[worker.id]]


def reserved(session: Session) -> Any:
    return [_request(job, None) for job in _page(session, [State.QUEUED])]


def scheduled(session: Session) -> Any:
    jobs = _page(session, [State.SCHEDULED, State.RETRYING])
    return [{"eta": _iso(job.due_at), "priority": job.priority, "request": _request(job, None)} for job in jobs]


def revoked(session: Session) -> Any:
    return [job.id for job in _page(session, [State.CANCELLED])]


def chosen(workers: Sequence[Worker], destination: Sequence[str]) -> list[Worker]:
    """Return the workers that a destination names, by host:pid or as name@host; all without one."""
    return [worker for worker in workers if not destination or any(_fits(worker, name) for name in destination)]


def _fits(worker: Worker, name: str) -> bool:
    return worker.name == name or ("@" in name and worker.host == name.partition("@")[2])


#: actions whose answer is that of each worker
OF_WORKERS: dict[str, Callable[[Session, Worker], Any]] = {
    "ping": ping, "registered": registered, "active_queues": active_queues, "stats": stats, "active": active,
}  # fmt: skip
#: actions on jobs that no worker has
OF_WAITING: dict[str, Callable[[Session], Any]] = {"reserved": reserved, "scheduled": scheduled, "revoked": revoked}


def query_task(session: Session, ids: Sequence[str]) -> Any:
    """State and request of jobs by id."""

    return {job.id: [job.state.value, _request(job, None)] for job in queries.find_many(session, ids)}


def _page(session: Session, states: Sequence[Any]) -> list[Job]:
    return queries.page(session, states=states, limit=MOST).jobs


def _request(job: Job, worker: Worker | None) -> dict[str, Any]:
    from ...operations.jobs.documents import job_documents  # here: it imports the actors, whose modules import this package

    args, kwargs = job_documents.arguments(job)
    return {
        "id": job.id, "name": job.actor, "type": job.actor, "args": args, "kwargs": kwargs, "hostname": worker.name if worker else None,
        "worker_pid": worker.pid if worker else None, "time_start": job.started_at.timestamp() if job.started_at else None, "acknowledged": False,
        "delivery_info": {"exchange": "", "routing_key": job.queue, "priority": job.priority, "redelivered": job.attempt > 1},
    }  # fmt: skip


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
