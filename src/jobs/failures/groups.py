"""Error groups as operators see them: open, regressed, resolved or muted; and what their failures have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select, update
from sqlalchemy.orm import Session

from ... import audit
from ...sql.clock import now
from ..core.errors import JobsError
from ..core.models import Attempt, FailureGroup, Job, Worker
from ..search import texts
from .counting import DAYS, day_of
from .models import FailureDay

#: newest failures of a group whose distribution is shown
SAMPLE = 500
#: values shown per property
SHOWN = 6
#: characters of a value
LENGTH = 60


class Status(StrEnum):
    """Status of a group."""

    OPEN = "open"
    REGRESSED = "regressed"  # recurred after it was resolved
    RESOLVED = "resolved"  # marked by an operator; reopens automatically
    MUTED = "muted"  # notifications are off for a while


class Sort(StrEnum):
    """Order of a list of groups; the first is the usual one."""

    LAST = "last"
    FIRST = "first"
    COUNT = "count"


class UnknownGroup(JobsError):
    """No failure has this fingerprint."""


_ORDER: dict[Sort, Any] = {
    Sort.LAST: FailureGroup.last_seen_at,
    Sort.FIRST: FailureGroup.first_seen_at,
    Sort.COUNT: FailureGroup.count,
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of groups, most recently seen first; `next`: the instant to pass as `before`."""

    groups: list[FailureGroup]
    next: datetime | None
    counts: dict[Status, int]
    after: str | None = None  # the same as a fingerprint, for any order


def status(group: FailureGroup) -> Status:
    """Return the present status of a group."""
    if group.muted_until is not None and group.muted_until > now():
        return Status.MUTED
    if group.resolved_at is not None:
        return Status.RESOLVED
    return Status.REGRESSED if group.regressed_at is not None else Status.OPEN


def page(
    session: Session, *, chosen: Status | None = None, sort: Sort = Sort.LAST, text: str = "", before: datetime | None = None,
    since: datetime | None = None, after: str | None = None, limit: int = 50, may_see: Callable[[str], bool] | None = None, counted: bool = True,
    with_recovered: bool = True,
) -> Page:  # fmt: skip
    """Return a page of groups; by default the unresolved ones: open and regressed.

    `since`: only groups seen since then; `text`: only groups in whose type, place, message or actors it occurs;
    `after`: fingerprint of the last group of the page before; `may_see`: leave out groups of other actors;
    `counted`: with the number of groups of each status; `with_recovered`: also those that have recovered.
    """
    statement = select(FailureGroup).where(_is(chosen) if chosen else or_(_is(Status.OPEN), _is(Status.REGRESSED)))
    if before is not None:
        statement = statement.where(FailureGroup.last_seen_at < before)
    if since is not None:
        statement = statement.where(FailureGroup.last_seen_at >= since)
    if not with_recovered:
        statement = statement.where(FailureGroup.recovered_at.is_(None))
    for word in text.split():
        names = (FailureGroup.kind, FailureGroup.place, FailureGroup.message, FailureGroup.actors)
        statement = statement.where(or_(*(cast(name, Text).icontains(word, autoescape=True) for name in names)))
    column = _ORDER[sort]
    if after is not None:
        last = select(column).where(FailureGroup.fingerprint == after).scalar_subquery()
        statement = statement.where(or_(column < last, and_(column == last, FailureGroup.fingerprint < after)))
    statement = statement.order_by(column.desc(), FailureGroup.fingerprint.desc()).limit(limit + 1)
    groups = list(session.execute(statement).scalars())
    seen = [group for group in groups[:limit] if may_see is None or all(may_see(actor) for actor in group.actors)]
    counts = dict.fromkeys(Status, 0)
    if counted and may_see is None:  # the counts would reveal other actors' failures
        numbers = session.execute(select(*(func.count().filter(_is(each)) for each in Status)).select_from(FailureGroup)).one()
        counts = dict(zip(Status, numbers, strict=True))
    is_more = len(groups) > limit
    return Page(seen, groups[limit - 1].last_seen_at if is_more else None, counts, groups[limit - 1].fingerprint if is_more else None)


def newest_messages(session: Session, groups: Sequence[FailureGroup]) -> dict[str, str]:
    """Map fingerprints to the message of the newest failure, as it was; groups whose attempt was deleted are left out."""
    places = [(group.sample_seq, group.sample_attempt) for group in groups if group.sample_seq is not None]
    if not places:
        return {}
    # Not a list of pairs: SQLite would read every attempt for it.
    one = [and_(Attempt.job_seq == seq, Attempt.number == number) for seq, number in places]
    statement = select(Attempt.fingerprint, Attempt.error).where(or_(*one))
    return {id: error for id, error in session.execute(statement) if id and error}


def by_day(session: Session, groups: Sequence[FailureGroup]) -> dict[str, list[int]]:
    """Map fingerprints to the failures of each of the last DAYS days, UTC, oldest first."""
    first = day_of(now()) - DAYS + 1
    found = {group.fingerprint: [0] * DAYS for group in groups}
    statement = select(FailureDay).where(FailureDay.fingerprint.in_(found), FailureDay.day >= first)
    for each in session.execute(statement).scalars():
        if 0 <= each.day - first < DAYS:
            found[each.fingerprint][each.day - first] = each.failures
    return found


def not_recovered(session: Session) -> int:
    """Return the number of groups that have not recovered."""
    return session.execute(select(func.count()).where(FailureGroup.recovered_at.is_(None))).scalar_one()


def find(session: Session, fingerprint: str) -> FailureGroup:
    """Return the group of a fingerprint, or raise UnknownGroup."""
    group = session.execute(select(FailureGroup).where(FailureGroup.fingerprint == fingerprint)).scalars().first()
    if group is None:
        raise UnknownGroup(f"There is no error group {fingerprint}. Groups not seen for a long time are deleted.", field="fingerprint")
    return group


def resolve(session: Session, fingerprint: str, *, by: str) -> None:
    """Mark the group as resolved; if it recurs, it is shown as regressed."""
    _set(session, fingerprint, resolved_at=now(), resolved_by=by, regressed_at=None, muted_until=None)


def mute(session: Session, fingerprint: str, *, by: str, until: datetime) -> None:
    """Mute the group until then, in mail and on the overview."""
    _set(session, fingerprint, muted_until=until, resolved_by=by)


def reopen(session: Session, fingerprint: str) -> None:
    """Undo resolve or mute."""
    _set(session, fingerprint, resolved_at=None, resolved_by=None, muted_until=None)


@dataclass(frozen=True, slots=True)
class Common:
    """Property (worker, version, argument …) -> its most frequent values and how many of `looked_at` failures have each; failures by day."""

    values: dict[str, list[tuple[str, int]]]
    looked_at: int
    days: list[tuple[datetime, int]]


def common(session: Session, fingerprint: str) -> Common:
    """Return what the newest failures of a group have in common: a value shared by all of them is a clue."""
    statement = select(Attempt.worker, Attempt.finished_at, Job.seq, Job.actor, Job.queue).join(Job, Job.seq == Attempt.job_seq)
    mine = statement.where(Attempt.fingerprint == fingerprint).order_by(Attempt.finished_at.desc()).limit(SAMPLE)
    rows = session.execute(mine).all()
    names = select(Worker.name, Worker.version).where(Worker.name.in_({row.worker for row in rows}))
    versions = {row.name: row.version for row in session.execute(names)}
    # Once for each job, which may have failed often; long arguments are seldom alike, and take long to parse.
    called = select(Job.seq, Job.actor, Job.args, Job.kwargs).where(
        Job.seq.in_({row.seq for row in rows}), func.length(Job.args) + func.length(Job.kwargs) <= texts.LONGEST
    )
    arguments = {seq: texts.arguments_of(*given) or {} for seq, *given in session.execute(called)}
    counters: dict[str, Counter[str]] = {}
    for row in rows:
        seen = {"actor": row.actor, "queue": row.queue, "worker": row.worker, "version": versions.get(row.worker)}
        for name, value in arguments.get(row.seq, {}).items():
            seen[f"argument {name}"] = value if isinstance(value, str) else repr(value)
        for name, value in seen.items():
            if value is not None:
                counters.setdefault(name, Counter())[str(value)[:LENGTH]] += 1
    # An argument that differs every time is not informative.
    shared = {
        name: counter.most_common(SHOWN)
        for name, counter in counters.items()
        if len(counter) < max(2, len(rows)) or name in ("actor", "queue")
    }
    return Common(shared, len(rows), _by_day([row.finished_at for row in rows]))


def samples(session: Session, fingerprint: str, *, limit: int = 10) -> Sequence[tuple[Job, Attempt]]:
    """Return the newest jobs and attempts of a group."""
    statement = select(Job, Attempt).join(Attempt, Attempt.job_seq == Job.seq).where(Attempt.fingerprint == fingerprint)
    return [(job, attempt) for job, attempt in session.execute(statement.order_by(Attempt.finished_at.desc()).limit(limit))]


def _by_day(instants: Sequence[datetime]) -> list[tuple[datetime, int]]:
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    counted = Counter(instant.replace(hour=0, minute=0, second=0, microsecond=0) for instant in instants)
    return [(day, counted[day]) for day in days]


def _is(wanted: Status) -> ColumnElement[bool]:
    muted = and_(FailureGroup.muted_until.is_not(None), FailureGroup.muted_until > now())
    awake = or_(FailureGroup.muted_until.is_(None), FailureGroup.muted_until <= now())
    match wanted:
        case Status.MUTED:
            return muted
        case Status.RESOLVED:
            return and_(awake, FailureGroup.resolved_at.is_not(None))
        case Status.REGRESSED:
            return and_(awake, FailureGroup.resolved_at.is_(None), FailureGroup.regressed_at.is_not(None))
        case Status.OPEN:
            return and_(awake, FailureGroup.resolved_at.is_(None), FailureGroup.regressed_at.is_(None))


def _set(session: Session, fingerprint: str, **values: Any) -> None:
    changed = update(FailureGroup).where(FailureGroup.fingerprint == fingerprint).values(**values).returning(FailureGroup.fingerprint)
    if session.execute(changed.execution_options(synchronize_session=False)).first() is None:
        find(session, fingerprint)
    audit.about("error", fingerprint)
