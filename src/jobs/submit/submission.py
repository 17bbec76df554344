"""submit(): the one way in. A job is a row in the caller's transaction before it is a message."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from dramatiq import Message
from sqlalchemy import Boolean, Integer, SmallInteger, and_, or_, select, text
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.columns import UtcDateTime, to_microseconds
from ...sql.direct import Direct, flush
from ...sql.statements import AHEAD_OF_DISK, Batch
from ...telemetry import tracing
from ..core.envelopes import Envelope, announce, committed, dumps, encode
from ..core.errors import IdempotencyConflict, JobsError
from ..core.models import NOT_ENDED, Job
from ..core.session_handover import AnySession, handed_over
from ..core.states import State, require
from ..limits import fair_queueing
from ..options import message_options
from ..options.job_options import STORED
from . import defaults, periods
from .requests import FIELDS, Receipt, Submission, submission_of
from .row import row_of

#: a job counts as single if this process's previous submission was more seconds ago
ALONE_S = 0.003
_latest = 0.0

#: a submission and its row
_Wanted = tuple[Submission, dict[str, Any]]


def submit(session: AnySession, /, message: Message[Any], **how: Any) -> Receipt:
    """Insert the job of `message` in the caller's transaction; it is published when that commits.

    `how`: the fields of Submission. Raises JobsError if the message cannot be stored, or has an option that would be
    ignored; WrongSession if the session cannot take it.
    """
    message_options.check(message.options)
    if not {"link", "link_error"}.isdisjoint(message.options.keys() | how.keys()):
        raise JobsError("link and link_error make a workflow: send the message, or submit canvas.link(…)", field="link")
    for name in how.keys() - FIELDS:
        raise message_options.unknown_to_submit(name)
    return submit_many(session, [submission_of(message, **how)])[0]


def submit_many(session: AnySession, /, submissions: Sequence[Submission]) -> list[Receipt]:
    """Insert many jobs in the caller's transaction, in order: all or none."""
    spans = tracing.active()
    with handed_over(session) as own:
        if spans is None:
            return _submit_many(own, submissions, None)
        with spans.sending(submissions) as carried:
            return _submit_many(own, submissions, carried)


def _submit_many(session: Session, submissions: Sequence[Submission], carried: Sequence[Mapping[str, str]] | None) -> list[Receipt]:
    present = now()
    if carried is None:
        rows = [row_of(submission, present) for submission in submissions]
    else:
        rows = [row_of(submission, present, carried=place) for submission, place in zip(submissions, carried, strict=True)]
    receipts: list[Receipt] = []
    envelopes: list[Envelope] = []
    for part in _parts(submissions, rows):
        receipts += _insert(session, part, present, envelopes)
    if envelopes:
        announce(session, envelopes)
    if not all(receipt.created for receipt in receipts):
        flush(session)  # the earlier job's submitter may still be waiting for the disk
    if audit.is_under_way():
        for receipt, row in zip(receipts, rows, strict=True):
            audit.about("job", receipt.id, actor=row["actor"])
    for queue in {row["queue"] for row in rows if row["fair_key"] is not None}:
        fair_queueing.top_up(session, queue)
    return receipts


def _parts(submissions: Sequence[Submission], rows: Sequence[dict[str, Any]]) -> Iterator[list[_Wanted]]:
    """Divide the rows so that no id and no unique key occurs twice in a part.

    A second row then meets a job that exists, or a key that is free: not one whose job has still to come into being.
    """
    part: list[_Wanted] = []
    met: set[tuple[str, str]] = set()
    for submission, row in zip(submissions, rows, strict=True):
        keys = {("id", row["id"]), ("key", row["unique_key"])} if row["unique_key"] is not None else {("id", row["id"])}
        if not met.isdisjoint(keys):
            yield part
            part, met = [], set()
        part.append((submission, row))
        met |= keys
    if part:
        yield part


def _insert(session: Session, part: Sequence[_Wanted], present: datetime, envelopes: list[Envelope]) -> list[Receipt]:
    """Insert one of `_parts`; append the messages of its queued jobs to `envelopes`."""
    earlier, taken = _taken_periods(session, part, present)
    wanted = {row["id"]: row for _, row in part if row["id"] not in earlier}
    created: set[str] = set()

    def take(found: list[tuple[str, int]]) -> None:
        for id, seq in found:
            created.add(id)
            if wanted[id]["state"] == State.QUEUED:
                envelopes.append(_envelope(seq, wanted[id], present))

    if wanted:
        _INSERT.execute_in_parts(session, [_values(row) for row in wanted.values()], take, now=to_microseconds(present))
    receipts: list[Receipt] = []
    for submission, row in part:
        id = row["id"]
        if id in earlier:
            receipts.append(_receipt(session, earlier[id]))
        elif id in created:
            receipts.append(Receipt(id, State(row["state"]), True))
        else:
            if id in taken:
                periods.give_back(session, taken[id], id)
            receipts.append(_earlier(session, submission, row))
    return receipts


def submit_alone(
    direct: Direct, submission: Submission, *, carried: Mapping[str, str] | None = None
) -> tuple[Receipt, Envelope | None] | None:
    """Insert a job that is_one_statement; hand its envelope over after the commit. None: a key matched an earlier job.

    On return it is on disk, but a single job's message is sent before: if PostgreSQL is killed in between, the caller
    gets an error, and the job may have run. Raises JobsError if the message cannot be stored.
    """
    global _latest
    present = now()
    row = row_of(submission, present, carried=carried)
    goes = row["state"] == State.QUEUED
    before, _latest = _latest, time.monotonic()
    # PostgreSQL's flush is an extra statement, which would slow down a loop of submissions by a quarter.
    ahead = direct.is_sqlite or (goes and _latest - before > ALONE_S)
    if ahead:
        direct.get_ready_to_flush()
    created = (_INSERT_AHEAD if ahead else _INSERT).execute(direct, [_values(row)], now=to_microseconds(present))
    if not created:
        return None
    envelope = _envelope(created[0][1], row, present) if goes else None
    if ahead:
        direct.commit()
        if envelope is not None:
            committed([envelope])
            envelope = None
        direct.flush()
    return Receipt(row["id"], State(row["state"]), True), envelope


def is_one_statement(submission: Submission) -> bool:
    """True if a single statement can insert it, unless a key matches an earlier job."""
    declared = defaults.of(submission.message.actor_name)
    return (
        submission.unique_for is None and declared.options.unique_for is None and submission.fair_key is None and declared.fair_by is None
    )


def check(submission: Submission) -> None:
    """Raise the error that submitting it would raise, except those that only SQL can detect."""
    row_of(submission, now())


#: columns that a submission writes: its own, and those of the options
_NAMES = (
    "id", "actor", "queue", "state", "reason", "args", "kwargs", "options", "source", "submitted_by", "waits_for", "workflow_seq", "parent_id", "publish_at", *STORED,
)  # fmt: skip
_values = itemgetter(*_NAMES)
#: SQL types of the values that are not texts; instants are microseconds
_TYPES = ((UtcDateTime, "bigint"), (SmallInteger, "smallint"), (Integer, "bigint"), (Boolean, "boolean"))


def _type(name: str) -> str:
    column = Job.__table__.c[name].type
    return next((written for kind, written in _TYPES if isinstance(column, kind)), "text")


def _write(condition: str) -> str:
    values = (f"@(d.{name})" if isinstance(Job.__table__.c[name].type, UtcDateTime) else f"d.{name}" for name in _NAMES)
    return f"""
        INSERT INTO jobs ({", ".join(_NAMES)}, attempt, failures, crashes, cancel_requested, created_at)
        SELECT {", ".join(values)}, 0, 0, 0, false, @(:now) FROM {{rows}} WHERE {condition}
        ON CONFLICT DO NOTHING RETURNING id, seq
        """


_COLUMNS = {name: _type(name) for name in _NAMES}
_INSERT = Batch(_COLUMNS, _write("true"))
_INSERT_AHEAD = Batch(_COLUMNS, _write(AHEAD_OF_DISK), _write("true"))


def new_id() -> str:
    """Return a new job id: a UUID version 7, so that ids sort by creation time."""
    stamp = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    value = (stamp << 80) | (0x7 << 76) | ((random >> 68 & 0xFFF) << 64) | (0b10 << 62) | (random & (1 << 62) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _envelope(seq: int, row: dict[str, Any], present: datetime) -> Envelope:
    return encode(
        seq=seq,
        id=row["id"],
        attempt=1,
        queue=row["queue"],
        actor=row["actor"],
        priority=row["priority"],
        args=row["args"],
        kwargs=row["kwargs"],
        options=row["options"],
        created_at_ms=to_microseconds(present) // 1000,
    )


def _taken_periods(session: Session, part: Sequence[_Wanted], present: datetime) -> tuple[dict[str, str], dict[str, str]]:
    """Take the keys that are unique for a period; return job id -> the earlier job that holds its key, and job id -> the key that it took."""
    earlier: dict[str, str] = {}
    taken: dict[str, str] = {}
    for submission, row in part:
        period = submission.unique_for or defaults.of(submission.message.actor_name).options.unique_for
        if period is None or row["unique_key"] is None:
            continue
        id, key = row["id"], row["unique_key"]
        holder = periods.take(session, key, id, present=present, until=present + period)
        if holder is None:
            taken[id] = key
        else:
            earlier[id] = holder
        row["unique_key"] = None  # the period decides, not the job's state
    return earlier, taken


def _receipt(session: Session, id: str) -> Receipt:
    state = session.execute(select(Job.state).where(Job.id == id)).scalar()
    return Receipt(id, state or State.SUCCEEDED, False)


def _earlier(session: Session, submission: Submission, row: dict[str, Any]) -> Receipt:
    same = [Job.id == row["id"]]
    if submission.idempotency_key is not None:
        same.append(Job.idempotency_key == submission.idempotency_key)
    if row["unique_key"] is not None:
        same.append(and_(Job.unique_key == row["unique_key"], text(f"jobs.{NOT_ENDED}")))
    found = session.execute(select(Job).where(or_(*same)).order_by(Job.seq)).scalars().first()
    if found is None:
        # The job that held the unique key ended between the two statements: retry.
        return submit_many(session, [submission])[0]
    differs = [found.actor, dumps(found.args), dumps(found.kwargs)] != [row["actor"], row["args"], row["kwargs"]]
    if differs and submission.idempotency_key is not None and found.idempotency_key == submission.idempotency_key:
        raise IdempotencyConflict(
            f"this idempotency key was used before for job {found.id} with other arguments: use a new key for a new job",
            field="Idempotency-Key",
        )
    return Receipt(found.id, found.state, False)


require(State.SCHEDULED, State.QUEUED)
