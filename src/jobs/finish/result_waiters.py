"""Result waiters: PostgreSQL notifies callers that wait for a job's result in the commit of its end, so that they need not poll.

A waiter inserts a row with the job and the channel it listens on; the statement that writes ends deletes the row and
notifies. The table is unlogged: waiters also poll now and then, and so see an end that preceded their row or happened
while PostgreSQL was away. SQLite has neither table nor notifications: polling it needs no network round trip.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from ...sql.direct import Direct
from ...sql.statements import Batch, Single, is_sqlite
from ..core.states import FINAL, State
from ..read.queries import ENDING, Ending

#: bytes of a result sent with the notification; PostgreSQL allows 8,000 for the whole payload
NOTIFIED_BYTES = 7_000

_ENDED = f"({', '.join(repr(state.value) for state in sorted(FINAL))})"

# Not any row: under a transaction that is held open, that would read the rows of all earlier waiters.
_SOME = "EXISTS (SELECT 1 FROM awaited WHERE job_seq >= (SELECT min(seq) FROM {rows}))"

#: part of a statement that writes ends on PostgreSQL: `moved` has the columns seq, state, final and result of each
NOTIFY = f"""notified AS (
        DELETE FROM awaited USING moved WHERE {_SOME.format(rows="moved")} AND awaited.job_seq = moved.seq AND moved.final
        RETURNING pg_notify(awaited.channel, concat(moved.seq,
            CASE WHEN moved.state = '{State.SUCCEEDED}' AND octet_length(moved.result) <= {NOTIFIED_BYTES} THEN concat(' ', moved.result) END))
    )"""

_NOTE = Single(
    f"""
    WITH job AS (SELECT {ENDING} FROM jobs WHERE id = :id), noted AS (
        INSERT INTO awaited (job_seq, channel) SELECT seq, :channel FROM job WHERE state NOT IN {_ENDED} ON CONFLICT DO NOTHING
    )
    SELECT {ENDING} FROM job
    """
)
_FORGET = Single("DELETE FROM awaited WHERE job_seq = CAST(:seq AS bigint) AND channel = :channel")
_TIDY = text(f"DELETE FROM awaited WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE seq = job_seq AND state NOT IN {_ENDED})")


def note(direct: Direct, id: str) -> Ending | None:
    """Return the state of the job with exactly this id; if it has not ended, its end will be notified on the connection's channel."""
    found = _NOTE.fetch(direct, id=id, channel=direct.channel())
    return Ending.of(found[0]) if found else None


def wait(direct: Direct, ending: Ending | None, timeout_s: float) -> Ending | None:
    """Wait until the job has ended; None when the caller should poll: after `timeout_s`, or if the notification carries no result."""
    seq, _, result = (direct.notification(timeout_s) or "").partition(" ")
    if ending is None or not result or seq != str(ending.seq):
        return None
    return ending._replace(state=State.SUCCEEDED, result=result, error=None, reason=None)


def forget(direct: Direct, seq: int) -> None:
    """Delete this connection's wait for the job."""
    _FORGET.fetch(direct, seq=seq, channel=direct.channel())


_ANNOUNCE = Batch(
    {"seq": "bigint"},
    f"""
    WITH moved AS (
        SELECT jobs.seq, jobs.state, jobs.result, true AS final FROM jobs JOIN {{rows}} ON jobs.seq = d.seq
        WHERE {_SOME} AND jobs.state IN {_ENDED}
    ), {NOTIFY}
    SELECT count(*) FROM notified
    """,
)


def announce(session: Session, seqs: Collection[int]) -> None:
    """Notify the waiters of those of these jobs that have ended, when the caller's transaction commits."""
    if seqs and not is_sqlite(session):
        _ANNOUNCE.execute(session, [(seq,) for seq in sorted(seqs)])


def tidy(session: Session) -> None:
    """Delete rows of waiters that died; one in use belongs to a job that has not ended."""
    if not is_sqlite(session):
        session.execute(_TIDY)
