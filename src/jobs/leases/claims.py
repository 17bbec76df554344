"""claim(): take the lease of jobs whose messages arrived, in one statement; and explain why others cannot run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import AHEAD_OF_DISK, Batch
from ..core.claimed import Claimed
from ..core.models import Job
from ..core.states import State, Unique, require
from ..finish import ending
from ..limits import admission
from ..limits.policies import Policy


class Unclaimable(Enum):
    """Why a message's job cannot start here now."""

    UNKNOWN_JOB = "it was not submitted here"
    UNKNOWN_ACTOR = "this worker has no such actor"
    EXPIRED = "it has expired"
    STALE = "it is running, done, cancelled or another attempt's turn"
    REFUSED = "it waits, and this worker may not claim: its lease has run out"


require(State.QUEUED, State.RUNNING)

_WANTED = {"id": "text", "attempt": "int"}


def _claiming(condition: str) -> str:
    # Not IS NOT NULL in RETURNING: SQLite reports true for every row if the table has a partial index on the same expression.
    return f"""
    UPDATE jobs SET state = '{State.RUNNING}', attempt = jobs.attempt + 1, worker_id = :worker_id, started_at = @(:now),
        publish_at = NULL, reason = NULL, progress_done = NULL, progress_total = NULL, progress_message = NULL
    FROM {{rows}}
    WHERE {condition} AND jobs.id = d.id
      AND CASE WHEN jobs.state = '{State.QUEUED}' AND jobs.attempt = d.attempt - 1 AND (jobs.expires_at IS NULL OR jobs.expires_at > @(:now)) THEN true END
      AND EXISTS (SELECT 1 FROM workers WHERE workers.id = :worker_id AND workers.expires_at > @(:now) AND workers.lost_at IS NULL)
    RETURNING jobs.seq, jobs.id, jobs.attempt, jobs.actor, jobs.queue, jobs.args, jobs.kwargs, jobs.options, jobs.failures, jobs.crashes,
        #(jobs.created_at), #(jobs.published_at), #(jobs.due_at), #(jobs.slot_at), jobs.workflow_seq,
        jobs.unique_until = '{Unique.WAITING}' AND coalesce(length(jobs.unique_key), -1) >= 0, coalesce(length(jobs.fair_key), -1) >= 0,
        EXISTS (SELECT 1 FROM controls)
    """


_CLAIM = Batch(_WANTED, _claiming("true"))
# Waiting for the disk may take longer than all else from a job's submission to its start. If PostgreSQL is killed and loses claims, the
# workers claim again: see retake().
_CLAIM_AHEAD = Batch(_WANTED, _claiming(AHEAD_OF_DISK), _claiming("true"))


def claim(session: Session | Direct, worker_id: int, wanted: Sequence[tuple[str, int]]) -> list[Claimed]:
    """Move each wanted (job id, attempt) that may start from queued to running, leased to this worker.

    A worker whose own lease has expired gets nothing. Of two copies of one message the first claim wins. On a direct
    connection, claims commit without waiting for the disk.
    """
    rows = sorted(set(wanted))
    batch = _CLAIM_AHEAD if isinstance(session, Direct) else _CLAIM
    return [Claimed(*row) for row in batch.execute(session, rows, worker_id=worker_id, now=to_microseconds(now()))]


_RETAKE = Batch(
    {"seq": "bigint", "attempt": "int", "id": "text"},
    f"""
    UPDATE jobs SET state = '{State.RUNNING}', attempt = d.attempt, worker_id = :worker_id, started_at = @(:now), publish_at = NULL, reason = NULL
    FROM {{rows}}
    WHERE jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt - 1 AND jobs.state = '{State.QUEUED}' AND jobs.id = d.id THEN true END
      AND EXISTS (SELECT 1 FROM workers WHERE workers.id = :worker_id AND workers.expires_at > @(:now) AND workers.lost_at IS NULL)
    RETURNING jobs.seq
    """,
)


def retake(session: Session | Direct, worker_id: int, held: Mapping[tuple[int, int], str]) -> list[int]:
    """Claim again the (seq, attempt) this worker holds, with their ids, whose claims the database has lost; return their seqs.

    A killed PostgreSQL loses its last commits that did not wait for the disk. Jobs claimed by others since have a
    higher attempt or run elsewhere, and stay unchanged. A lost job's number may be another's by now, its id is not.
    """
    rows = [(seq, attempt, id) for (seq, attempt), id in sorted(held.items())]
    return [int(seq) for (seq,) in _RETAKE.execute(session, rows, worker_id=worker_id, now=to_microseconds(now()))] if rows else []


def admit(
    session: Session, claimed: Sequence[Claimed], policies: dict[str, Policy], *, take_suspect: Callable[[int], bool] = lambda seq: True
) -> list[Claimed]:
    """Return the claimed jobs that may start now; defer the others in the same transaction.

    `take_suspect` returns whether this process may run another job whose next crash is its last.
    """
    if not admission.needs_admission(claimed, policies):
        return list(claimed)
    admitted, deferred = admission.judge(session, claimed, policies, take_suspect=take_suspect)
    ending.defer(session, [(v.job.seq, v.job.attempt, v.waits, v.due_us, v.slot_us, v.waits_for) for v in deferred])
    return admitted


def free_keys(session: Session, starting: Sequence[Claimed]) -> None:
    """Free the unique keys of jobs that block others only until they start."""
    seqs = [job.seq for job in starting if job.frees_key]
    if seqs:
        session.execute(update(Job).where(Job.seq.in_(seqs)).values(unique_key=None).execution_options(synchronize_session=False))


def explain(
    session: Session, ids: Collection[str], known_actors: Collection[str], *, wanted: Collection[tuple[str, int]] = ()
) -> dict[str, Unclaimable]:
    """Return for each unclaimed job id why it was not claimed; `wanted`: the (job id, attempt) that were requested."""
    statement = select(Job.id, Job.state, Job.actor, Job.expires_at, Job.attempt).where(Job.id.in_(ids))
    found = {row.id: row for row in session.execute(statement)}
    present = now()
    reasons: dict[str, Unclaimable] = {}
    for id in ids:
        row = found.get(id)
        if row is None:
            reasons[id] = Unclaimable.UNKNOWN_JOB
        elif row.state is State.QUEUED and row.actor not in known_actors:
            reasons[id] = Unclaimable.UNKNOWN_ACTOR
        elif row.state is State.QUEUED and row.expires_at is not None and row.expires_at <= present:
            reasons[id] = Unclaimable.EXPIRED
        elif row.state is State.QUEUED and (id, row.attempt + 1) in wanted:
            reasons[id] = Unclaimable.REFUSED
        else:
            reasons[id] = Unclaimable.STALE
    return reasons


def is_known(session: Session, id: str) -> bool:
    """True if a job of this id has a row."""
    return session.execute(select(Job.seq).where(Job.id == id)).first() is not None


def give_back(session: Session, worker_id: int, unstarted: Sequence[tuple[int, int]]) -> int:
    """Return claimed (seq, attempt) that this worker will not start to their queues: no attempt is spent.

    A job with a requested cancel is cancelled instead.
    """
    return ending.give_back(session, worker_id, unstarted)
