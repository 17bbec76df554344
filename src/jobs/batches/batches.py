"""Batches: rows stored as a draft, submitted together as one job each, and tracked as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, case, delete, func, insert, select, update
from sqlalchemy.orm import Session, load_only

from ...settings import get_settings
from ...sql.clock import now
from ..control import actions
from ..core.errors import JobsError, NotAllowed
from ..core.models import Job
from ..core.states import State
from ..submit.requests import Submission
from ..submit.submission import submit_many
from .models import Batch, BatchRow, Stage

#: how long an unsubmitted draft is kept
DRAFT_KEPT = timedelta(days=1)
#: states from which a job of a batch can be retried
RETRYABLE = (State.DEAD, State.CANCELLED, State.EXPIRED)


class UnknownBatch(JobsError):
    """No batch has this id."""


@dataclass(frozen=True, slots=True)
class Row:
    """A parsed row: its arguments, or its problems as (column, message)."""

    number: int
    cells: Sequence[str]
    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None
    problems: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row with its job, if it has one."""

    row: BatchRow
    job: Job | None

    @property
    def shared(self) -> str | None:
        """Why its job is an earlier one, which is none of this batch."""
        return str(self.row.problems[0][1]) if self.row.job_id and self.row.problems else None


@dataclass(frozen=True, slots=True)
class Figures:
    """Number of a batch's jobs in each state; `gone`: deleted by retention; `shared`: rows for which an earlier job stands."""

    counts: dict[State, int] = field(default_factory=dict)
    gone: int = 0
    shared: int = 0

    @property
    def ended(self) -> int:
        return self.gone + sum(number for state, number in self.counts.items() if state.is_final)

    @property
    def retryable(self) -> int:
        return sum(number for state, number in self.counts.items() if state in RETRYABLE)

    @property
    def unfinished(self) -> int:
        return sum(number for state, number in self.counts.items() if not state.is_final)


def draft(
    session: Session,
    id: str,
    *,
    actor: str,
    name: str,
    header: Sequence[str],
    rows: Sequence[Row],
    by: str,
    dialect: Mapping[str, Any] | None = None,
) -> Batch:
    """Store rows as a draft; a repeated id returns the existing draft. `dialect`: how the file was written."""
    known = session.get(Batch, id)
    if known is not None:
        return known
    bad = sum(bool(row.problems) for row in rows)
    batch = Batch(
        id=id, actor=actor, name=name[:255], stage=Stage.DRAFT, header=list(header), dialect=dialect, rows=len(rows), bad=bad, created_by=by, created_at=now()
    )  # fmt: skip
    session.add(batch)
    session.flush()
    values = [
        {
            "batch_id": id, "number": row.number, "cells": list(row.cells), "args": row.args, "kwargs": row.kwargs,
            "problems": [list(problem) for problem in row.problems] or None, "job_id": None,
        }
        for row in rows
    ]  # fmt: skip
    session.execute(insert(BatchRow), values)
    return batch


def find(session: Session, id: str) -> Batch:
    """Return the batch; raises UnknownBatch."""
    found = session.get(Batch, id)
    if found is None:
        raise UnknownBatch(f"There is no batch {id}. A draft that is not submitted is deleted after a day.", field="id")
    return found


def take(session: Session, id: str, *, by: str) -> bool:
    """Turn a draft into a submitted batch, whose jobs the caller submits in this transaction; False: it already was one."""
    moved = (
        update(Batch).where(Batch.id == id, Batch.stage == Stage.DRAFT).values(stage=Stage.SUBMITTED, submitted_by=by, submitted_at=now())
    )
    return session.execute(moved.returning(Batch.id).execution_options(synchronize_session=False)).first() is not None


def submit_rows(session: Session, id: str, submissions: Mapping[int, Submission]) -> int:
    """Submit the jobs of a batch's rows, by row number: all or none. Return for how many rows a job of their unique key stands."""
    receipts = submit_many(session, list(submissions.values()))
    values = [
        {"batch_id": id, "number": number, "job_id": receipt.id, "problems": [["", receipt.reason]] if receipt.reason else None}
        for number, receipt in zip(submissions, receipts, strict=True)
    ]
    session.execute(update(BatchRow), values)
    return sum(not receipt.created for receipt in receipts)


def discard(session: Session, id: str) -> None:
    """Delete a draft. Raises NotAllowed if it has been submitted."""
    gone = delete(Batch).where(Batch.id == id, Batch.stage == Stage.DRAFT).returning(Batch.id)
    if session.execute(gone).first() is None:
        raise NotAllowed("it has been submitted: cancel its jobs instead")
    session.execute(delete(BatchRow).where(BatchRow.batch_id == id))


def cancel(session: Session, id: str) -> int:
    """Cancel waiting jobs and ask running ones to stop, of those that this batch made; return their number."""
    return sum(_done(actions.cancel, session, each) for each in _jobs(session, id, [state for state in State if not state.is_final]))


def retry(session: Session, id: str) -> int:
    """Retry the jobs of this batch that are dead, cancelled or expired; return how many could be."""
    return sum(_done(actions.retry, session, each) for each in _jobs(session, id, RETRYABLE))


def figures(session: Session, id: str) -> Figures:
    """Count the jobs of a batch by state."""
    statement = (
        select(Job.state, func.count().label("number")).select_from(BatchRow).join(Job, Job.id == BatchRow.job_id, isouter=True)
        .where(BatchRow.batch_id == id, BatchRow.job_id.is_not(None)).group_by(Job.state)
    )  # fmt: skip
    counts: dict[State | None, int] = {row.state: row.number for row in session.execute(statement.where(BatchRow.problems.is_(None)))}
    shared = select(func.count()).where(BatchRow.batch_id == id, BatchRow.job_id.is_not(None), BatchRow.problems.is_not(None))
    return Figures(
        {state: counts[state] for state in State if counts.get(state)}, counts.get(None, 0), session.execute(shared).scalar_one()
    )


def rows(session: Session, id: str, *, after: int = 0, limit: int = 100, bad: bool | None = None) -> list[Outcome]:
    """Return rows after a number, in order, with their jobs. `bad`: only invalid rows, or only valid ones."""
    statement = _joined(select(BatchRow, Job), id, after, limit)
    if bad is not None:
        statement = statement.where(BatchRow.kwargs.is_(None) if bad else BatchRow.kwargs.is_not(None))
    return [Outcome(row, job) for row, job in session.execute(statement)]


def all_rows(session: Session, id: str, *, batch: int = 500) -> Iterator[Outcome]:
    """Yield all rows in order, loaded in batches, of their jobs only how they ended: a file has thousands."""
    ends = select(BatchRow, Job).options(
        load_only(Job.id, Job.state, Job.reason, Job.result, Job.result_file, Job.error),
        load_only(BatchRow.number, BatchRow.cells, BatchRow.problems, BatchRow.job_id),
    )
    after = 0
    while found := [Outcome(row, job) for row, job in session.execute(_joined(ends, id, after, batch))]:
        yield from found
        after = found[-1].row.number


def recent(session: Session, *, actor: str | None = None, before: datetime | None = None, limit: int = 50) -> list[Batch]:
    """Return the newest batches first."""
    statement = select(Batch).order_by(Batch.created_at.desc(), Batch.id).limit(limit)
    if actor is not None:
        statement = statement.where(Batch.actor == actor)
    if before is not None:
        statement = statement.where(Batch.created_at < before)
    return list(session.execute(statement).scalars())


def prune(session: Session) -> None:
    """Delete unsubmitted drafts, and batches older than the longest retention of jobs, of whose jobs none is left."""
    settings = get_settings()
    longest = timedelta(days=max(settings.keep_succeeded, settings.keep_cancelled, settings.keep_dead))
    some_left = select(Job.seq).join(BatchRow, BatchRow.job_id == Job.id).where(BatchRow.batch_id == Batch.id).correlate(Batch).exists()
    for stage, keep in ((Stage.DRAFT, DRAFT_KEPT), (Stage.SUBMITTED, longest)):
        over = select(Batch.id).where(Batch.stage == stage, Batch.created_at < now() - keep)
        # CASE: as a plain condition, PostgreSQL may join it with all jobs, instead of searching one for each row of a batch.
        over = over.where(case((some_left, 1), else_=0) == 0)
        ids = list(session.execute(over.limit(100)).scalars())
        session.execute(delete(BatchRow).where(BatchRow.batch_id.in_(ids)))
        session.execute(delete(Batch).where(Batch.id.in_(ids)))


def _joined(columns: Select[BatchRow, Job], id: str, after: int, limit: int) -> Select[BatchRow, Job]:
    joined = columns.join(Job, Job.id == BatchRow.job_id, isouter=True).where(BatchRow.batch_id == id, BatchRow.number > after)
    return joined.order_by(BatchRow.number).limit(limit)


def _jobs(session: Session, id: str, states: Sequence[State]) -> list[str]:
    statement = select(Job.id).join(BatchRow, BatchRow.job_id == Job.id).where(BatchRow.batch_id == id, Job.state.in_(states))
    own = statement.where(BatchRow.problems.is_(None))  # not the job of another submitter, which stands for a row
    return list(session.execute(own.order_by(BatchRow.number)).scalars())


def _done(act: Any, session: Session, id: str) -> bool:
    try:
        act(session, id)
    except NotAllowed:
        return False  # it has meanwhile ended, or started again
    return True
