"""Samples of each worker's memory, once a minute for the whole fleet, kept as the greatest of each span: no statement per heartbeat or job."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.statements import Batch
from ..leases import workers
from ..read.models import WorkerMemory
from ..read.spans import SPANS, minute_of
from .ended_counts import KEEP

_COLUMNS = {"span": "bigint", "minute": "bigint", "worker": "text", "memory_bytes": "bigint", "jobs_done": "bigint"}


def _statement(greatest: str) -> str:
    values = ", ".join(f"{name} = {greatest}(excluded.{name}, worker_memory.{name})" for name in ("memory_bytes", "jobs_done"))
    return f"""
        INSERT INTO worker_memory ({", ".join(_COLUMNS)}) SELECT {", ".join(f"d.{name}" for name in _COLUMNS)} FROM {{rows}} WHERE true ORDER BY 1, 2, 3
        ON CONFLICT (span, minute, worker) DO UPDATE SET {values}
    """


# Repeatable, as by two schedulers: the greater value stays.
_WRITE = Batch(_COLUMNS, _statement("greatest"), _statement("max"))


def sample(session: Session) -> int:
    """Sample the living workers, unless this minute has a sample; return 0: nothing is left to do."""
    minute = minute_of(now())
    newest = session.execute(select(func.max(WorkerMemory.minute)).where(WorkerMemory.span == SPANS[0])).scalar()
    if newest is not None and newest >= minute:
        return 0
    known = [each for each in workers.alive(session) if each.memory_bytes]
    if rows := [[span, minute // span * span, each.name, each.memory_bytes, each.jobs_done or 0] for each in known for span in SPANS]:
        _WRITE.execute(session, rows)
    return 0


def prune(session: Session) -> None:
    """Delete samples that no chart shows, also of a fleet that has run no job for long."""
    for span, kept in KEEP.items():
        session.execute(delete(WorkerMemory).where(WorkerMemory.span == span, WorkerMemory.minute < minute_of(now() - kept)))
