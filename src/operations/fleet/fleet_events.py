"""Fleet events: changes of jobs, errors, workers, schedules, pauses and alerts, derived from rows that exist anyway.

No table of events: each poll reads the rows that have changed since a cursor, by indexes and instants. So events cost the hot path
nothing, and a program can resume. Each event arrives at least once; its `key` recognises a repetition.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session
from typing_extensions import TypedDict

from ...audit import AuditEntry, Outcome
from ...jobs.alerts.models import Alert, AlertKind
from ...jobs.core.errors import JobsError
from ...jobs.core.models import Attempt, FailureGroup, Job, Worker
from ...jobs.core.states import FINAL, State
from ...jobs.read.queries import NOT_SUCCEEDED
from ...schedules.rows.models import Schedule, Tick
from ...sql.clock import now
from ...sql.columns import from_microseconds, to_microseconds
from ..format.json_documents import printable
from ..people.caller import Caller
from ..people.permissions import Sight
from ..people.roles import Role

#: how far back each poll reads again, for transactions that commit after their instants
OVERLAP = timedelta(seconds=3)
#: the same for numbers of jobs
OVERLAP_JOBS = 200
#: events of one kind in one poll; more are left out, and `resync` says so
MOST = 2_000
#: keys that are remembered, so that an overlap repeats nothing
REMEMBERED = 20_000
#: how late a tick may be decided and still be found
LATE_TICKS = timedelta(hours=1)
#: error groups that a poll reads
MOST_GROUPS = 500
#: audit actions of targets, which every role sees; those of the other kinds need an operator
_TARGETS = ("target.pause", "target.resume", "target.limit")
_KINDS = ("schedule.", "worker.", "breaker.", "queue.", "alert.", "error.")
#: types that filters accept; a pattern stands for kinds to which the audit adds the verbs of its actions
TYPES = (
    "job.submitted", "job.started", *sorted(f"job.{state}" for state in FINAL), "attempt.failed",
    *(f"{kind}*" for kind in sorted(("target.", *_KINDS))), "resync",
)  # fmt: skip


class EventDocument(TypedDict):
    """A fleet event."""

    key: str
    type: str
    at: str
    actor: str | None
    queue: str | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FleetEvent:
    """One change. `key` is the same whenever the change is reported."""

    type: str
    key: str
    at: datetime
    data: dict[str, Any]
    actor: str | None = None
    queue: str | None = None

    def document(self) -> EventDocument:
        return {"key": self.key, "type": self.type, "at": self.at.isoformat(), "actor": self.actor, "queue": self.queue, "data": self.data}


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position: all changes before it were read. Written as the id of a server-sent event."""

    at: datetime
    seq: int

    def __str__(self) -> str:
        return f"{to_microseconds(self.at)}-{self.seq}"

    @classmethod
    def read(cls, text: str | None) -> Cursor | None:
        """Parse a cursor; None if there is none. Raises JobsError."""
        if not text:
            return None
        at, _, seq = text.partition("-")
        if not (at.isdecimal() and seq.isdecimal() and len(at) <= 17 and len(seq) <= 18):
            raise JobsError(f"Last-Event-ID {text!r:.60} is not the id of an event.", field="Last-Event-ID")
        return cls(from_microseconds(int(at)), int(seq))

    @classmethod
    def present(cls, session: Session, *, since: datetime | None = None) -> Cursor:
        """The position of now, or of an instant: at most `MOST` submissions ago."""
        newest = session.execute(select(func.max(Job.seq))).scalar() or 0
        if since is None:
            return cls(now(), newest)
        recent = select(Job.seq, Job.created_at).order_by(Job.seq.desc()).limit(MOST).subquery()
        first = session.execute(select(func.min(recent.c.seq)).where(recent.c.created_at >= since)).scalar()
        return cls(since, newest if first is None else first - 1)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The events that a program asks for, and those that its caller may see."""

    types: Collection[str] = ()
    actors: Collection[str] = ()
    queues: Collection[str] = ()
    sight: Sight | None = None
    is_operator: bool = True

    @classmethod
    def of(
        cls, caller: Caller | None, sight: Sight | None, *, types: Iterable[str], actors: Iterable[str], queues: Iterable[str]
    ) -> EventFilter:
        """The filter of a caller. Raises JobsError for an unknown type."""
        chosen = tuple(types)
        for each in chosen:
            if not any(_fits(each, known) or _fits(known, each) for known in TYPES):
                raise JobsError(f"{each!r:.60} is not a type of events. Use one of: {', '.join(TYPES)}.", field="type")
        return cls(chosen, frozenset(actors), frozenset(queues), sight, caller is None or caller.role.includes(Role.OPERATOR))

    def takes(self, event: FleetEvent) -> bool:
        """True if the event is asked for and permitted."""
        if event.type == "resync":
            return True
        if self.types and not any(_fits(each, event.type) for each in self.types):
            return False
        if (self.actors and event.actor not in self.actors) or (self.queues and event.queue not in self.queues):
            return False
        return self._may_see(event)

    def _may_see(self, event: FleetEvent) -> bool:
        kind = event.type.partition(".")[0]
        if "by" in event.data and event.type not in _TARGETS and not self.is_operator:
            return False
        if self.sight is None:
            return True
        if event.actor is not None:
            return self.sight.takes(event.actor)
        if kind == "alert" and event.data.get("kind"):
            subject = event.data["subject"]
            return event.data["kind"] != AlertKind.FAILURES and (subject == "" or subject in self.sight.own_queues())
        if event.queue is not None:
            return event.queue in self.sight.queues()
        return kind == "worker" or event.data.get("target") == "all"


@dataclass(slots=True)
class Journal:
    """A reader of events from a cursor on; it remembers what it has reported."""

    cursor: Cursor
    _seen: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def look(self, session: Session) -> list[FleetEvent]:
        """Return the events since the last poll, in order, and move the cursor."""
        present, since = now(), self.cursor.at - OVERLAP
        found: list[FleetEvent] = []
        submitted = list(_submitted(session, self.cursor.seq - OVERLAP_JOBS))
        if not self._seen:  # known before the cursor; a smaller number that appears later has committed late
            self._seen.update((event.key, None) for seq, event in submitted if seq <= self.cursor.seq)
        found += self._new((event for _, event in submitted), present)
        for kind in (_ended, _running, _failed, _groups, _workers, _ticks, _alerts, _audited):
            found += self._new(kind(session, since), present)
        self.cursor = Cursor(present, max([self.cursor.seq, *(seq for seq, _ in submitted)]))
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return sorted(found, key=lambda event: event.at)

    def _new(self, events: Iterable[FleetEvent], present: datetime) -> Iterator[FleetEvent]:
        read = list(events)
        for event in read:
            if event.key not in self._seen:
                yield event
            self._seen[event.key] = None
            self._seen.move_to_end(event.key)
        if len(read) >= MOST:
            kind = read[0].type.partition(".")[0]
            yield FleetEvent("resync", f"resync:{kind}:{to_microseconds(present)}", present, {"kind": kind, "limit": MOST})


def _fits(pattern: str, type: str) -> bool:
    return type.startswith(pattern[:-1]) if pattern.endswith("*") else type == pattern


def _submitted(session: Session, after: int) -> Iterator[tuple[int, FleetEvent]]:
    rows = select(Job.seq, Job.id, Job.actor, Job.queue, Job.created_at, Job.source, Job.submitted_by).where(Job.seq > after)
    for row in session.execute(rows.order_by(Job.seq).limit(MOST)):
        data = {"id": row.id, "source": row.source, "submitted_by": row.submitted_by}
        yield row.seq, FleetEvent("job.submitted", f"job.submitted:{row.id}", row.created_at, data, row.actor, row.queue)


_JOB = (Job.id, Job.actor, Job.queue, Job.state, Job.attempt, Job.started_at, Job.finished_at, Job.error, Job.reason)


def _ended(session: Session, since: datetime) -> Iterator[FleetEvent]:
    rows = select(*_JOB).where(Job.finished_at >= since).order_by(Job.finished_at.desc()).limit(MOST)
    for row in session.execute(rows):
        data = {"id": row.id, "attempt": row.attempt, "error": printable(row.error or "") or None, "reason": row.reason}
        if row.started_at is not None:
            data["seconds"] = round((row.finished_at - row.started_at).total_seconds(), 3)
        type = f"job.{row.state.value}"
        yield FleetEvent(type, f"{type}:{row.id}:{to_microseconds(row.finished_at)}", row.finished_at, data, row.actor, row.queue)


def _running(session: Session, since: datetime) -> Iterator[FleetEvent]:
    """Jobs that are running now; the start of a shorter one is in the event of its end."""
    rows = select(*_JOB).where(NOT_SUCCEEDED, Job.state == State.RUNNING, Job.started_at >= since).order_by(Job.seq.desc()).limit(MOST)
    for row in session.execute(rows):
        data = {"id": row.id, "attempt": row.attempt}
        yield FleetEvent("job.started", f"job.started:{row.id}:{row.attempt}", row.started_at, data, row.actor, row.queue)


def _failed(session: Session, since: datetime) -> Iterator[FleetEvent]:
    """Failed attempts: those that are not counted in their error group yet, and newer ones of known groups."""
    known = select(FailureGroup.fingerprint).order_by(FailureGroup.last_seen_at.desc()).limit(MOST_GROUPS)
    fingerprints = session.execute(known).scalars().all()
    columns = (Attempt.job_seq, Attempt.number, Attempt.finished_at, Attempt.outcome, Attempt.error, Attempt.fingerprint, Attempt.worker)
    fresh = select(*columns).where(text("attempts.noted = false")).order_by(Attempt.job_seq.desc()).limit(MOST)
    counted = select(*columns).where(Attempt.fingerprint.in_(fingerprints), Attempt.finished_at >= since).limit(MOST)
    rows = {(row.job_seq, row.number): row for query in (fresh, counted) for row in session.execute(query) if row.finished_at >= since}
    newest = sorted(rows.values(), key=lambda row: row.finished_at)[-MOST:]
    jobs = {row.seq: row for row in session.execute(select(Job.seq, *_JOB).where(Job.seq.in_({row.job_seq for row in newest})))}
    for row in newest:
        job = jobs.get(row.job_seq)
        if job is not None:
            data = {"id": job.id, "attempt": row.number, "outcome": row.outcome.value, "error": printable(row.error or ""), "error_group": row.fingerprint, "worker": row.worker}  # fmt: skip
            yield FleetEvent("attempt.failed", f"attempt.failed:{job.id}:{row.number}", row.finished_at, data, job.actor, job.queue)


def _groups(session: Session, since: datetime) -> Iterator[FleetEvent]:
    rows = select(FailureGroup).where(FailureGroup.last_seen_at >= since - timedelta(minutes=1)).order_by(FailureGroup.last_seen_at.desc())
    for group in session.execute(rows.limit(MOST)).scalars():
        data = {"error_group": group.fingerprint, "kind": group.kind, "message": printable(group.message), "actors": group.actors}
        for type, at in (("error.opened", group.opened_at), ("error.regressed", group.regressed_at)):
            # Counted up to a minute after the failure, so the instant of the failure may lie before `since`.
            if at is not None and at >= since - timedelta(minutes=1):
                yield FleetEvent(type, f"{type}:{group.fingerprint}:{to_microseconds(at)}", at, data)


def _workers(session: Session, since: datetime) -> Iterator[FleetEvent]:
    rows = select(Worker.name, Worker.version, Worker.started_at, Worker.stopped_at, Worker.lost_at)
    changed = rows.where(or_(Worker.started_at >= since, Worker.stopped_at >= since, Worker.lost_at >= since))
    for row in session.execute(changed.limit(MOST)):
        for type, at in (("worker.started", row.started_at), ("worker.stopped", row.stopped_at), ("worker.lost", row.lost_at)):
            if at is not None and at >= since:
                yield FleetEvent(type, f"{type}:{row.name}:{to_microseconds(at)}", at, {"worker": row.name, "version": row.version})


def _ticks(session: Session, since: datetime) -> Iterator[FleetEvent]:
    # Not joined: SQLite would read all ticks instead of the newest of each schedule, by the primary key.
    mine = Tick.schedule_id.in_(select(Schedule.id))
    recent = select(Tick).where(mine, Tick.scheduled_for >= since - LATE_TICKS, Tick.decided_at >= since).limit(MOST)
    ticks = session.execute(recent).scalars().all()
    fired = select(Schedule.id, Schedule.name, Schedule.actor).where(Schedule.id.in_({row.schedule_id for row in ticks}))
    schedules = {schedule.id: schedule for schedule in session.execute(fired)}
    for row in ticks:
        schedule = schedules.get(row.schedule_id)
        if schedule is None:  # deleted meanwhile
            continue
        type = "schedule.fired" if row.job_id else f"schedule.{row.state.value}"
        data = {"schedule": schedule.name, "scheduled_for": row.scheduled_for.isoformat(), "job": row.job_id, "reason": row.reason}
        yield FleetEvent(type, f"{type}:{row.schedule_id}:{to_microseconds(row.scheduled_for)}", row.decided_at, data, schedule.actor)


def _alerts(session: Session, since: datetime) -> Iterator[FleetEvent]:
    rows = select(Alert).where(or_(Alert.began_at >= since, Alert.recovered_at >= since)).limit(MOST)
    for alert in session.execute(rows).scalars():
        data = {"alert": alert.id, "kind": alert.kind.value, "subject": alert.subject, "text": alert.text}
        for type, at in (("alert.began", alert.began_at), ("alert.recovered", alert.recovered_at)):
            if at is not None and at >= since:
                yield FleetEvent(type, f"{type}:{alert.id}", at, data)


def _audited(session: Session, since: datetime) -> Iterator[FleetEvent]:
    """Actions of people on targets, schedules, workers and queues."""
    rows = select(AuditEntry).where(AuditEntry.at >= since, AuditEntry.outcome == Outcome.DONE).order_by(AuditEntry.at.desc()).limit(MOST)
    for entry in session.execute(rows).scalars():
        if not entry.action.startswith(("target.", *_KINDS)):
            continue
        scope, _, name = (entry.subject or "").partition(":")
        is_target = entry.action.startswith("target.")
        data = {"by": entry.who, "details": entry.details, "target" if is_target else "subject": entry.subject}
        actor, queue = (name if is_target and scope == each else None for each in ("actor", "queue"))
        yield FleetEvent(entry.action, f"{entry.action}:{entry.seq}", entry.at, data, actor, queue)
