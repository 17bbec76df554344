"""Queries of pages, API and commands, one function per question. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ...sql.clock import now
from ...sql.direct import Direct
from ...sql.statements import Single
from ..core.errors import AmbiguousId
from ..core.models import BACKLOG_STATES, Job
from ..core.states import State, listed
from . import attempts, row_counts
from .row_counts import ALL, COUNTED, Counts, Subject

#: characters of an id prefix that suffice to look a job up
SHORT_ID = 8
#: opens the partial index of jobs that have not succeeded to both stores; most rows of a large table have
NOT_SUCCEEDED = text(f"jobs.state <> '{State.SUCCEEDED}'")
BUT_SUCCEEDED = tuple(state for state in State if state is not State.SUCCEEDED)
#: opens the index of queued jobs: SQLite compares a condition with the index's text, not with the value of a parameter
QUEUED = text(f"jobs.state = '{State.QUEUED}'")
#: likewise the index of jobs that wait for a due time or for an operator
BACKLOG = text(f"jobs.state IN {listed(*BACKLOG_STATES)}")
#: unpublished jobs counted at most in a list of queues
BACKLOG_COUNTED = 20_000
#: jobs counted at most for a badge
MOST_COUNTED = 1_000
#: earlier than any job
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: RabbitMQ's numbers include messages that it confirmed this long ago
SETTLED = timedelta(seconds=60)
#: running jobs shown per worker
RUNNING_SHOWN = 20
#: jobs listed when an id prefix is ambiguous
CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Page:
    """A page of jobs, newest first; `next` is the seq to pass as `after` for the following page, None on the last one."""

    jobs: list[Job]
    next: int | None


def find(session: Session, id: str) -> Job | None:
    """Return the job of this id, or the only one with this id prefix (at least 8 characters), with its newest attempts.

    Ids of one minute share a prefix, so the end may be given too, as pages show it: 0198c1f2…9e01 (or ...). Raises
    AmbiguousId.
    """
    exact = select(Job).where(Job.id == id).execution_options(populate_existing=True)
    found = session.execute(exact).scalars().all() or _beginning_with(session, id)
    attempts.load_newest(session, found)
    return next(iter(found), None)


def _beginning_with(session: Session, id: str) -> Sequence[Job]:
    """Return the only job with this id prefix, if there is one."""
    head, _, tail = id.replace("...", "…").partition("…")
    if not SHORT_ID <= len(head) < 36:
        return ()
    # A range, not LIKE: it uses the index on both stores and gives % and _ no meaning.
    matching = select(Job).where(Job.id > head, Job.id < head + "\U0010ffff").order_by(Job.id.desc())
    if tail:
        matching = matching.where(Job.id.endswith(tail, autoescape=True))
    found = session.execute(matching.limit(CANDIDATES + 1).execution_options(populate_existing=True)).scalars().all()
    if len(found) > 1:
        raise _ambiguous(id, found)
    return found


def _ambiguous(id: str, found: Sequence[Job]) -> AmbiguousId:
    listed = ", ".join(f"{job.id} ({job.actor or 'not a message'}, {job.state})" for job in found[:CANDIDATES])
    more = " and others" if len(found) > CANDIDATES else ""
    example = f"{found[0].id[:SHORT_ID]}…{found[0].id[-4:]}"
    return AmbiguousId(
        f"Several jobs begin with {id}: {listed}{more}. Give more of the id, or its end too, e.g. {example}.",
        candidates=[job.id for job in found[:CANDIDATES]],
    )


class Ending(NamedTuple):
    """State of a job for a caller that waits for its end; the result is a JSON text."""

    seq: int
    state: State
    actor: str
    result: str | None
    result_file: str | None
    error: str | None
    reason: str | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Ending:
        """Make it from a row of the columns ENDING."""
        seq, state, *rest = row
        return cls(seq, State(state), *rest)


#: columns of `jobs` that make an Ending
ENDING = ", ".join(Ending._fields)


def ending(direct: Direct, id: str) -> Ending | None:
    """Return the state of the job with exactly this id. Cheap, for polling."""
    found = _ENDING.fetch(direct, id=id)
    return Ending.of(found[0]) if found else None


_ENDING = Single(f"SELECT {ENDING} FROM jobs WHERE id = :id")


def find_many(session: Session, ids: Collection[str]) -> list[Job]:
    """Return the jobs of these ids that exist, with their newest attempts."""
    found = list(session.execute(select(Job).where(Job.id.in_(ids))).scalars())
    attempts.load_newest(session, found)
    return found


class Snapshot(NamedTuple):
    """The columns of a job that change while it is watched."""

    id: str
    seq: int
    state: State
    attempt: int
    reason: str | None
    error: str | None
    cancel_requested: bool
    due_at: datetime | None
    finished_at: datetime | None
    progress_done: int | None
    progress_total: int | None
    progress_message: str | None


def snapshots(session: Session, ids: Collection[str]) -> list[Snapshot]:
    """Return the snapshots of the jobs of these ids that exist. Cheap, for polling: arguments and attempts may be large."""
    statement = select(*(getattr(Job, name) for name in Snapshot._fields)).where(Job.id.in_(ids))
    return [Snapshot(*row) for row in session.execute(statement)]


def of_numbers(session: Session, seqs: Collection[int]) -> list[Job]:
    """Return the jobs of these numbers that exist."""
    return list(session.execute(select(Job).where(Job.seq.in_(seqs)).order_by(Job.seq.desc())).scalars()) if seqs else []


def page(
    session: Session,
    *,
    states: Collection[State] = (),
    actor: str | None = None,
    queue: str | None = None,
    state: State | None = None,
    after: int | None = None,
    limit: int = 50,
) -> Page:
    """Return a page of jobs, newest first, older than `after`."""
    statement = select(Job).order_by(Job.seq.desc()).limit(limit + 1)
    wanted = [*states, state] if state is not None else list(states)
    if wanted:
        statement = statement.where(Job.state.in_(wanted), *([] if State.SUCCEEDED in wanted else [NOT_SUCCEEDED]))
    if actor is not None:
        statement = statement.where(Job.actor == actor)
    if queue is not None:
        statement = statement.where(Job.queue == queue)
    if after is not None:
        statement = statement.where(Job.seq < after)
    jobs = list(session.execute(statement).scalars())
    return Page(jobs[:limit], jobs[limit - 1].seq if len(jobs) > limit else None)


def counts_but_succeeded(session: Session) -> dict[State, int]:
    """Return the number of jobs in each state except succeeded. Of a state with more than COUNTED jobs, as the scheduler has counted them."""
    found = counts_up_to(session, COUNTED)
    if all(number <= COUNTED for number in found.values()):
        return found
    kept = row_counts.latest(session, Subject.JOBS)
    if kept is None:
        kept = whole_counts(session)
    return {state: number if number <= COUNTED else max(number, kept.get((ALL, state), 0)) for state, number in found.items()}


def counts_up_to(session: Session, most: int, states: Collection[State] = BUT_SUCCEEDED) -> dict[State, int]:
    """Return the number of jobs in each of these states, not succeeded, from the index by state; of more than `most`: one more."""
    few = [select(Job.seq).where(NOT_SUCCEEDED, Job.state == state).limit(most + 1).subquery() for state in states]
    numbers = session.execute(select(*(select(func.count()).select_from(each).scalar_subquery() for each in few))).one()
    return dict(zip(states, numbers, strict=True))


def whole_counts(session: Session) -> Counts:
    """Count all jobs that have not succeeded, by state."""
    return {
        (ALL, state): number for state, number in session.execute(select(Job.state, func.count()).where(NOT_SUCCEEDED).group_by(Job.state))
    }


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Job counts of one queue."""

    queue: str
    queued: int = 0
    running: int = 0
    oldest_queued_at: datetime | None = None  # since when its longest-waiting job could have started
    unpublished: int = 0  # queued, but not in RabbitMQ yet; at most BACKLOG_COUNTED are counted
    settled: int = 0  # confirmed by RabbitMQ some time ago


def queues(session: Session) -> list[QueueCounts]:
    """Return each queue that has queued or running jobs. Long backlogs are counted in an index, without their rows."""
    is_settled = func.count().filter(Job.published_at < now() - SETTLED)
    queued = select(Job.queue, func.count(), is_settled, func.min(Job.published_at)).where(QUEUED).group_by(Job.queue)
    found = {queue: QueueCounts(queue, number, 0, oldest, 0, settled) for queue, number, settled, oldest in session.execute(queued)}
    since = func.coalesce(Job.published_at, Job.due_at, Job.created_at).label("since")
    few = (
        select(Job.queue, Job.published_at, since)
        .where(Job.publish_at >= EPOCH, Job.state == State.QUEUED)
        .limit(BACKLOG_COUNTED)
        .subquery()
    )
    is_settled = func.count().filter(few.c.published_at < now() - SETTLED)
    for queue, number, settled, oldest in session.execute(
        select(few.c.queue, func.count(), is_settled, func.min(few.c.since)).group_by(few.c.queue)
    ):
        counts = found.get(queue, QueueCounts(queue))
        first = min(each for each in (counts.oldest_queued_at, oldest) if each is not None)
        found[queue] = replace(counts, unpublished=number, settled=counts.settled - settled, oldest_queued_at=first)
    running = select(Job.queue, func.count()).where(NOT_SUCCEEDED, Job.state == State.RUNNING).group_by(Job.queue)
    for queue, number in session.execute(running):
        found[queue] = replace(found.get(queue, QueueCounts(queue)), running=number)
    return [found[queue] for queue in sorted(found)]


def backlog(session: Session) -> dict[str, dict[State, int]]:
    """Map each queue to its jobs that wait for a due time or for an operator, by state. More than COUNTED: as the scheduler has counted them."""
    few = select(Job.queue, Job.state).where(BACKLOG).limit(COUNTED + 1).subquery()
    counted = session.execute(select(few.c.queue, few.c.state, func.count()).group_by(few.c.queue, few.c.state)).all()
    numbers: Counts | None = {(queue, state): number for queue, state, number in counted}
    if sum(number for _, _, number in counted) > COUNTED:
        numbers = row_counts.latest(session, Subject.BACKLOG)
    found: dict[str, dict[State, int]] = {}
    for (queue, state), number in (whole_backlog(session) if numbers is None else numbers).items():
        found.setdefault(queue, {})[State(state)] = number
    return found


def whole_backlog(session: Session) -> Counts:
    """Count all jobs that wait for a due time or for an operator, by queue and state, in an index of their own."""
    counted = select(Job.queue, Job.state, func.count()).where(BACKLOG).group_by(Job.queue, Job.state)
    return {(queue, state): number for queue, state, number in session.execute(counted)}


def oldest_queued(session: Session, queue: str, *, limit: int = 10) -> list[Job]:
    """Return the queued jobs of a queue that have been in RabbitMQ for the longest time."""
    statement = select(Job).where(QUEUED, Job.queue == queue).order_by(Job.published_at, Job.seq).limit(limit)
    return list(session.execute(statement).scalars())


def count_backlog(session: Session, state: State, *, up_to: int = MOST_COUNTED) -> int:
    """Return the number of jobs in a state of BACKLOG_STATES, counted up to this many. Dead jobs have an index of their own."""
    narrow = text(f"jobs.state = '{state.value}'") if state is State.DEAD else BACKLOG
    return len(session.execute(select(Job.seq).where(narrow, Job.state == state).limit(up_to)).all())


def count_waiting_for(session: Session, waits_for: str) -> int:
    """Return the number of jobs that wait for this resource, from its index; of more than MOST_COUNTED: one more."""
    # A range in the order of the index: for equal values, of which there may be many, PostgreSQL would read the table from its oldest jobs on.
    waiting = select(Job.seq).where(Job.waits_for >= waits_for, Job.waits_for <= waits_for, Job.state == State.SCHEDULED)
    few = waiting.order_by(Job.waits_for, Job.seq).limit(MOST_COUNTED + 1).subquery()
    return session.execute(select(func.count()).select_from(few)).scalar_one()


def dead_since(session: Session, since: datetime, *, up_to: int = BACKLOG_COUNTED) -> int:
    """Return the number of dead jobs that ended since then, counted up to this many in their index."""
    few = select(Job.seq).where(text(f"jobs.state = '{State.DEAD}'"), Job.finished_at >= since).limit(up_to).subquery()
    return session.execute(select(func.count()).select_from(few)).scalar_one()


def running_on(session: Session, worker_ids: Collection[int], *, limit: int = RUNNING_SHOWN) -> dict[int, list[Job]]:
    """Map each worker to some of its running jobs, oldest first."""
    found: dict[int, list[Job]] = {}
    for id in worker_ids:
        mine = select(Job).where(NOT_SUCCEEDED, Job.state == State.RUNNING, Job.worker_id == id).order_by(Job.seq).limit(limit)
        found[id] = list(session.execute(mine).scalars())
    return found


def held(session: Session, *, after: int | None = None, limit: int = 50) -> Page:
    """Return the held jobs, newest first."""
    return page(session, state=State.HELD, after=after, limit=limit)
