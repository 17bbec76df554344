"""Alert rules on jobs and workers. Writes nothing; cheap enough to run every few seconds."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from ...formats.quantities import counted, number, span
from ...settings import get_settings
from ...sql.clock import now
from ..core.models import Heartbeat, Job, Worker
from ..core.states import State, WorkerCommand
from ..leases import heartbeats, workers
from ..leases.heartbeats import Role
from ..read.queries import NOT_SUCCEEDED, queues
from .alerts import Rule, Sign
from .models import AlertKind

#: the condition must hold at two consecutive checks
AT_TWO_CHECKS = timedelta(seconds=1)
#: dead jobs counted at most
MOST = 10_000
#: the period with which the number of workers and schedulers is compared, and the step
BEFORE, STEP = timedelta(hours=1), timedelta(seconds=15)
#: spelled as in the partial indexes, or neither store would use them
_DEAD, _SUCCEEDED = (text(f"jobs.state = '{state}'") for state in (State.DEAD, State.SUCCEEDED))


def rules(*, except_actors: Collection[str]) -> list[Rule]:
    """Return the rules. `except_actors`: actors whose failures are ignored, because notifying of them would cause more."""
    return [
        Rule(frozenset({AlertKind.BACKLOG, AlertKind.OLDEST}), _queues),
        Rule(frozenset({AlertKind.NO_WORKER}), _no_worker),
        Rule(frozenset({AlertKind.NO_SCHEDULER, AlertKind.NO_RELAY}), _schedulers),
        Rule(frozenset({AlertKind.FEWER_WORKERS, AlertKind.FEWER_SCHEDULERS}), _fewer),
        Rule(frozenset({AlertKind.HELD}), _held),
        Rule(frozenset({AlertKind.FAILURES}), partial(_failures, except_actors=except_actors)),
    ]


def _queues(session: Session) -> list[Sign]:
    settings = get_settings()
    if not settings.alert_backlog and not settings.alert_oldest:
        return []
    present, found = now(), []
    for each in queues(session):
        queue, ready, oldest = each.queue, each.queued, each.oldest_queued_at
        if oldest is None:
            continue  # its jobs are running
        if settings.alert_backlog and ready > settings.alert_backlog:
            sentence = f"{_number(ready)} jobs are ready in queue {queue}, more than {_number(settings.alert_backlog)}"
            found.append(Sign(AlertKind.BACKLOG, queue, sentence, timedelta(minutes=settings.alert_backlog_for)))
        waited = present - oldest
        if settings.alert_oldest and waited > timedelta(minutes=settings.alert_oldest):
            sentence = (
                f"The oldest ready job in queue {queue} has waited for {in_words(waited)}, more than {_minutes(settings.alert_oldest)}"
            )
            found.append(Sign(AlertKind.OLDEST, queue, sentence, AT_TWO_CHECKS))
    return found


def _no_worker(session: Session) -> list[Sign]:
    after = get_settings().alert_no_worker
    if not after or workers.alive(session):
        return []
    return [Sign(AlertKind.NO_WORKER, "", "No worker process is alive: jobs are accepted and wait", timedelta(minutes=after))]


def _schedulers(session: Session) -> list[Sign]:
    """Problems of schedulers: none is alive, or no relay although a process that should have one is alive."""
    after = timedelta(minutes=get_settings().alert_no_scheduler)
    if not after:
        return []
    roles, found = {each.role for each in heartbeats.alive(session)}, []
    if Role.SCHEDULER not in roles:
        sentence = f"No scheduler is alive{_since(heartbeats.silent(session, Role.SCHEDULER))}: schedules do not fire"
        found.append(Sign(AlertKind.NO_SCHEDULER, "", sentence, after))
    if Role.RELAY not in roles and (roles or workers.alive(session)):
        found.append(Sign(AlertKind.NO_RELAY, "", "No relay is alive: what is delayed, retried or was not published waits", after))
    return found


def _since(silent: Sequence[Heartbeat]) -> str:
    return "" if not silent else f" ({silent[-1].name} has been silent for {in_words(now() - silent[-1].heartbeat_at)})"


def _fewer(session: Session) -> list[Sign]:
    """Problem if workers or schedulers are fewer than throughout some span of the last hour, except workers stopped by an operator."""
    span = timedelta(minutes=get_settings().alert_fewer)
    if not span:
        return []
    ended = func.coalesce(Worker.lost_at, Worker.stopped_at, Worker.expires_at)
    kept = or_(Worker.wish.is_(None), Worker.wish != WorkerCommand.STOP)
    mine = session.execute(select(Worker.started_at, ended).where(kept, ended > now() - BEFORE)).all()
    stopped = func.coalesce(Heartbeat.stopped_at, Heartbeat.expires_at)
    theirs = select(Heartbeat.started_at, stopped).where(and_(Heartbeat.role == Role.SCHEDULER, stopped > now() - BEFORE))
    found = []
    for kind, what, rows in (
        (AlertKind.FEWER_WORKERS, ("worker process is", "worker processes are"), mine),
        (AlertKind.FEWER_SCHEDULERS, ("scheduler is", "schedulers are"), session.execute(theirs).all()),
    ):
        alive, before = _alive_and_before([(start, end) for start, end in rows], span)
        if 0 < alive < before:  # none at all is another alert
            found.append(Sign(kind, "", f"{counted(alive, *what)} alive, {before} were before", span))
    return found


def _alive_and_before(lives: Sequence[tuple[datetime, datetime]], span: timedelta) -> tuple[int, int]:
    """Return how many are alive now, and the most that were alive together for a whole `span` within the compared period."""
    present = now()
    starts, ends = sorted(start for start, _ in lives), sorted(end for _, end in lives)
    counts = [
        bisect_right(starts, at) - bisect_right(ends, at) for number in range(BEFORE // STEP + 1) for at in (present - number * STEP,)
    ]
    width = max(1, span // STEP)
    return counts[0], max(min(counts[at : at + width]) for at in range(len(counts) - width + 1))


def _held(session: Session) -> list[Sign]:
    after = timedelta(minutes=get_settings().alert_held)
    held = _count(session, select(Job.seq).where(Job.state == State.HELD, NOT_SUCCEEDED).limit(MOST)) if after else 0
    if not held:
        return []
    sentence = f"{counted(held, 'job is', 'jobs are', separator=' ')} held: an operator or a deploy must resolve this"
    return [Sign(AlertKind.HELD, "", sentence, after)]


def _failures(session: Session, except_actors: Collection[str]) -> list[Sign]:
    settings = get_settings()
    if not settings.alert_failures:
        return []
    part, over = settings.alert_failures / 100, settings.alert_failures_over
    since = Job.finished_at >= now() - timedelta(minutes=over)
    dead = _count(session, select(Job.seq).where(_DEAD, since, Job.actor.not_in(except_actors)).limit(MOST))
    if not dead:
        return []
    # With so many successes the failure share is below the limit: counting more is unnecessary.
    enough = max(math.ceil(dead * (1 - part) / part), settings.alert_failures_least - dead)
    succeeded = _count(session, select(Job.seq).where(_SUCCEEDED, since, Job.finished_at.is_not(None)).limit(enough))
    ended = dead + succeeded
    if ended < settings.alert_failures_least or dead <= part * ended:
        return []
    sentence = f"{_number(dead)} of {_number(ended)} jobs that ended in the last {_minutes(over)} {'is' if dead == 1 else 'are'} dead, more than {settings.alert_failures:g} %"
    return [Sign(AlertKind.FAILURES, "", sentence, AT_TWO_CHECKS)]


def _count(session: Session, some: object) -> int:
    return int(session.execute(select(func.count()).select_from(some.subquery())).scalar_one())  # type: ignore[attr-defined]


def in_words(length: timedelta) -> str:
    """Format a duration: 40 seconds, 34 minutes, 3 h 20 min, 2 days."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 1:
        return counted(int(length.total_seconds()), "second")
    if minutes < 100:
        return _minutes(minutes)
    return span(minutes * 60) if minutes < 2880 else f"{minutes // 1440} days"


def _minutes(number: float) -> str:
    return counted(number, "minute", separator=" ")


def _number(value: int) -> str:
    return number(value, separator=" ")
