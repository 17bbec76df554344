"""Documents of worker processes, and of their memory over time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ...jobs.core.models import Worker
from ...jobs.core.states import WorkerCommand
from ...jobs.leases.worker_commands import UnknownWorker
from ...jobs.read import memory
from ..format.document_fields import Instant
from ..format.instants import write_instant
from ..format.time_ranges import TimeRange
from .figures import history


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


class MemoryStep(TypedDict):
    """Memory of a worker process in one step."""

    at: Instant
    memory_bytes: Annotated[int | None, Field(description="greatest sample of its resident memory, one per minute; null: none")]
    jobs_done: Annotated[int | None, Field(description="since the start of the process")]


class MemoryGrowth(TypedDict):
    """Change of memory from the first to the last known step since the process began."""

    memory_bytes: int
    seconds: int
    jobs: int


class MemoryDocument(TypedDict):
    """Memory of a worker process over a time range."""

    name: str
    since: Instant
    until: Instant
    step_seconds: int
    steps: list[MemoryStep]
    growth: Annotated[MemoryGrowth | None, Field(description="null: fewer than two steps are known")]


def memory_document(session: Session, name: str, period: TimeRange) -> MemoryDocument:
    """The memory of a worker process; raises JobsError if neither it nor a sample of it is known."""
    samples = history.memory(session, period).get(name)
    if samples is None and find(session, name) is None:
        raise UnknownWorker(f"There is no worker {name}, and no sample of its memory in this range.", field="name")
    samples = samples or [None] * len(period.columns)
    grown, step = memory.growth(samples), int(period.step.total_seconds())
    steps: list[MemoryStep] = [
        {"at": write_instant(at), "memory_bytes": each.memory_bytes if each else None, "jobs_done": each.jobs_done if each else None}
        for at, each in zip(period.columns, samples, strict=True)
    ]
    return {
        "name": name, "since": write_instant(period.first), "until": write_instant(period.last), "step_seconds": step, "steps": steps,
        "growth": None if grown is None else {"memory_bytes": grown.memory_bytes, "seconds": grown.steps * step, "jobs": grown.jobs},
    }  # fmt: skip


def find(session: Session, name: str) -> Worker | None:
    """The newest process of this name."""
    return session.execute(select(Worker).where(Worker.name == name).order_by(Worker.id.desc()).limit(1)).scalars().first()


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
