"""Publisher confirmations: record confirmed messages, which the relay need not publish again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import AHEAD_OF_DISK, Batch
from ..core.envelopes import Envelope
from ..core.states import State

_MARKED = f"jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt - 1 AND jobs.state = '{State.QUEUED}' AND jobs.publish_at IS NOT NULL THEN true END"
_MARK = Batch(
    {"seq": "bigint", "attempt": "int"},
    # A locked row is being claimed, or already marked: waiting for it, in a different order than a claim locks rows, would deadlock. The
    # commit does not wait for the disk either: a mark is not worth it.
    f"""
    WITH free AS MATERIALIZED (SELECT jobs.seq FROM jobs JOIN {{rows}} ON {_MARKED} FOR NO KEY UPDATE OF jobs SKIP LOCKED)
    UPDATE jobs SET publish_at = NULL, published_at = @(:now)
        FROM free WHERE jobs.seq = free.seq AND {AHEAD_OF_DISK}
    RETURNING jobs.seq
    """,
    sqlite_statement=f"UPDATE jobs SET publish_at = NULL, published_at = @(:now) FROM {{rows}} WHERE {_MARKED} RETURNING jobs.seq",
)


def mark_published(session: Session | Direct, published: Sequence[Envelope]) -> None:
    """Record that RabbitMQ has confirmed these messages; a job that has moved on meanwhile is unchanged.

    In its own transaction: if PostgreSQL's host crashes and loses it, the message is published twice and its job starts
    once.
    """
    if published:
        rows = sorted((envelope.seq, envelope.attempt) for envelope in published)
        _MARK.execute(session, rows, now=to_microseconds(now()))
