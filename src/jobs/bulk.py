"""One verb for all jobs that a query means: which of them it is for, and a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from src import audit
from src.jobs import control, reruns
from src.jobs.errors import JobsError, NotAllowed
from src.jobs.models import Job
from src.jobs.queries import NOT_SUCCEEDED
from src.jobs.search import Query, parse, texts
from src.jobs.search.texts import Place
from src.jobs.states import State


class Verb(StrEnum):
    """What may be done to many jobs at once."""

    RETRY = "retry"  # the same job, its next attempt now
    RERUN = "re-run"  # a new job with the same arguments
    RELEASE = "release"  # what is held, back to the queue it came for
    CANCEL = "cancel"
    DISCARD = "discard"


#: the states from which each verb goes; jobs in others are left alone
TAKES: dict[Verb, frozenset[State]] = {
    Verb.RETRY: frozenset({State.DEAD, State.CANCELLED, State.EXPIRED, State.RETRYING}),
    Verb.RERUN: frozenset({State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED}),
    Verb.RELEASE: frozenset({State.HELD}),
    Verb.CANCEL: frozenset({State.SCHEDULED, State.QUEUED, State.RUNNING, State.RETRYING, State.HELD}),
    Verb.DISCARD: frozenset({State.HELD}),
}
#: jobs of one transaction: short enough that nobody waits for it
AT_ONCE = 50
#: above so many jobs, whoever asks types their number
TYPED_ABOVE = 100


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for: a verb for all jobs that the query meant at an instant, none newer than `up_to`."""

    verb: Verb
    query: str
    up_to: int
    asked_at: datetime
    id: str  # of the job that carries it out
    deed: audit.Deed

    def parsed(self) -> Query:
        """The query; raises QueryError."""
        return parse(self.query)


def newest(session: Session) -> int:
    """The number of the newest job."""
    return int(session.execute(select(func.max(Job.seq))).scalar() or 0)


def matching(counts: Mapping[State, int], verb: Verb) -> int:
    """How many of jobs in these states the verb is for."""
    return sum(number for state, number in counts.items() if state in TAKES[verb])


@dataclass(slots=True)
class Batch:
    """What became of one batch. `reached`: the lowest number in it; None: nothing was left."""

    done: int = 0
    left_alone: int = 0
    reached: int | None = None


def act(session: Session, order: Order, *, below: int | None = None) -> Batch:
    """Do it to the next jobs, the newest first, in the caller's transaction, with a line of the audit for each.

    A job that has changed since it was asked for is left alone, so the same batch may be done twice: after a crash it is.
    """
    place, states = Place(session), TAKES[order.verb]
    chosen = select(Job.seq, Job.id).where(Job.seq <= order.up_to, Job.state.in_(states), *order.parsed().conditions(place))
    # One that was retried by this very order and has died again is not meant a second time.
    chosen = chosen.where(or_(Job.finished_at.is_(None), Job.finished_at <= order.asked_at))
    if State.SUCCEEDED not in states:
        chosen = chosen.where(NOT_SUCCEEDED)
    if below is not None:
        chosen = chosen.where(Job.seq < below)
    rows = session.execute(chosen.order_by(Job.seq.desc()).limit(AT_ONCE), texts.between()).all()
    batch = Batch(reached=rows[-1].seq if rows else None)
    audit.begin(order.deed)
    for row in rows:
        try:
            with session.begin_nested():
                _do(session, order, row.id)
            batch.done += 1
        except (NotAllowed, JobsError):
            batch.left_alone += 1  # it went on by itself meanwhile, or another of its unique key is there
    if not batch.done:
        audit.end()
    return batch


def _do(session: Session, order: Order, id: str) -> None:
    match order.verb:
        case Verb.RETRY:
            control.retry(session, id)
        case Verb.RERUN:
            reruns.again(session, id, by=order.deed.who, key=f"re-run:{order.id}:{id}"[:255])
        case Verb.RELEASE:
            control.release(session, id)
        case Verb.CANCEL:
            control.cancel(session, id)
        case Verb.DISCARD:
            control.discard(session, id)
