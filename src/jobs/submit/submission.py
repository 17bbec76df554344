"""submit(): the one way in. A job is a row in the caller's transaction before it is a message."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from dramatiq import Message
from dramatiq.broker import MessageProxy
from sqlalchemy import Boolean, Integer, SmallInteger
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ...sql.columns import UtcDateTime, to_microseconds
from ...sql.direct import Direct, flush
from ...sql.statements import AHEAD_OF_DISK, Batch
from ...telemetry import tracing
from ..attempts.current_job import current_job
from ..core.envelopes import Envelope, announce, committed, encode
from ..core.errors import JobsError
from ..core.models import Job
from ..core.session_handover import AnySession, handed_over
from ..core.states import State, require
from ..limits import fair_queueing
from ..options import message_options
from ..options.job_options import STORED
from . import defaults, earlier, periods
from .requests import FIELDS, Receipt, Submission, submission_of
from .row import row_of

#: a job counts as single if this process's previous submission was more seconds ago
ALONE_S = 0.003
_latest = 0.0

#: a submission and its row
_Wanted = tuple[Submission, dict[str, Any]]


def submit(session: AnySession, /, message: Message[Any], **how: Any) -> Receipt:
    """Insert the job of `message` in the caller's transaction; it is published when that commits.

    `how`: the fields of Submission. The running job's own message becomes a new job. Raises JobsError if the message
    cannot be stored, or has an option that would be ignored; WrongSession if the session cannot take it.
    """
    message = for_a_new_job(message)
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
    """Divide the rows so that no id, unique key or idempotency key occurs twice in a part.

    A second row then meets a job that exists, or a key that is free: not one whose job has still to come into being.
    """
    part: list[_Wanted] = []
    met: set[tuple[str, str]] = set()
    for submission, row in zip(submissions, rows, strict=True):
        keys = {(name, row[name]) for name in ("id", "unique_key", "idempotency_key") if row[name] is not None}
        if not met.isdisjoint(keys):
            yield part
            part, met = [], set()
        part.append((submission, row))
        met |= keys
    if part:
        yield part


def _insert(session: Session, part: Sequence[_Wanted], present: datetime, envelopes: list[Envelope]) -> list[Receipt]:
    """Insert one of `_parts`; append the messages of its queued jobs to `envelopes`."""
    known, taken = earlier.known(session, part, present)
    wanted = {row["id"]: row for _, row in part if row["id"] not in known}
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
        if id in known:
            receipts.append(known[id])
        elif id in created:
            receipts.append(Receipt(id, State(row["state"]), True))
        else:
            if id in taken:
                periods.give_back(session, taken[id], id)
            # None: the job that held the unique key ended between the two statements.
            receipts.append(earlier.met(session, submission, row, present) or submit_many(session, [submission])[0])
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
    if submission.unique_for is not None or declared.options.unique_for is not None:
        return False
    if submission.fair_key is not None or declared.fair_by is not None:
        return False
    return submission.idempotency_key is None or (submission.unique_key is None and declared.options.unique_until is None)


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


def for_a_new_job(message: Message[Any] | MessageProxy) -> Message[Any]:
    """Return the message; that of the running job with a new id, because it is to run again: a message's id is one job."""
    if isinstance(message, MessageProxy):  # from CurrentMessage, or a hook of middleware: around the acknowledgement no job runs any more
        return message._message.copy(message_id=new_id())
    running = current_job.job
    return message.copy(message_id=new_id()) if running is not None and running.id == message.message_id else message


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


require(State.SCHEDULED, State.QUEUED)
