"""Endings: the one place that lets a job leave `running`, leave its queue, or reach a final state.

Each function locks the workflows of its jobs, moves the jobs by compare-and-set, and lets `_follow` apply the
consequences, all in the caller's transaction. Callers decide which jobs move and why; none of them repeats a part of
this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import case, insert, select, text, update
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import Batch, is_sqlite, plain, run
from ..core.models import Attempt, Job, Worker
from ..core.states import FINAL, HeldFor, Outcome, State, listed, require
from ..core.workflow_models import End
from ..failures import counting
from ..limits import concurrency, fair_queueing
from ..webhooks import events
from ..workflows import steps as workflow_steps
from ..workflows.steps import Stop
from . import result_waiters


class Left(NamedTuple):
    """A job that was moved, with the columns that determine the consequences."""

    seq: int
    state: str  # the new one
    workflow_seq: int | None
    fair_queue: str | None  # its queue, if it has a fair key


# Not IS NOT NULL: SQLite reports true for every row if the table has a partial index on the same expression.
_LEFT = "jobs.seq, jobs.state, jobs.workflow_seq, CASE WHEN coalesce(length(jobs.fair_key), -1) >= 0 THEN jobs.queue END"
_UNDER_WAY = (State.QUEUED, State.RUNNING)


def _follow(
    session: Session, left: Sequence[Left], *, holders: Collection[int] = (), failed: Collection[int] | None = (), announced: Collection[int] = ()
) -> None:  # fmt: skip
    """Apply all consequences of these moves.

    `holders`: jobs that may hold slots. `failed`: jobs with new failures; None: their workers were lost. `announced`:
    jobs whose ends were announced by the statement that wrote them.
    """
    moved = [Left(*each) for each in left]
    if not moved:
        return
    ended = [each.seq for each in moved if each.state in FINAL]
    ended += _advance_following(session, workflow_steps.ends_of(session, [each.seq for each in moved if each.workflow_seq is not None]))
    concurrency.free(session, holders)
    for queue in sorted({each.fair_queue for each in moved if each.fair_queue is not None and each.state not in _UNDER_WAY}):
        fair_queueing.top_up(session, queue)
    _announce(session, ended, announced=announced)
    if failed is None or failed:
        counting.request_count(session, failed)


def _announce(session: Session, ended: Collection[int], *, announced: Collection[int] = ()) -> None:
    """Write the webhook events of jobs that have ended, and notify their result waiters."""
    events.note(session, ended)
    result_waiters.announce(session, [seq for seq in ended if seq not in announced])


# Attempts that end

ATTEMPT_COLUMNS = {
    "seq": "bigint", "attempt": "int", "state": "text", "result": "text", "result_file": "text", "result_bytes": "bigint", "error": "text", "reason": "text", "due_us": "bigint", "failures": "int",
    "finished_us": "bigint", "final": "boolean", "progress_done": "bigint", "progress_total": "bigint", "progress_message": "text",
    "started_us": "bigint", "outcome": "text", "traceback": "text", "fingerprint": "text", "cpu_us": "bigint", "memory_bytes": "bigint",
}  # fmt: skip

for _target in (State.SUCCEEDED, State.RETRYING, State.DEAD, State.HELD, State.CANCELLED, State.QUEUED, State.SCHEDULED):
    require(State.RUNNING, _target)

# A cancel requested during the attempt wins over a failure, not over a success.
_CANCELLED = f"(jobs.cancel_requested AND d.state IN {listed(State.RETRYING, State.HELD, State.DEAD)})"
_UPDATE = f"""
    UPDATE jobs SET
        state = CASE WHEN {_CANCELLED} THEN '{State.CANCELLED}' ELSE d.state END,
        reason = CASE WHEN {_CANCELLED} THEN 'cancelled while it ran' ELSE d.reason END,
        held_for = CASE WHEN d.state = '{State.HELD}' AND NOT jobs.cancel_requested THEN '{HeldFor.ARGUMENTS}' END,
        due_at = CASE WHEN {_CANCELLED} THEN NULL ELSE coalesce(@(d.due_us), jobs.due_at) END,
        result = d.result, result_file = d.result_file, result_bytes = d.result_bytes, error = d.error, failures = jobs.failures + d.failures,
        started_at = @(d.started_us), worker_id = NULL, slot_at = NULL,
        finished_at = CASE WHEN d.final OR {_CANCELLED} THEN @(d.finished_us) END,
        progress_done = coalesce(d.progress_done, jobs.progress_done), progress_total = coalesce(d.progress_total, jobs.progress_total),
        progress_message = coalesce(d.progress_message, jobs.progress_message)
    FROM {{rows}}
    WHERE jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt AND jobs.state = '{State.RUNNING}' AND jobs.worker_id = :worker_id THEN true END"""
_MOVE = f"{_UPDATE} RETURNING jobs.seq"
_INSERT = """
    INSERT INTO attempts (job_seq, number, worker, started_at, finished_at, outcome, error, traceback, fingerprint, noted, cpu_us, memory_bytes)
    SELECT d.seq, d.attempt, :worker, @(d.started_us), @(d.finished_us), d.outcome, d.error, d.traceback, d.fingerprint,
        CASE WHEN d.fingerprint IS NOT NULL THEN false END, d.cpu_us, d.memory_bytes
    FROM {rows}
    RETURNING job_seq"""

# The rows just written are passed on directly: joining with the input again would look them up a second time.
_MOVE_AND_RECORD = f"""WITH moved AS ({_UPDATE} RETURNING d.*), {result_waiters.NOTIFY}
    INSERT INTO attempts (job_seq, number, worker, started_at, finished_at, outcome, error, traceback, fingerprint, noted, cpu_us, memory_bytes)
    SELECT moved.seq, moved.attempt, :worker, @(moved.started_us), @(moved.finished_us), moved.outcome, moved.error, moved.traceback,
        moved.fingerprint, CASE WHEN moved.fingerprint IS NOT NULL THEN false END, moved.cpu_us, moved.memory_bytes
    FROM moved
    RETURNING job_seq"""

# Nearly all ends are plain successes: they carry seven columns, and the others are constant.
_OF_SUCCESS = ("seq", "attempt", "result", "started_us", "finished_us", "cpu_us", "memory_bytes")
_SAME_IN_SUCCESS = {name: f"CAST(NULL AS {kind})" for name, kind in ATTEMPT_COLUMNS.items() if name not in _OF_SUCCESS} | {
    "state": f"'{State.SUCCEEDED}'", "outcome": f"'{Outcome.SUCCEEDED}'", "final": "true", "failures": "0",
}  # fmt: skip


class _Settling(NamedTuple):
    """Two statements, of which PostgreSQL needs only the first, which also notifies waiters: SQLite has no INSERT … FROM (UPDATE … RETURNING)."""

    move: Batch
    record: Batch


_ANY = _Settling(Batch(ATTEMPT_COLUMNS, _MOVE_AND_RECORD, _MOVE), Batch(ATTEMPT_COLUMNS, _INSERT))
_SUCCESSES = _Settling(
    Batch({name: ATTEMPT_COLUMNS[name] for name in _OF_SUCCESS}, _MOVE_AND_RECORD, _MOVE, constants=_SAME_IN_SUCCESS),
    Batch({name: ATTEMPT_COLUMNS[name] for name in _OF_SUCCESS}, _INSERT, constants=_SAME_IN_SUCCESS),
)


def succeed_alone(session: Session | Direct, successes: list[Any], *, worker_id: int, worker: str) -> set[int]:
    """Write plain successes (rows of _OF_SUCCESS) whose only consequence is webhook events; return the seqs that moved."""
    moved = _end(session, _SUCCESSES, successes, worker_id, worker)
    if not isinstance(session, Direct):
        events.note(session, moved)
    return moved


class Leaving(NamedTuple):
    """Facts about an attempt that ends, beside its row."""

    seq: int
    state: State
    workflow_seq: int | None
    fair_queue: str | None
    has_slots: bool
    has_failed: bool


def end_attempts(
    session: Session, attempts: Sequence[Leaving], successes: list[Any], others: list[Any], then: Callable[[set[int]], None], *, worker_id: int, worker: str
) -> set[int]:  # fmt: skip
    """Write the ends of attempts: rows of _OF_SUCCESS, and rows of ATTEMPT_COLUMNS; return the seqs that moved.

    `then` writes what the attempts themselves produced (logs, follow-up jobs) for the seqs that moved, before other
    jobs are released.
    """
    workflow_steps.lock(session, {each.workflow_seq for each in attempts if each.workflow_seq is not None})
    moved: set[int] = set()
    for settling, rows in ((_SUCCESSES, successes), (_ANY, others)):
        if rows:
            moved |= _end(session, settling, rows, worker_id, worker)
    then(moved)
    ended = [each for each in attempts if each.seq in moved]
    _follow(
        session,
        # A retry may have become a cancel; webhooks and waiters read the state that was written.
        [Left(each.seq, State.CANCELLED if each.state in _MAY_BE_CANCELLED else each.state, each.workflow_seq, each.fair_queue) for each in ended],
        holders=[each.seq for each in ended if each.has_slots],
        failed=[each.seq for each in ended if each.has_failed],
        announced={each.seq for each in ended if each.state in FINAL},
    )  # fmt: skip
    return moved


def cancelled(session: Session, seqs: Collection[int]) -> set[int]:
    """Return those of these ended attempts whose job was cancelled meanwhile: nothing follows their failure."""
    statement = select(Job.seq).where(Job.seq.in_(seqs), Job.state == State.CANCELLED)
    return set(session.execute(statement).scalars()) if seqs else set()


_MAY_BE_CANCELLED = (State.RETRYING, State.HELD)


def _end(session: Session | Direct, settling: _Settling, rows: list[Any], worker_id: int, worker: str) -> set[int]:
    rows.sort(key=itemgetter(0))  # all writers lock rows in this order, which prevents deadlocks
    moved = {seq for (seq,) in settling.move.execute(session, rows, worker_id=worker_id, worker=worker)}
    if is_sqlite(session) and moved:
        settling.record.execute(session, [row for row in rows if row[0] in moved], worker=worker)
    return moved


# Attempts that did not begin

_GIVE_BACK = Batch(
    {"seq": "bigint", "attempt": "int"},
    f"""
    UPDATE jobs SET attempt = jobs.attempt - 1, worker_id = NULL, started_at = NULL,
        state = CASE WHEN jobs.cancel_requested THEN '{State.CANCELLED}' ELSE '{State.QUEUED}' END,
        reason = CASE WHEN jobs.cancel_requested THEN 'cancelled while it waited' END,
        publish_at = CASE WHEN NOT jobs.cancel_requested THEN @(:now) END,
        finished_at = CASE WHEN jobs.cancel_requested THEN @(:now) END
    FROM {{rows}}
    WHERE jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt AND jobs.state = '{State.RUNNING}' AND jobs.worker_id = :worker_id THEN true END
    RETURNING {_LEFT}
    """,
)


def give_back(session: Session, worker_id: int, unstarted: Sequence[tuple[int, int]]) -> int:
    """Return claimed (seq, attempt) to their queues without spending an attempt, or cancel those with a requested cancel; return their number."""
    if not unstarted:
        return 0
    workflow_steps.lock_of(session, [seq for seq, _ in unstarted])
    left = [Left(*row) for row in _GIVE_BACK.execute(session, sorted(unstarted), worker_id=worker_id, now=to_microseconds(now()))]
    _follow(session, left, holders=[each.seq for each in left])
    return len(left)


_DEFER = Batch(
    {"seq": "bigint", "attempt": "int", "reason": "text", "due_us": "bigint", "slot_us": "bigint", "waits_for": "text"},
    f"""
    UPDATE jobs SET state = '{State.SCHEDULED}', attempt = jobs.attempt - 1, worker_id = NULL, started_at = NULL, reason = d.reason,
        due_at = @(d.due_us), slot_at = @(d.slot_us), waits_for = d.waits_for
    FROM {{rows}} WHERE jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt AND jobs.state = '{State.RUNNING}' THEN true END
    RETURNING {_LEFT}
    """,
)


def defer(session: Session, rows: Sequence[tuple[Any, ...]]) -> None:
    """Defer claimed jobs that may not start now: (seq, attempt, reason, due, slot, waits_for), instants in microseconds."""
    if rows:
        _follow(session, _DEFER.execute(session, sorted(rows)))


# Attempts whose worker is gone


class Loss(NamedTuple):
    """How an attempt ends whose worker is lost, and where its job goes."""

    seq: int
    attempt: int
    state: str
    reason: str
    final: bool
    crashes: int  # added to the job's
    worker: str
    started_us: int | None
    fingerprint: str


_LOSS_COLUMNS = {
    "seq": "bigint", "attempt": "int", "state": "text", "reason": "text", "final": "boolean", "crashes": "int", "worker": "text",
    "started_us": "bigint", "fingerprint": "text",
}  # fmt: skip
_TAKE_OVER = Batch(
    _LOSS_COLUMNS,
    f"""
    UPDATE jobs SET state = d.state, reason = d.reason, error = d.reason, worker_id = NULL, crashes = jobs.crashes + d.crashes, started_at = NULL, slot_at = NULL,
        publish_at = CASE WHEN d.final THEN NULL ELSE @(:now) END, finished_at = CASE WHEN d.final THEN @(:now) END
    FROM {{rows}}
    WHERE jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt AND jobs.state = '{State.RUNNING}' THEN true END
    RETURNING {_LEFT}
    """,
)
_RECORD = Batch(
    _LOSS_COLUMNS,
    f"""
    INSERT INTO attempts (job_seq, number, worker, started_at, finished_at, outcome, error, fingerprint, noted)
    SELECT d.seq, d.attempt, d.worker, coalesce(@(d.started_us), @(:now)), @(:now), '{Outcome.LOST}', d.reason, d.fingerprint, false FROM {{rows}}
    RETURNING job_seq
    """,
)


def lose(session: Session, losses: Sequence[Loss]) -> int:
    """Take running jobs from lost workers, and record their attempts; return how many moved."""
    present = to_microseconds(now())
    workflow_steps.lock_of(session, [loss.seq for loss in losses])
    left = [Left(*row) for row in _TAKE_OVER.execute(session, losses, now=present)]
    if left:
        seqs = {each.seq for each in left}
        _RECORD.execute(session, sorted(loss for loss in losses if loss.seq in seqs), now=present)
        _follow(session, left, holders=[each.seq for each in left], failed=None)
    return len(left)


def restore(session: Session, reason: str) -> int:
    """End every attempt that was running when a backup was made, without counting a crash; return their number. Slots are deleted before."""
    present = now()
    statement = select(Job.seq, Job.attempt, Job.started_at, Job.cancel_requested, Worker.name).outerjoin(
        Worker, Worker.id == Job.worker_id
    )
    running = session.execute(statement.where(Job.state == State.RUNNING)).all()
    if not running:
        return 0
    workflow_steps.lock_of(session, [row.seq for row in running])
    rows = [
        {
            "job_seq": row.seq, "number": row.attempt, "worker": row.name or "unknown", "started_at": row.started_at or present,
            "finished_at": present, "outcome": Outcome.LOST, "error": reason,
        }
        for row in running
    ]  # fmt: skip
    session.execute(insert(Attempt), rows)
    moves = [
        Loss(row.seq, row.attempt, *_after_restore(row.cancel_requested, reason), 0, row.name or "unknown", None, "") for row in running
    ]
    _follow(session, _TAKE_OVER.execute(session, moves, now=to_microseconds(present)))
    return len(running)


def _after_restore(cancel_requested: bool, reason: str) -> tuple[str, str, bool]:
    """State, reason and finality of a job that was running."""
    if cancel_requested:
        return State.CANCELLED.value, "cancelled while it ran", True
    return State.QUEUED.value, reason, False


# Jobs that wait

for _source in (State.SCHEDULED, State.QUEUED, State.RETRYING, State.HELD):
    require(_source, State.CANCELLED)
for _source in (State.SCHEDULED, State.QUEUED, State.RETRYING):
    require(_source, State.EXPIRED)
require(State.QUEUED, State.HELD)
require(State.QUEUED, State.SCHEDULED)


def _cancelling(which: str) -> dict[str, Any]:
    # One statement for both: between two, the job may leave `running` for a retry.
    return plain(f"""
        UPDATE jobs SET
            cancel_requested = CASE WHEN state = '{State.RUNNING}' THEN true ELSE cancel_requested END,
            finished_at = CASE WHEN state = '{State.RUNNING}' THEN finished_at ELSE @(:now) END,
            reason = CASE WHEN state = '{State.RUNNING}' THEN reason ELSE :reason END,
            due_at = CASE WHEN state = '{State.RUNNING}' THEN due_at END,
            publish_at = NULL, held_for = NULL, waits_for = NULL,
            state = CASE WHEN state = '{State.RUNNING}' THEN '{State.RUNNING}' ELSE '{State.CANCELLED}' END
        WHERE {which} AND state IN {listed(State.SCHEDULED, State.QUEUED, State.RUNNING, State.RETRYING, State.HELD)}
        RETURNING {_LEFT}
    """)


_CANCEL, _CANCEL_WORKFLOW = _cancelling("id = :id"), _cancelling("workflow_seq = :workflow")


def cancel(session: Session, id: str) -> State | None:
    """Cancel a waiting job, or ask a running one to stop; return its state, or None if it neither waits nor runs."""
    workflow_steps.lock_step(session, id)
    left = [Left(*row) for row in run(session, _CANCEL, id=id, now=to_microseconds(now()), reason="cancelled while it waited")]
    _follow(session, left)
    return State(left[0].state) if left else None


def cancel_workflow(session: Session, workflow_seq: int) -> int:
    """Cancel every waiting step, and ask running ones to stop; return their number. The workflow is locked."""
    left = run(session, _CANCEL_WORKFLOW, workflow=workflow_seq, now=to_microseconds(now()), reason="its workflow was cancelled")
    _follow(session, left)
    return len(left)


def discard(session: Session, id: str) -> bool:
    """Cancel a held job permanently; False: it is not held."""
    workflow_steps.lock_step(session, id)
    discarding = update(Job).where(Job.id == id, Job.state == State.HELD)
    left = _updated(session, discarding.values(state=State.CANCELLED, reason="discarded", finished_at=now(), held_for=None))
    _follow(session, left)
    return bool(left)


def expire(session: Session, limit: int, *, since: datetime) -> int:
    """End waiting jobs that have expired since that instant, with the reason; return their number."""
    present = now()
    is_overdue = text(_OF_INDEX), Job.expires_at >= since, Job.expires_at <= present
    overdue = select(Job.seq).where(*is_overdue).limit(limit)
    seqs = list(session.execute(overdue).scalars())
    if not seqs:
        return 0
    workflow_steps.lock_of(session, seqs)
    if not is_sqlite(session):
        seqs = list(session.execute(overdue.where(Job.seq.in_(seqs)).with_for_update(skip_locked=True)).scalars())
    expiring = update(Job).where(Job.seq.in_(seqs), *is_overdue)
    left = _updated(
        session, expiring.values(state=State.EXPIRED, reason=_WHY_EXPIRED, finished_at=present, publish_at=None, waits_for=None)
    )
    _follow(session, left)
    return len(left)


EXPIRABLE = (State.SCHEDULED, State.QUEUED, State.RETRYING)
# Spelled as in the partial index: with bound values SQLite cannot use it, and scans the table.
_OF_INDEX = f"jobs.expires_at IS NOT NULL AND jobs.state IN {listed(*EXPIRABLE)}"
_WHY_EXPIRED = case((Job.attempt > 0, "it expired before its next attempt could start"), else_="it had not started when it expired")


def hold(session: Session, id: str, reason: str, held_for: HeldFor) -> bool:
    """Hold a queued job; False: it is no longer queued."""
    holding = update(Job).where(Job.id == id, Job.state == State.QUEUED)
    left = _updated(session, holding.values(state=State.HELD, reason=reason, held_for=held_for, publish_at=None))
    _follow(session, left)
    return bool(left)


def postpone(session: Session, id: str) -> None:
    """Move a queued job back to waiting; the caller sets what it waits for."""
    postponing = update(Job).where(Job.id == id, Job.state == State.QUEUED)
    _follow(session, _updated(session, postponing.values(state=State.SCHEDULED, publish_at=None, published_at=None)))


def _updated(session: Session, statement: Any) -> list[Left]:
    columns = (Job.seq, Job.state, Job.workflow_seq, Job.queue, Job.fair_key)
    rows = session.execute(statement.returning(*columns).execution_options(synchronize_session=False))
    return [Left(seq, state, workflow_seq, None if fair_key is None else queue) for seq, state, workflow_seq, queue, fair_key in rows]


# Steps of workflows

_STOP = Batch(
    {"seq": "bigint", "final": "boolean", "reason": "text"},
    f"""
    UPDATE jobs SET reason = d.reason, state = CASE WHEN d.final THEN '{State.CANCELLED}' ELSE jobs.state END,
        waits_for = CASE WHEN d.final THEN NULL ELSE jobs.waits_for END, finished_at = CASE WHEN d.final THEN @(:now) END
    FROM {{rows}} WHERE jobs.seq = d.seq AND jobs.state = '{State.SCHEDULED}' RETURNING jobs.seq
    """,
)


def _advance_following(session: Session, steps: Sequence[tuple[int, End]]) -> list[int]:
    """Release or stop the steps that depend on these, and so on recursively; return the seqs of the cancelled ones."""
    cancelled: list[int] = []
    while steps:
        stops = workflow_steps.advance(session, workflow_steps.mark(session, steps))
        cancelled += _stop(session, stops)
        steps = [(stop.seq, stop.means) for stop in stops]
    return cancelled


def _stop(session: Session, stops: Sequence[Stop]) -> list[int]:
    if not stops:
        return []
    _STOP.execute(session, sorted((stop.seq, stop.is_final, stop.reason) for stop in stops), now=to_microseconds(now()))
    workflow_steps.set_fates(session, stops)
    return [stop.seq for stop in stops if stop.is_final]


def reopen(session: Session, seq: int) -> None:
    """Undo the failure of this step: it runs again, and steps blocked or cancelled because of it wait again."""
    _advance(session, workflow_steps.reopen(session, [seq]))


def bring_back(session: Session, seq: int) -> bool:
    """Let a step wait again that was cancelled or expired before its turn came; False: its turn had come."""
    if not workflow_steps.bring_back(session, seq):
        return False
    _advance(session, workflow_steps.reopen(session, [seq]))
    _advance(session, [seq])
    return True


def _advance(session: Session, steps: Collection[int]) -> None:
    """Release or stop these steps whose turn has come, as a move of their own."""
    stops = workflow_steps.advance(session, steps)
    cancelled = _stop(session, stops) + _advance_following(session, [(stop.seq, stop.means) for stop in stops])
    _announce(session, cancelled)
