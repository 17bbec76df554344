"""settle(): commit the ends of attempts, many in one statement, with their consequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.columns import to_microseconds
from ...sql.direct import Direct
from ...sql.statements import Batch
from ..attempts import attempt_logs
from ..attempts.log_lines import Line
from ..core import values
from ..core.fingerprints import fingerprint
from ..core.states import Outcome, State
from ..limits import breakers
from ..submit import stand_ins
from ..submit.requests import Submission
from ..workflows import message_groups
from ..workflows.message_groups import GroupMember
from . import ending
from .ending import Leaving

#: characters of an error line and of a traceback that are kept
ERROR_LIMIT = 2_000
TRACEBACK_LIMIT = 64_000


@dataclass(frozen=True, slots=True)
class BreakerReport:
    """Effect of an end on its actor's circuit breaker."""

    actor: str
    failed: bool
    limit: int
    probe_every_s: float


@dataclass(slots=True)
class Finished:
    """End of one attempt: the job's next state, and the columns written with it. Instants in microseconds."""

    seq: int
    id: str
    attempt: int
    state: State
    outcome: Outcome
    started_us: int
    finished_us: int
    result: str | None = None  # JSON
    result_file: str | None = None  # its file, if too large for the row
    result_bytes: int | None = None  # of that file
    error: str | None = None
    traceback: str | None = None
    reason: str | None = None
    due_us: int | None = None  # of the next attempt
    failures: int = 0  # added to the job's count
    progress: tuple[int, int | None, str | None] | None = None
    follow_ups: list[Submission] = field(default_factory=list)
    fair_queue: str | None = None  # the queue whose fair share it leaves
    has_slots: bool = False  # of a concurrency limit, freed with this end
    breaker: BreakerReport | None = None
    workflow_seq: int | None = None
    actor: str = ""
    group: GroupMember | None = None  # the Dramatiq group with completion callbacks that a success counts towards
    lines: Sequence[Line] = ()  # log lines not written yet
    cpu_us: int | None = None  # CPU time of the attempt; None: not known
    memory_bytes: int | None = None  # peak memory of its process, if that ran nothing else


def is_one_statement(finished: Sequence[Finished]) -> bool:
    """True if a single statement can write these ends, where the store has one for it."""
    return all(map(_is_bare, finished))


def settle_alone(direct: Direct, finished: Sequence[Finished], *, worker_id: int, worker: str) -> set[int]:
    """Like settle(), for ends that are one statement and have no webhook to notify (events.has_subscribers)."""
    return ending.succeed_alone(direct, [_row_of_success(one) for one in finished], worker_id=worker_id, worker=worker)


def settle(session: Session, finished: Sequence[Finished], *, worker_id: int, worker: str) -> set[int]:
    """Write these ends and return the seqs that moved.

    An attempt whose lease was taken over meanwhile changes nothing, and its follow-up jobs are not submitted.
    """
    if is_one_statement(finished):
        # By far the most common: no further consequences.
        return ending.succeed_alone(session, [_row_of_success(one) for one in finished], worker_id=worker_id, worker=worker)
    leaving = [
        Leaving(one.seq, one.state, one.workflow_seq, one.fair_queue, one.has_slots, one.outcome is Outcome.FAILED) for one in finished
    ]
    successes = [_row_of_success(one) for one in finished if _is_plain_success(one)]
    others = [_row(one) for one in finished if not _is_plain_success(one)]
    then = partial(_write_more, session, finished)
    return ending.end_attempts(session, leaving, successes, others, then, worker_id=worker_id, worker=worker)


def _write_more(session: Session, finished: Sequence[Finished], moved: set[int]) -> None:
    """Write what attempts produced: logs, follow-up jobs, group counts, and circuit breaker reports."""
    ended = [one for one in finished if one.seq in moved]
    cancelled = ending.cancelled(session, [one.seq for one in ended if one.follow_ups and one.state is not State.SUCCEEDED])
    follow_ups = [submission for one in ended if one.seq not in cancelled for submission in one.follow_ups]
    members = [one.group for one in ended if one.group is not None]
    if members:
        follow_ups.extend(message_groups.note_succeeded(session, members))
    if follow_ups:
        stand_ins.submit_following(session, follow_ups)
    attempt_logs.write(session, [row for one in finished if one.lines for row in attempt_logs.rows(one.seq, one.attempt, one.lines)])
    for one in ended:
        if one.breaker is not None:
            _report(session, one.breaker)


def _report(session: Session, report: BreakerReport) -> None:
    if report.failed:
        breakers.note_failure(session, report.actor, limit=report.limit, probe_every_s=report.probe_every_s)
    else:
        breakers.note_success(session, report.actor)


_PROGRESS = Batch(
    {"seq": "bigint", "attempt": "int", "done": "bigint", "total": "bigint", "message": "text"},
    f"""
    UPDATE jobs SET progress_done = d.done, progress_total = d.total, progress_message = d.message
    FROM {{rows}} WHERE jobs.seq = d.seq AND CASE WHEN jobs.attempt = d.attempt AND jobs.state = '{State.RUNNING}' THEN true END RETURNING jobs.seq
    """,
)


def note_progress(session: Session, rows: Sequence[tuple[int, int, int, int | None, str | None]]) -> None:
    """Write (seq, attempt, done, total, message) of running attempts."""
    _PROGRESS.execute(session, sorted(rows))


def storable(text: str | None, limit: int) -> str | None:
    """Make a text storable, cut in the middle if too long; None stays None."""
    return None if text is None else values.storable(text, limit)


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
    """True for a plain success without consequences."""
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
    return one.seq, one.attempt, one.result, one.started_us, one.finished_us, one.cpu_us, one.memory_bytes


def _row(one: Finished) -> tuple[object, ...]:
    done, total, message = one.progress or (None, None, None)
    error, traceback = storable(one.error, ERROR_LIMIT), storable(one.traceback, TRACEBACK_LIMIT)
    values = {
        "seq": one.seq, "attempt": one.attempt, "state": one.state.value, "final": one.state.is_final, "outcome": one.outcome.value,
        "started_us": one.started_us, "finished_us": one.finished_us, "due_us": one.due_us,
        "result": one.result, "result_file": one.result_file, "result_bytes": one.result_bytes,
        "error": error, "traceback": traceback, "fingerprint": _fingerprint(one, error, traceback), "failures": one.failures,
        "cpu_us": one.cpu_us, "memory_bytes": one.memory_bytes, "reason": storable(one.reason, ERROR_LIMIT),
        "progress_done": done, "progress_total": total, "progress_message": storable(message, ERROR_LIMIT),
    }  # fmt: skip
    return tuple([values[name] for name in ending.ATTEMPT_COLUMNS])


def _fingerprint(one: Finished, error: str | None, traceback: str | None) -> str | None:
    if one.outcome is not Outcome.FAILED:
        return None
    known = fingerprint(one.actor, error, traceback)
    return None if known is None else known.id


def present_us() -> int:
    """Return now() in whole microseconds."""
    return to_microseconds(now())
