"""Publisher confirmations: record confirmed messages, which need no relay any more."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import AHEAD_OF_DISK, Batch
from ..core.envelopes import Envelope

_MARKED = (
    "jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt - 1 AND jobs.state = 'queued' AND jobs.publish_at IS NOT NULL THEN true END"
)
_MARK = Batch(
    {"seq": "bigint", "attempt": "int"},
    # A row that somebody holds is being claimed, or marked already: waiting for it, in another order than that of a
    # claim, is how two of them come to wait for each other. No commit waits for the disk either, for the sake of a mark.
    f"""
    WITH free AS MATERIALIZED (SELECT jobs.seq FROM jobs JOIN {{rows}} ON {_MARKED} FOR NO KEY UPDATE OF jobs SKIP LOCKED)
    UPDATE jobs SET publish_at = NULL, published_at = @(:now)
        FROM free WHERE jobs.seq = free.seq AND {AHEAD_OF_DISK}
    RETURNING jobs.seq
    """,
    sqlite_statement=f"UPDATE jobs SET publish_at = NULL, published_at = @(:now) FROM {{rows}} WHERE {_MARKED} RETURNING jobs.seq",
)


def mark_published(session: Session | Direct, published: Sequence[Envelope]) -> None:
    """Note that RabbitMQ has confirmed these messages; a job that has moved on meanwhile is left alone.

    In a transaction of its own: PostgreSQL may lose it with its host, for which a message is published twice and starts once.
    """
    if published:
        rows = sorted((envelope.seq, envelope.attempt) for envelope in published)
        _MARK.execute(session, rows, now=to_microseconds(now()))
