"""Bulk actions: one verb for all jobs that match a query, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from ... import audit
from .. import search
from ..core.errors import JobsError, NotAllowed
from ..core.guards import guarded
from ..core.models import Job
from ..core.states import State
from ..read.queries import NOT_SUCCEEDED
from ..search import Query, parse
from ..search.extent import Extent
from ..search.texts import Place
from ..submit import reruns
from . import actions, reach


class Verb(StrEnum):
    """Verbs of bulk actions."""

    RETRY = "retry"  # the same job, its next attempt now
    RERUN = "re-run"  # a new job with the same arguments
    RELEASE = "release"  # held jobs, back to their queues
    CANCEL = "cancel"
    DISCARD = "discard"


#: the states that each verb applies to; jobs in others are skipped
TAKES: dict[Verb, frozenset[State]] = {
    Verb.RETRY: frozenset({State.DEAD, State.CANCELLED, State.EXPIRED, State.RETRYING}),
    Verb.RERUN: frozenset({State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED}),
    Verb.RELEASE: frozenset({State.HELD}),
    Verb.CANCEL: frozenset({State.SCHEDULED, State.QUEUED, State.RUNNING, State.RETRYING, State.HELD}),
    Verb.DISCARD: frozenset({State.HELD}),
}
#: jobs per transaction: few enough not to block others
AT_ONCE = 50
#: above this number of jobs, the user must type the number to confirm
TYPED_ABOVE = 100


@dataclass(frozen=True, slots=True)
class Order:
    """A requested bulk action: a verb for all jobs that matched the query at an instant, none newer than `up_to`."""

    verb: Verb
    query: str
    up_to: int
    asked_at: datetime
    id: str  # of the job that executes it
    entry: audit.PendingEntry
    above: frozenset[str] = frozenset()  # roles that its caller lacks and some actor requires

    def parsed(self) -> Query:
        """Return the parsed query; raises QueryError."""
        return parse(self.query)


def matching(counts: Mapping[State, int], verb: Verb) -> int:
    """Return how many of the jobs in these states the verb applies to."""
    return sum(number for state, number in counts.items() if state in TAKES[verb])


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a bulk action: `reached` is the lowest job number processed, None at first; `total` as counted at the start."""

    total: int = 0
    done: int = 0
    left_alone: int = 0
    reached: int | None = None


#: option of the executing job that stores its progress
_PROGRESS = "bulk_progress"


def progress(session: Session, order: Order) -> Progress:
    """Return the progress of the executing job's earlier attempts; counts the jobs at the start."""
    options = session.execute(select(Job.options).where(Job.id == order.id)).scalar() or {}
    kept = options.get(_PROGRESS)
    if kept is not None:
        return Progress(**kept)
    return Progress(total=matching(search.count(session, order.parsed(), up_to=order.up_to, present=order.asked_at), order.verb))


def _keep(session: Session, order: Order, progress: Progress) -> None:
    """Store the progress in the commit of a batch: after a lost worker, the next attempt continues from there."""
    options = session.execute(select(Job.options).where(Job.id == order.id)).scalar()
    if options is not None:
        kept = {**options, _PROGRESS: asdict(progress)}
        session.execute(update(Job).where(Job.id == order.id).values(options=kept).execution_options(synchronize_session=False))


def act(session: Session, order: Order, so_far: Progress) -> Progress | None:
    """Apply the verb to the next jobs, newest first, in the caller's transaction, with an audit entry for each; None: finished.

    Jobs that have changed since the request, or that cannot be changed, are skipped.
    """
    place, states = Place(session, order.asked_at), TAKES[order.verb]
    # A job retried by this very action that has died again must not be retried twice.
    fits: list[Any] = [Job.state.in_(states), or_(Job.finished_at.is_(None), Job.finished_at <= order.asked_at)]
    if State.SUCCEEDED not in states:
        fits.append(NOT_SUCCEEDED)
    chosen = select(Job.seq, Job.id).where(*fits, *order.parsed().conditions(place)).order_by(Job.seq.desc())
    rows: list[Any] = []
    for low, high, values in Extent.below(place, order.up_to + 1 if so_far.reached is None else so_far.reached).to_the_end(*fits):
        rows += session.execute(chosen.where(Job.seq >= low, Job.seq < high).limit(AT_ONCE - len(rows)), values)
        if len(rows) == AT_ONCE:
            break
    if not rows:
        return None
    done = 0
    audit.begin(order.entry)
    for row in rows:
        # NotAllowed: its state changed meanwhile, or its unique key is taken.
        with guarded("job_not_changed", job_id=row.id, verb=order.verb.value), suppress(NotAllowed, JobsError):
            with session.begin_nested():
                _do(session, order, row.id)
            done += 1
    if not done:
        audit.end()
    reached = Progress(so_far.total, so_far.done + done, so_far.left_alone + len(rows) - done, rows[-1].seq)
    _keep(session, order, reached)
    return reached


def _do(session: Session, order: Order, id: str) -> None:
    starts = order.above and order.verb not in reach.STOPS
    # The query leaves out actors by name alone: this job may run another one.
    if starts and reach.of_job(session, id, alone=order.verb is Verb.RERUN).is_above(order.above):
        raise NotAllowed("it runs an actor of a higher role")
    match order.verb:
        case Verb.RETRY:
            actions.retry(session, id)
        case Verb.RERUN:
            receipt = reruns.again(session, id, by=order.entry.who, key=f"re-run:{order.id}:{id}"[:255])
            if receipt.reason is not None:
                order.entry.leave("job", receipt.id)
                raise NotAllowed(receipt.reason)
        case Verb.RELEASE:
            actions.release(session, id)
        case Verb.CANCEL:
            actions.cancel(session, id)
        case Verb.DISCARD:
            actions.discard(session, id)
