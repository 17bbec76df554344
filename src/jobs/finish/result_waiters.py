"""Result waiters: PostgreSQL notifies callers that wait for a job's result in the commit of its end, so that they need not poll.

A waiting process notes the job and the channel it listens on; the statement that writes ends takes the note out and
notifies. The table is not logged, for it holds nothing that must last: whoever waits looks now and then all the same, and
so sees an end that came before his note, by another way, or while PostgreSQL was away. SQLite has no table and no notices:
looking there is no trip to a server.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from ...sql.direct import Direct
from ...sql.statements import Batch, Single, is_sqlite
from ..core.states import FINAL, State
from ..read.queries import ENDING, Ending

#: bytes of a result that is told with the end; PostgreSQL takes 8,000 for all of what is told
TOLD_BYTES = 7_000

_ENDED = f"({', '.join(repr(state.value) for state in sorted(FINAL))})"

#: of a statement that writes ends on PostgreSQL: `moved` has the columns seq, state, final and result of each
TELL = f"""told AS (
        DELETE FROM awaited USING moved WHERE EXISTS (SELECT 1 FROM awaited) AND awaited.job_seq = moved.seq AND moved.final
        RETURNING pg_notify(awaited.channel, concat(moved.seq,
            CASE WHEN moved.state = '{State.SUCCEEDED}' AND octet_length(moved.result) <= {TOLD_BYTES} THEN concat(' ', moved.result) END))
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
    """How the job of exactly this id stands; if it has not ended, its end will be told on the connection's channel."""
    found = _NOTE.fetch(direct, id=id, channel=direct.channel())
    return Ending.of(found[0]) if found else None


def told(direct: Direct, stood: Ending | None, timeout_s: float) -> Ending | None:
    """Wait until the job that stood so has ended; None when it is time to look: after `timeout_s`, or when only that was told."""
    seq, _, result = (direct.told(timeout_s) or "").partition(" ")
    if stood is None or not result or seq != str(stood.seq):
        return None
    return stood._replace(state=State.SUCCEEDED, result=result, error=None, reason=None)


def forget(direct: Direct, seq: int) -> None:
    """Nobody waits for the job on this connection any more."""
    _FORGET.fetch(direct, seq=seq, channel=direct.channel())


_ANNOUNCE = Batch(
    {"seq": "bigint"},
    f"""
    WITH moved AS (
        SELECT jobs.seq, jobs.state, jobs.result, true AS final FROM jobs JOIN {{rows}} ON jobs.seq = d.seq
        WHERE EXISTS (SELECT 1 FROM awaited) AND jobs.state IN {_ENDED}
    ), {TELL}
    SELECT count(*) FROM told
    """,
)


def announce(session: Session, seqs: Collection[int]) -> None:
    """Notify who waits for these jobs, as far as they have ended, when the caller's transaction commits."""
    if seqs and not is_sqlite(session):
        _ANNOUNCE.execute(session, [(seq,) for seq in sorted(seqs)])


def tidy(session: Session) -> None:
    """Forget the notes of who died waiting; a note that is in use is of a job that has not ended."""
    if not is_sqlite(session):
        session.execute(_TIDY)
