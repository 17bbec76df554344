"""Group commit: the submissions of many threads in one transaction; those that arrive while it runs form the next one.

A web process has dozens of threads that each submit one job. Separate transactions would each need SQLite's write lock
and a flush to disk; together they need one. There is no timer: a single thread commits at once.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy.orm import Session

from ... import audit
from ...audit import PendingEntry
from ...jobs import Receipt, Submission, submit_many
from ...jobs.core import envelopes
from ...jobs.submit.submission import is_one_statement, submit_alone
from ...sql.database import get_database, write
from ...sql.outages import is_outage
from ...telemetry import tracing

#: submissions per transaction, to keep it short
TOGETHER = 100


@dataclass(eq=False, slots=True)
class _Entry:
    submission: Submission
    audit_entry: PendingEntry | None = None  # the submitter's audit entry, written by the thread that commits
    called: threading.Event | None = None  # None: it was the only one, and leads
    leads: bool = False
    receipt: Receipt | None = None
    error: Exception | None = None

    def call(self) -> None:
        """Wake its thread, which waits to be answered or to lead."""
        if self.called is not None:
            self.called.set()

    @property
    def is_answered(self) -> bool:
        return self.receipt is not None or self.error is not None

    @property
    def is_one_statement(self) -> bool:
        return self.audit_entry is None and is_one_statement(self.submission)


class GroupCommit:
    """Threads that wait to submit; the first of them leads, the others wait until they are answered or promoted to leader."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Entry] = []
        self._is_led = False

    def submit(self, submission: Submission) -> Receipt:
        """Commit one submission, alone or with others. Raises JobsError only for this one, and SQLAlchemy's errors during an outage."""
        spans = tracing.active()
        if spans is not None:  # the leader commits it in its own thread and trace context
            submission = replace(submission, trace=spans.carrier())
        entry = _Entry(submission, audit.take())
        try:
            with self._lock:
                self._waiting.append(entry)
                entry.leads, self._is_led = not self._is_led, True
                if not entry.leads:
                    entry.called = threading.Event()
            if entry.called is not None:
                entry.called.wait()
            if entry.leads:
                self._lead()
        finally:
            # Even if a time limit or a cancel interrupts this thread: the others must not wait for it.
            self._leave(entry)
        if entry.error is not None:
            raise entry.error
        assert entry.receipt is not None
        return entry.receipt

    def _lead(self) -> None:
        batch: list[_Entry] = []
        try:
            waiting = self._first()
            if not get_database().is_sqlite or (len(waiting) == 1 and waiting[0].is_one_statement):
                batch = waiting
            # A single one is one statement, which commits by itself; a group is all or none, so that each can be retried alone.
            if len(batch) == 1 and batch[0].is_one_statement:
                receipts = [_write_alone(batch[0].submission)]
            else:
                with write() as session:
                    session.connection()  # SQLite: the write lock is held from here on, so the batch is complete only now
                    batch = batch or self._first()
                    receipts = _write(session, batch)
            for entry, receipt in zip(batch, receipts, strict=True):
                entry.receipt = receipt
        except Exception as error:  # noqa: BLE001 - raised in the thread it belongs to
            batch = batch or self._first()
            if len(batch) == 1 or is_outage(error):
                for entry in batch:
                    entry.error = error
            else:
                # One of them is at fault: commit each alone, so that only its submitter gets the error.
                for entry in batch:
                    _submit_alone(entry)
        finally:
            with self._lock:
                answered = [entry for entry in self._waiting if entry.is_answered]
                self._waiting = [entry for entry in self._waiting if not entry.is_answered]
            for entry in answered:
                entry.call()

    def _first(self) -> list[_Entry]:
        with self._lock:
            return self._waiting[:TOGETHER]

    def _leave(self, entry: _Entry) -> None:
        with self._lock:
            if entry in self._waiting:
                self._waiting.remove(entry)
            if not entry.leads:
                return
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].call()


def _write_alone(submission: Submission) -> Receipt:
    """Write one statement on a connection that may have died unnoticed: repeating it with the same id starts no second job."""
    spans = tracing.active()
    if spans is None:
        written = get_database().direct.write(partial(submit_alone, submission=submission), flush=False)
    else:
        with spans.sending([submission]) as [place]:
            written = get_database().direct.write(partial(submit_alone, submission=submission, carried=place), flush=False)
    if written is None:
        with write() as session:
            return submit_many(session, [submission])[0]
    receipt, envelope = written
    if envelope is not None:
        envelopes.committed([envelope])
    return receipt


def _submit_alone(entry: _Entry) -> None:
    try:
        with write() as session:
            [entry.receipt] = _write(session, [entry])
    except Exception as error:  # noqa: BLE001 - it is raised where it belongs
        entry.error = error


def _write(session: Session, entries: list[_Entry]) -> list[Receipt]:
    receipts = submit_many(session, [entry.submission for entry in entries])
    for entry, receipt in zip(entries, receipts, strict=True):
        if entry.audit_entry is not None:
            entry.audit_entry.touch("job", receipt.id, actor=entry.submission.message.actor_name)
    audit.record(session, *(entry.audit_entry for entry in entries if entry.audit_entry is not None))
    return receipts


_group = GroupCommit()


def submit_now(submission: Submission) -> Receipt:
    """Submit in this process's own transaction, committed when this returns; errors of other submissions do not affect it."""
    return _group.submit(submission)


def _forget_parents() -> None:
    """Clear the waiting threads in a forked child: those of its parent do not exist there."""
    global _group
    _group = GroupCommit()


os.register_at_fork(after_in_child=_forget_parents)
