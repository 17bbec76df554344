"""settle(): write the ends of attempts, many in one statement, and what follows from them in the same commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from src.database import Direct, now, to_microseconds
from src.jobs import attempt_logs, awaited, breakers, ends, failures, fair, message_groups, slots, workflow_steps
from src.jobs.fingerprints import fingerprint
from src.jobs.lines import Line
from src.jobs.message_groups import GroupMember
from src.jobs.statements import Batch, is_sqlite
from src.jobs.states import HeldFor, Outcome, State, require
from src.jobs.submission import Submission, submit_many

#: characters of an error line and of a traceback that are kept
ERROR_LIMIT = 2_000
TRACEBACK_LIMIT = 64_000


@dataclass(frozen=True, slots=True)
class BreakerReport:
    """What an end means to the circuit breaker of its actor."""

    actor: str
    failed: bool
    limit: int
    probe_every_s: float


@dataclass(slots=True)
class Finished:
    """How one attempt ended: the job's next state, and what is written with it. Instants in microseconds."""

    seq: int
    id: str
    attempt: int
    state: State
    outcome: Outcome
    started_us: int
    finished_us: int
    result: str | None = None  # JSON text
    result_file: str | None = None  # its file, where it is too large for the row
    result_bytes: int | None = None  # of that file
    error: str | None = None
    traceback: str | None = None
    reason: str | None = None
    due_us: int | None = None  # of the next attempt
    failures: int = 0  # added to the job's count
    progress: tuple[int, int | None, str | None] | None = None
    follow_ups: list[Submission] = field(default_factory=list)
    fair_queue: str | None = None  # the queue whose fair share it leaves
    has_slots: bool = False  # of a concurrency limit, given back with this end
    breaker: BreakerReport | None = None
    workflow_seq: int | None = None
    actor: str = ""
    group: GroupMember | None = None  # of one of Dramatiq's groups with completion callbacks; set by a success
    lines: Sequence[Line] = ()  # of its log, as far as they are not written yet


for _target in (State.SUCCEEDED, State.RETRYING, State.DEAD, State.HELD, State.CANCELLED):
    require(State.RUNNING, _target)

_COLUMNS = {
    "seq": "bigint", "attempt": "int", "state": "text", "result": "text", "result_file": "text", "result_bytes": "bigint", "error": "text", "reason": "text", "due_us": "bigint", "failures": "int",
    "finished_us": "bigint", "final": "boolean", "progress_done": "bigint", "progress_total": "bigint", "progress_message": "text",
    "started_us": "bigint", "outcome": "text", "traceback": "text", "fingerprint": "text",
}  # fmt: skip

# A cancel that was asked for while the attempt ran wins over another attempt, not over a success.
_CANCELLED = "(jobs.cancel_requested AND d.state IN ('retrying', 'held'))"
_UPDATE = f"""
    UPDATE jobs SET
        state = CASE WHEN {_CANCELLED} THEN 'cancelled' ELSE d.state END,
        reason = CASE WHEN {_CANCELLED} THEN 'cancelled while it ran' ELSE d.reason END,
        held_for = CASE WHEN d.state = 'held' AND NOT jobs.cancel_requested THEN '{HeldFor.ARGUMENTS}' END,
        due_at = CASE WHEN {_CANCELLED} THEN NULL ELSE @(d.due_us) END,
        result = d.result, result_file = d.result_file, result_bytes = d.result_bytes, error = d.error, failures = jobs.failures + d.failures,
        started_at = @(d.started_us), worker_id = NULL, slot_at = NULL,
        finished_at = CASE WHEN d.final OR {_CANCELLED} THEN @(d.finished_us) END,
        progress_done = coalesce(d.progress_done, jobs.progress_done), progress_total = coalesce(d.progress_total, jobs.progress_total),
        progress_message = coalesce(d.progress_message, jobs.progress_message)
    FROM {{rows}}
    WHERE jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt AND jobs.state = 'running' AND jobs.worker_id = :worker_id THEN true END
    RETURNING jobs.seq"""
_INSERT = """
    INSERT INTO attempts (job_seq, number, worker, started_at, finished_at, outcome, error, traceback, fingerprint, noted)
    SELECT d.seq, d.attempt, :worker, @(d.started_us), @(d.finished_us), d.outcome, d.error, d.traceback, d.fingerprint,
        CASE WHEN d.fingerprint IS NOT NULL THEN false END
    FROM {rows}
    RETURNING job_seq"""

# What was written goes on to the record by itself: joined with the rows once more, it would be looked for again.
_MOVE_AND_RECORD = f"""WITH moved AS ({_UPDATE.replace("RETURNING jobs.seq", "RETURNING d.*")}), {awaited.TELL}
    INSERT INTO attempts (job_seq, number, worker, started_at, finished_at, outcome, error, traceback, fingerprint, noted)
    SELECT moved.seq, moved.attempt, :worker, @(moved.started_us), @(moved.finished_us), moved.outcome, moved.error, moved.traceback,
        moved.fingerprint, CASE WHEN moved.fingerprint IS NOT NULL THEN false END
    FROM moved
    RETURNING job_seq"""

# Nearly all ends are successes without a word: they carry five columns, and the rest is the same in each.
_OF_SUCCESS = ("seq", "attempt", "result", "started_us", "finished_us")
_SAME_IN_SUCCESS = {name: f"CAST(NULL AS {kind})" for name, kind in _COLUMNS.items() if name not in _OF_SUCCESS} | {
    "state": f"'{State.SUCCEEDED}'", "outcome": f"'{Outcome.SUCCEEDED}'", "final": "true", "failures": "0",
}  # fmt: skip


class _Settling(NamedTuple):
    """Two statements, of which PostgreSQL needs only the first, which also tells who waits: SQLite has no INSERT … FROM (UPDATE … RETURNING)."""

    move: Batch
    record: Batch


_ANY = _Settling(Batch(_COLUMNS, _MOVE_AND_RECORD, _UPDATE), Batch(_COLUMNS, _INSERT))
_SUCCESSES = _Settling(
    Batch({name: _COLUMNS[name] for name in _OF_SUCCESS}, _MOVE_AND_RECORD, _UPDATE, constants=_SAME_IN_SUCCESS),
    Batch({name: _COLUMNS[name] for name in _OF_SUCCESS}, _INSERT, constants=_SAME_IN_SUCCESS),
)


def is_one_statement(finished: Sequence[Finished]) -> bool:
    """Are these ends written by a single statement, where the store has one for it?"""
    return all(map(_is_bare, finished))


def settle_alone(direct: Direct, finished: Sequence[Finished], *, worker_id: int, worker: str) -> set[int]:
    """The same as settle() for ends that are one statement, and of which nobody is to be told (ends.is_anybody_told)."""
    return _move(direct, _SUCCESSES, [_row_of_success(one) for one in finished], worker_id, worker)


def settle(session: Session, finished: Sequence[Finished], *, worker_id: int, worker: str) -> set[int]:
    """Write these ends and return the seqs that moved.

    An attempt whose lease was given away meanwhile changes nothing, and its follow-up jobs are not submitted.
    """
    if is_one_statement(finished):
        # By far the most: nothing follows from them.
        moved = _move(session, _SUCCESSES, [_row_of_success(one) for one in finished], worker_id, worker)
        ends.note(session, moved)
        return moved
    steps = [one for one in finished if one.workflow_seq is not None]
    if steps:
        workflow_steps.lock(session, {one.workflow_seq for one in steps if one.workflow_seq is not None})
    moved = set()
    for settling, rows in (
        (_SUCCESSES, [_row_of_success(one) for one in finished if _is_plain_success(one)]),
        (_ANY, [_row(one) for one in finished if not _is_plain_success(one)]),
    ):
        if rows:
            moved |= _move(session, settling, rows, worker_id, worker)
    follow_ups = [submission for one in finished if one.seq in moved for submission in one.follow_ups]
    members = [one.group for one in finished if one.group is not None and one.seq in moved]
    if members:
        follow_ups.extend(message_groups.note_succeeded(session, members))
    if follow_ups:
        submit_many(session, follow_ups)
    if steps:
        workflow_steps.note_final(session, [one.seq for one in steps if one.seq in moved])
    slots.free(session, [one.seq for one in finished if one.has_slots and one.seq in moved])
    attempt_logs.write(session, [row for one in finished if one.lines for row in attempt_logs.rows(one.seq, one.attempt, one.lines)])
    for queue in {one.fair_queue for one in finished if one.fair_queue is not None and one.seq in moved}:
        fair.top_up(session, queue)
    for one in finished:
        if one.breaker is not None and one.seq in moved:
            _report(session, one.breaker)
    ends.note(session, [one.seq for one in finished if one.seq in moved and one.state.is_final])
    if failed := [one.seq for one in finished if one.outcome is Outcome.FAILED and one.seq in moved]:
        failures.wish_for_a_look(session, failed)
    return moved


def _move(session: Session | Direct, settling: _Settling, rows: list[Any], worker_id: int, worker: str) -> set[int]:
    rows.sort(key=itemgetter(0))  # every writer takes rows in this order, so that none waits for another in a circle
    moved = {row[0] for row in settling.move.execute(session, rows, worker_id=worker_id, worker=worker)}
    if is_sqlite(session) and moved:
        settling.record.execute(session, [row for row in rows if row[0] in moved], worker=worker)
    return moved


def _report(session: Session, report: BreakerReport) -> None:
    if report.failed:
        breakers.note_failure(session, report.actor, limit=report.limit, probe_every_s=report.probe_every_s)
    else:
        breakers.note_success(session, report.actor)


_PROGRESS = Batch(
    {"seq": "bigint", "attempt": "int", "done": "bigint", "total": "bigint", "message": "text"},
    """
    UPDATE jobs SET progress_done = d.done, progress_total = d.total, progress_message = d.message
    FROM {rows} WHERE jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt AND jobs.state = 'running' THEN true END RETURNING jobs.seq
    """,
)


def note_progress(session: Session, rows: Sequence[tuple[int, int, int, int | None, str | None]]) -> None:
    """Write (seq, attempt, done, total, message) of attempts that are still running."""
    _PROGRESS.execute(session, sorted(rows))


def storable(text: str | None, limit: int) -> str | None:
    """The text as both stores can hold it: no NUL, no lone surrogate, cut in the middle when too long."""
    if text is None:
        return None
    text = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n… {len(text) - limit} characters left out …\n{text[-half:]}"
    return text


def _is_plain_success(one: Finished) -> bool:
    return (
        one.state is State.SUCCEEDED
        and one.progress is None
        and one.reason is None
        and one.error is None
        and not one.failures
        and one.result_file is None
    )


def _is_bare(one: Finished) -> bool:
    """Is it a plain success from which nothing follows?"""
    return (
        _is_plain_success(one)
        and not one.follow_ups
        and not one.lines
        and not one.has_slots
        and one.group is None
        and one.breaker is None
        and one.fair_queue is None
        and one.workflow_seq is None
    )


def _row_of_success(one: Finished) -> tuple[object, ...]:
    return one.seq, one.attempt, one.result, one.started_us, one.finished_us


def _row(one: Finished) -> tuple[object, ...]:
    done, total, message = one.progress or (None, None, None)
    error, traceback = storable(one.error, ERROR_LIMIT), storable(one.traceback, TRACEBACK_LIMIT)
    return (
        one.seq, one.attempt, one.state.value, one.result, one.result_file, one.result_bytes, error, storable(one.reason, ERROR_LIMIT), one.due_us, one.failures,
        one.finished_us, one.state.is_final, done, total, storable(message, ERROR_LIMIT), one.started_us, one.outcome.value,
        traceback, _fingerprint(one, error, traceback),
    )  # fmt: skip


def _fingerprint(one: Finished, error: str | None, traceback: str | None) -> str | None:
    if one.outcome is not Outcome.FAILED:
        return None
    known = fingerprint(one.actor, error, traceback)
    return None if known is None else known.id


def present_us() -> int:
    """now() in whole microseconds."""
    return to_microseconds(now())
