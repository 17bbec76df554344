"""One verb for all jobs that a query means: which of them it is for, and a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from ... import audit
from .. import search
from ..core.errors import JobsError, NotAllowed
from ..core.guards import guarded
from ..core.models import Job
from ..core.states import State
from ..read.queries import NOT_SUCCEEDED
from ..search import Query, parse, texts
from ..search.texts import Place
from ..submit import reruns
from . import actions


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
    deed: audit.PendingEntry

    def parsed(self) -> Query:
        """The query; raises QueryError."""
        return parse(self.query)


def newest(session: Session) -> int:
    """The number of the newest job."""
    return int(session.execute(select(func.max(Job.seq))).scalar() or 0)


def matching(counts: Mapping[State, int], verb: Verb) -> int:
    """How many of jobs in these states the verb is for."""
    return sum(number for state, number in counts.items() if state in TAKES[verb])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order has been carried out: `reached` is the lowest job number looked at, None at first; `total` as counted at first."""

    total: int = 0
    done: int = 0
    left_alone: int = 0
    reached: int | None = None


#: the option of the job that carries an order out, in which its progress is kept
_PROGRESS = "bulk_progress"


def progress(session: Session, order: Order) -> Progress:
    """How far earlier attempts of the job have come that carries this order out; counts at first."""
    options = session.execute(select(Job.options).where(Job.id == order.id)).scalar() or {}
    kept = options.get(_PROGRESS)
    if kept is not None:
        return Progress(**kept)
    return Progress(total=matching(search.count(session, order.parsed(), up_to=order.up_to), order.verb))


def _keep(session: Session, order: Order, progress: Progress) -> None:
    """In the commit of a batch: an attempt whose worker is lost is followed by one that knows how far it came."""
    options = session.execute(select(Job.options).where(Job.id == order.id)).scalar()
    if options is not None:
        kept = {**options, _PROGRESS: asdict(progress)}
        session.execute(update(Job).where(Job.id == order.id).values(options=kept).execution_options(synchronize_session=False))


def act(session: Session, order: Order, so_far: Progress) -> Progress | None:
    """Do it to the next jobs, the newest first, in the caller's transaction, with a line of the audit for each; None: nothing is left.

    A job that has changed since it was asked for is left alone, and so is one that cannot be changed: the others go on.
    """
    place, states = Place(session), TAKES[order.verb]
    chosen = select(Job.seq, Job.id).where(Job.seq <= order.up_to, Job.state.in_(states), *order.parsed().conditions(place))
    # One that was retried by this very order and has died again is not meant a second time.
    chosen = chosen.where(or_(Job.finished_at.is_(None), Job.finished_at <= order.asked_at))
    if State.SUCCEEDED not in states:
        chosen = chosen.where(NOT_SUCCEEDED)
    if so_far.reached is not None:
        chosen = chosen.where(Job.seq < so_far.reached)
    rows = session.execute(chosen.order_by(Job.seq.desc()).limit(AT_ONCE), texts.between()).all()
    if not rows:
        return None
    done = 0
    audit.begin(order.deed)
    for row in rows:
        # NotAllowed: it went on by itself meanwhile, or another of its unique key is there.
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
    match order.verb:
        case Verb.RETRY:
            actions.retry(session, id)
        case Verb.RERUN:
            reruns.again(session, id, by=order.deed.who, key=f"re-run:{order.id}:{id}"[:255])
        case Verb.RELEASE:
            actions.release(session, id)
        case Verb.CANCEL:
            actions.cancel(session, id)
        case Verb.DISCARD:
            actions.discard(session, id)
