"""Documents of worker processes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...jobs.core.models import Worker
from ...jobs.core.states import WorkerCommand
from ..format.document_fields import Instant
from ..format.instants import write_instant


class WorkerDocument(TypedDict):
    """A live worker process."""

    name: Annotated[str, Field(description="host:pid")]
    host: str
    pid: int
    version: str
    threads: int
    busy: Annotated[int, Field(description="threads that run a job")]
    memory_bytes: int | None
    jobs_done: Annotated[int | None, Field(description="since its start")]
    recycled: Annotated[str | None, Field(description="why the process that it replaced was recycled")]
    wish: Annotated[WorkerCommand | None, Field(description="an operator's command, which it obeys at its next heartbeat")]
    wished_by: str | None
    queues: list[str]
    actors: list[str]
    started_at: Instant
    heartbeat_at: Instant


def document(worker: Worker) -> WorkerDocument:
    """The document of a worker process."""
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "threads": worker.threads,
        "busy": worker.busy,
        "memory_bytes": worker.memory_bytes,
        "jobs_done": worker.jobs_done,
        "recycled": worker.recycled,
        "wish": worker.wish,
        "wished_by": worker.wished_by,
        "queues": worker.queues,
        "actors": worker.actors,
        "started_at": write_instant(worker.started_at),
        "heartbeat_at": write_instant(worker.heartbeat_at),
    }
