"""Lost messages: queued jobs that RabbitMQ confirmed long ago, and how far each queue has been claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import from_microseconds, to_microseconds
from ...sql.direct import Direct
from ...sql.statements import Batch, is_sqlite
from ..core.models import Job, Worker
from ..core.states import State
from ..leases.workers import alive


def _left(others: str) -> str:
    return f"""
        SELECT d.queue FROM {{rows}} WHERE EXISTS (
            SELECT 1 FROM jobs WHERE jobs.queue = d.queue AND jobs.state = '{State.QUEUED}' AND jobs.publish_at IS NULL
                AND jobs.published_at < @(:before) AND {others}
        )
    """


# Each worker asks this every few seconds for all its queues: one statement without a session takes a fiftieth of the CPU of one for each.
_LEFT = Batch(
    {"queue": "text"}, _left("jobs.seq <> ALL (CAST(:but AS bigint[]))"), _left("jobs.seq NOT IN (SELECT value FROM json_each(:but))")
)


def waiting_since(session: Session, published_before: datetime) -> dict[str, int]:
    """Map each queue to the number of its queued jobs published before that instant."""
    statement = (
        select(Job.queue, func.count())
        .where(Job.state == State.QUEUED, Job.publish_at.is_(None), Job.published_at < published_before)
        .group_by(Job.queue)
    )
    return dict(session.execute(statement).all())


def left_waiting(session: Session | Direct, queues: Iterable[str], published_before: datetime, *, but: Collection[int] = ()) -> set[str]:
    """Return those of the queues of which a job published before that instant is still queued, other than the jobs of these seqs."""
    seqs = ",".join(map(str, but))
    rows = [[queue] for queue in sorted(queues)]
    before = to_microseconds(published_before)
    return {queue for (queue,) in _LEFT.execute(session, rows, before=before, but=f"[{seqs}]" if is_sqlite(session) else f"{{{seqs}}}")}


def frontiers(session: Session) -> dict[str, datetime]:
    """Map each queue to the publication time of the newest message that a living worker has claimed from it."""
    newest: dict[str, int] = {}
    for worker in alive(session):
        for queue, published_us in worker.frontier.items():
            newest[queue] = max(newest.get(queue, 0), published_us)
    return {queue: from_microseconds(published_us) for queue, published_us in newest.items()}


def publish_again(session: Session, queue: str, published_before: datetime, *, limit: int | None = None) -> int:
    """Have the relay republish the queue's jobs that were published before that instant and still wait; the oldest `limit` of them."""
    doubted = Job.queue == queue, Job.state == State.QUEUED, Job.publish_at.is_(None), Job.published_at < published_before
    statement = update(Job).where(*doubted).values(publish_at=now())
    if limit is not None:
        oldest = select(Job.seq).where(*doubted).order_by(Job.published_at).limit(limit)
        statement = statement.where(Job.seq.in_(list(session.execute(oldest).scalars())))
    return len(session.execute(statement.returning(Job.seq)).all())


def publish_again_after_loss(session: Session, lost_since: datetime, *, limit: int) -> int:
    """Have the relay republish messages that workers lost since then may have received without claiming.

    RabbitMQ keeps such messages for a stalled process until it misses enough heartbeats, and they may be any of the
    queue's oldest. A second copy of a message starts nothing.
    """
    lost = session.execute(select(Worker.queues).where(Worker.lost_at >= lost_since, Worker.stopped_at.is_(None))).scalars()
    queues = Counter(queue for each in lost for queue in each)
    return sum(publish_again(session, queue, now(), limit=limit * count) for queue, count in sorted(queues.items()))
