"""Samples of each queue's depth and of the age of its oldest job, once a minute, kept as the greatest of each span."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.statements import Batch
from ..read import queries
from ..read.models import QueueDepth
from ..read.spans import SPANS, minute_of

_COLUMNS = {"span": "bigint", "minute": "bigint", "queue": "text", "queued": "bigint", "running": "bigint", "oldest_s": "double precision"}


def _statement(greatest: str) -> str:
    values = ", ".join(f"{name} = {greatest}(excluded.{name}, queue_depths.{name})" for name in ("queued", "running", "oldest_s"))
    return f"""
        INSERT INTO queue_depths ({", ".join(_COLUMNS)}) SELECT {", ".join(f"d.{name}" for name in _COLUMNS)} FROM {{rows}} WHERE true ORDER BY 1, 2, 3
        ON CONFLICT (span, minute, queue) DO UPDATE SET {values}
    """


# Repeatable, as by two schedulers: the greater value stays.
_WRITE = Batch(_COLUMNS, _statement("greatest"), _statement("max"))


def sample(session: Session) -> int:
    """Sample every queue that has jobs, unless this minute has a sample; return 0: nothing is left to do."""
    present = now()
    minute = minute_of(present)
    newest = session.execute(select(func.max(QueueDepth.minute)).where(QueueDepth.span == SPANS[0])).scalar()
    if newest is not None and newest >= minute:
        return 0
    rows = [
        [
            span,
            minute // span * span,
            each.queue,
            each.queued,
            each.running,
            max(0.0, (present - (each.oldest_queued_at or present)).total_seconds()),
        ]
        for each in queries.queues(session)
        if each.queued or each.running
        for span in SPANS
    ]
    if rows:
        _WRITE.execute(session, rows)
    return 0
