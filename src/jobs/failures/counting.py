"""Error groups: count each failed attempt once under its fingerprint, and decide when to notify people.

While an attempt ends, only its fingerprint is computed and a count job requested; the rest happens later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dramatiq import Message
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ...hooks import Hook
from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import now
from ...sql.columns import from_microseconds
from ...sql.statements import plain, run
from ...sql.upsert import upsert
from ..core.fingerprints import LOST, fingerprint, of_lost_worker
from ..core.guards import guarded
from ..core.models import Attempt, FailureGroup, Job
from ..core.states import State, Unique
from ..submit.submission import submit
from .models import FailureDay

log = get_logger(__name__)

#: attempts counted in one transaction
AT_ONCE = 2_000
#: seconds that failures are collected before the first mail about them
GATHER_S = 30
#: days without a failure until a group is closed, even if its actors have not run again
FORGET_DAYS = 7
#: days of which failures are counted
DAYS = 14
#: actors named in a group
MOST_ACTORS = 10

_CHOSEN = "SELECT job_seq, number FROM attempts WHERE noted = false ORDER BY job_seq LIMIT :limit"
_RETURNED = "RETURNING attempts.job_seq, attempts.number, fingerprint, error, traceback, #(finished_at)"
_NOTE_NEW = {
    "sqlite": plain(f"UPDATE attempts SET noted = true WHERE (job_seq, number) IN ({_CHOSEN}) {_RETURNED}")["sqlite"],
    "postgresql": plain(
        f"""
        WITH taken AS MATERIALIZED ({_CHOSEN} FOR UPDATE SKIP LOCKED)
        UPDATE attempts SET noted = true FROM taken WHERE attempts.job_seq = taken.job_seq AND attempts.number = taken.number {_RETURNED}
        """
    )["postgresql"],
}


@dataclass(slots=True)
class _News:
    """New failures of one fingerprint."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    actors: set[str] = field(default_factory=set)
    days: Counter[int] = field(default_factory=Counter)
    sample: tuple[int, int, str, str | None] = (0, 0, "", None)  # the newest: seq, number, error, traceback


def note_new(session: Session, limit: int = AT_ONCE) -> int:
    """Count up to `limit` uncounted failed attempts; return their number. The caller commits and repeats until it is 0."""
    rows = run(session, _NOTE_NEW, limit=limit)
    if not rows:
        return 0
    names = {row.seq: row.actor for row in session.execute(select(Job.seq, Job.actor).where(Job.seq.in_({seq for seq, *_ in rows})))}
    found: dict[str, _News] = {}
    for seq, number, id, error, traceback, finished_us in rows:
        news = found.setdefault(id, _News())
        at = from_microseconds(finished_us)
        news.count += 1
        news.days[day_of(at)] += 1
        news.first = at if news.first is None or at < news.first else news.first
        if news.last is None or at >= news.last:
            news.last, news.sample = at, (seq, number, error or "", traceback)
        if names.get(seq):
            news.actors.add(names[seq])
    for id, news in sorted(found.items()):
        with guarded("failures_not_counted", fingerprint=id), session.begin_nested():
            _count(session, id, news)
    return len(rows)


def day_of(instant: datetime) -> int:
    """The number of days from 1970 to an instant's day, UTC."""
    return int(instant.timestamp() // 86_400)


def _count(session: Session, id: str, news: _News) -> None:
    assert news.first is not None
    assert news.last is not None
    seq, number, error, traceback = news.sample
    group = session.get(FailureGroup, id, with_for_update=True)
    if group is None:
        actor = min(news.actors, default="unknown")
        lost = of_lost_worker()
        known = lost if id == lost.id else fingerprint(actor, error, traceback) or lost
        group = FailureGroup(
            fingerprint=id, kind=known.kind, place=known.place, message=known.message, actors=[], count=0, count_before=0, mailed_count=0,
            first_seen_at=news.first, opened_at=news.first, last_seen_at=news.last,
        )  # fmt: skip
        session.add(group)
    elif group.recovered_at is not None and news.last > group.recovered_at:
        group.recovered_at = group.mailed_at = None
        group.count_before, group.opened_at = group.count, news.first
    if group.resolved_at is not None and news.last > group.resolved_at:
        group.resolved_at, group.resolved_by, group.regressed_at = None, None, news.first
    group.count += news.count
    group.first_seen_at = min(group.first_seen_at, news.first)
    group.last_seen_at = max(group.last_seen_at, news.last)
    group.actors = sorted({*group.actors, *news.actors})[:MOST_ACTORS]
    group.sample_seq, group.sample_attempt = seq, number
    session.flush()
    for day, failures in sorted(news.days.items()):
        new = upsert(session, FailureDay).values(fingerprint=id, day=day, failures=failures)
        session.execute(
            new.on_conflict_do_update(index_elements=["fingerprint", "day"], set_={"failures": FailureDay.failures + new.excluded.failures})
        )


def to_mail(session: Session, *, except_actors: Collection[str]) -> list[FailureGroup]:
    """Return the groups to mail about now: new ones, and known ones that continued after a quiet period."""
    settings = get_settings()
    quiet = timedelta(minutes=settings.failure_mail_quiet)
    chosen = []
    for group in _open(session, except_actors):
        if group.muted_until is not None and group.muted_until > now():
            continue  # muted by an operator
        if group.mailed_at is None:
            if group.count - group.count_before >= settings.failure_mail_after or group.kind == LOST or _has_dead(session, group):
                chosen.append(group)
        elif group.count > group.mailed_count and group.mailed_at <= now() - quiet:
            chosen.append(group)
    return chosen


def recover(session: Session, *, except_actors: Collection[str]) -> list[FailureGroup]:
    """Close the groups that were quiet for long enough and whose actors have succeeded since; return those that had been mailed."""
    quiet = timedelta(minutes=get_settings().failure_mail_quiet)
    mailed = []
    for group in _open(session, ()):
        # Right after a mail about the failure, report its recovery later, in a mail of its own.
        if max(group.last_seen_at, group.mailed_at or group.last_seen_at) > now() - quiet:
            continue
        # Any job that has succeeded since proves that a worker is back.
        enough = any if group.kind == LOST else all
        recovered = enough(_has_succeeded(session, actor, group.last_seen_at) for actor in group.actors)
        if recovered or group.last_seen_at < now() - timedelta(days=FORGET_DAYS):
            group.recovered_at = now()
            if recovered and group.mailed_at is not None and not set(group.actors) <= set(except_actors):
                mailed.append(group)
    session.flush()
    return mailed


def note_mailed(session: Session, groups: Sequence[FailureGroup]) -> None:
    """Record that these groups, in their present state, have been mailed."""
    for group in groups:
        group.mailed_at, group.mailed_count = now(), group.count
    session.flush()


def next_check(session: Session) -> datetime | None:
    """Return when the groups must be checked next; None: all are closed."""
    quiet = timedelta(minutes=get_settings().failure_mail_quiet)
    present = now()
    instants = [max(group.last_seen_at, group.mailed_at or group.last_seen_at) + quiet for group in _open(session, ())]
    # A quiet group whose actors have not run since is checked once per period.
    return min((instant if instant > present else present + quiet for instant in instants), default=None)


def forget(session: Session, *, keep: timedelta) -> int:
    """Delete the groups not seen for this long, and old counts per day; return the number of groups."""
    session.execute(delete(FailureDay).where(FailureDay.day <= day_of(now()) - DAYS))
    over = delete(FailureGroup).where(FailureGroup.last_seen_at < now() - keep)
    return len(session.execute(over.returning(FailureGroup.fingerprint)).all())


def sample(session: Session, group: FailureGroup) -> tuple[Job, Attempt] | None:
    """Return the newest job and attempt of a group that still exist."""
    statement = select(Job, Attempt).join(Attempt, Attempt.job_seq == Job.seq)
    found = session.execute(statement.where(Attempt.job_seq == group.sample_seq, Attempt.number == group.sample_attempt)).first()
    return None if found is None else (found[0], found[1])


def _open(session: Session, except_actors: Collection[str]) -> list[FailureGroup]:
    statement = select(FailureGroup).where(FailureGroup.recovered_at.is_(None)).order_by(FailureGroup.first_seen_at)
    return [group for group in session.execute(statement).scalars() if not group.actors or not set(group.actors) <= set(except_actors)]


def _has_dead(session: Session, group: FailureGroup) -> bool:
    statement = select(Job.seq).join(Attempt, Attempt.job_seq == Job.seq)
    mine = statement.where(Attempt.fingerprint == group.fingerprint, Attempt.finished_at >= group.opened_at, Job.state == State.DEAD)
    return session.execute(mine.limit(1)).first() is not None


def _has_succeeded(session: Session, actor: str, since: datetime) -> bool:
    statement = select(Job.seq).where(Job.actor == actor, Job.state == State.SUCCEEDED, Job.finished_at > since)
    return session.execute(statement.limit(1)).first() is not None


Asking = Callable[[], Message[Any]]
#: builds the message of the counting job
failure_mail: Hook[Asking] = Hook("failure mail")


def request_count(session: Session, seqs: Collection[int] | None = None) -> None:
    """Submit one job that will soon count these failures (None: those of lost workers), and all others meanwhile. It never fails the ends it comes from.

    Call it last in their transaction: it may wait for another transaction's unique key, and must not hold a lock which
    that one needs.
    """
    ask = failure_mail.part  # outside the try, which would log the missing part and send no mail
    if not get_settings().admins:
        return
    try:
        message = ask()
        with session.begin_nested():
            # A counting job that fails must not request the next one.
            others = select(Job.seq).where(Job.seq.in_(seqs or ()), Job.actor != message.actor_name).limit(1)
            if seqs is None or session.execute(others).first() is not None:
                due_at = now() + timedelta(seconds=GATHER_S)
                submit(session, message, due_at=due_at, unique_key="failures:new", unique_until=Unique.WAITING, source="failures")
    except Exception:
        log.exception("failures_not_looked_at")
