"""Release of waiting jobs: queue rows that wait for a resource, and build the messages of queued rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.statements import plain, run
from .envelopes import Envelope, encode
from .states import Outcome, State, require

#: seconds that one relay has to get a row confirmed before the next one tries: the extra delay of a job whose publisher was killed
CONFIRM_WITHIN = 5.0

require(State.SCHEDULED, State.QUEUED)

# A job that lost its worker has waited once already: it goes before jobs submitted since.
_COLUMNS = (
    "jobs.seq, jobs.id, jobs.attempt, jobs.queue, jobs.actor, "
    "CASE WHEN jobs.attempt > 0 AND EXISTS (SELECT 1 FROM attempts "
    f"WHERE attempts.job_seq = jobs.seq AND attempts.number = jobs.attempt AND attempts.outcome = '{Outcome.LOST}') THEN 9 ELSE jobs.priority END, "
    "jobs.args, jobs.kwargs, jobs.options, #(jobs.created_at)"
)


def taking(condition: str, order: str, changes: str) -> dict[str, Any]:
    """Build an UPDATE of the first `:limit` unlocked rows that meet the condition, for both stores."""
    # As a plain IN (…), PostgreSQL may re-evaluate the subquery for each row it tries, and so take more than the limit.
    chosen = f"SELECT seq FROM jobs WHERE {condition} ORDER BY {order} LIMIT :limit"
    locked = f"WITH taken AS MATERIALIZED ({chosen} FOR UPDATE SKIP LOCKED)"
    return {
        "sqlite": plain(f"UPDATE jobs SET {changes} WHERE seq IN ({chosen}) RETURNING {_COLUMNS}")["sqlite"],
        "postgresql": plain(f"{locked} UPDATE jobs SET {changes} FROM taken WHERE jobs.seq = taken.seq RETURNING {_COLUMNS}")["postgresql"],
    }


_RELEASE_WAITING = taking(
    f"waits_for = :waits_for AND state = '{State.SCHEDULED}' AND (expires_at IS NULL OR expires_at > @(:now))",
    "seq",
    f"state = '{State.QUEUED}', reason = NULL, waits_for = NULL, due_at = NULL, published_at = NULL, publish_at = @(:again)",
)


def release_waiting(session: Session, waits_for: str, limit: int) -> list[Envelope]:
    """Queue the oldest jobs that wait for this resource; return their messages for the caller to announce."""
    return take(session, _RELEASE_WAITING, limit, waits_for=waits_for)


def take(session: Session, statements: dict[str, Any], limit: int, **parameters: Any) -> list[Envelope]:
    """Run one of `taking`'s statements; return the messages of the rows that it changed."""
    present = now()
    again = to_microseconds(present + timedelta(seconds=CONFIRM_WITHIN))
    rows = run(session, statements, now=to_microseconds(present), again=again, limit=limit, **parameters)
    return sorted((envelope(*row) for row in rows), key=lambda e: e.seq)


def envelope(
    seq: int, id: str, attempt: int, queue: str, actor: str, priority: int, args: str, kwargs: str, options: str, created_us: int
) -> Envelope:
    """Return the message for a queued row's next attempt."""
    return encode(
        seq=seq, id=id, attempt=attempt + 1, queue=queue, actor=actor, priority=priority, args=args, kwargs=kwargs, options=options,
        created_at_ms=created_us // 1000,
    )  # fmt: skip
