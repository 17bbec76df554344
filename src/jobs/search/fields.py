"""Search fields: each with its meaning, its SQL condition, and suggested values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, literal, or_, select
from sqlalchemy.orm import aliased

from ...settings import get_settings
from ...sql.columns import to_microseconds
from ..core.fingerprints import LENGTH
from ..core.models import Attempt, Job, UniquePeriod, Worker
from ..core.states import Source, State
from ..core.workflow_models import StoredWorkflow
from ..read.queries import NOT_SUCCEEDED
from ..read.run_times import OF_ATTEMPTS
from . import texts
from .texts import Place
from .values import amount_in_words, duration, escaped, instants, like, microseconds, span, time_in_words, whole_number

#: not a state: a job whose newest attempt failed waits for its retry or for an operator
FAILED = "failed"

#: jobs that an id prefix may match
MOST_IDS = 10_000

#: (value, where it is searched) -> the condition; raises ValueError with the cure
Making = Callable[[str, Place], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Field:
    """A search field. `says` is its phrase in a sentence, "whose queue is …", and `word` makes the end of that of a value."""

    name: str
    meaning: str
    example: str
    says: str
    make: Making
    choices: tuple[str, ...] = field(default=())
    word: Callable[[str], str] = str


FIELDS: dict[str, Field] = {}


def register(field: Field) -> None:
    """Register a field; rooms above this one call it for their own tables."""
    FIELDS[field.name] = field


def states_of(values: Sequence[str]) -> list[State]:
    """Return the states that the values of `state:` stand for."""
    found = [each for value in values for each in ([State.RETRYING, State.DEAD] if value == FAILED else [State(value)])]
    return list(dict.fromkeys(found))


def of_text(value: str, place: Place) -> ColumnElement[bool]:
    """Condition: the job matches plain words, in the prefix of its id, its actor's name or its arguments."""
    if len(value) < texts.SHORTEST:
        raise ValueError(f"give at least {texts.SHORTEST} characters to search for")
    found = texts.contains(json.dumps(value, ensure_ascii=False)[1:-1], place)  # as the arguments are stored
    return or_(_of_id(value, place), found) if re.fullmatch(r"[0-9a-f]{8}[0-9a-f-]*", value) else found


def _of_state(value: str, place: Place) -> ColumnElement[bool]:
    if value not in (*State, FAILED):
        raise ValueError(f"There is no state {value!r}. The states are: {', '.join(State)}; failed means retrying and dead")
    states = states_of([value])
    chosen = Job.state.in_(states)
    # SQLite uses the partial index only for its exact expression. PostgreSQL infers it from the state; given both, it treats them as
    # independent and estimates far too few rows.
    return and_(NOT_SUCCEEDED, chosen) if place.is_sqlite and State.SUCCEEDED not in states else chosen


def _of_flag(value: str, place: Place) -> ColumnElement[bool]:
    running = and_(NOT_SUCCEEDED, Job.state == State.RUNNING)
    if value == "stalled":
        settings = get_settings()
        late = place.present - timedelta(seconds=2 * settings.heartbeat_interval)
        lively = select(Worker.id).where(Worker.heartbeat_at >= late)
        long_ago = place.present - timedelta(seconds=settings.stalled_after)
        return and_(running, or_(Job.started_at < long_ago, Job.worker_id.is_(None), Job.worker_id.not_in(lively)))
    if value == "cancelling":
        return and_(running, Job.cancel_requested)
    if value == "overdue":
        return and_(NOT_SUCCEEDED, Job.state.in_([State.SCHEDULED, State.RETRYING]), Job.due_at < place.present)
    if value == "retried":
        return Job.attempt > 1
    raise ValueError("it is one of: stalled, cancelling, overdue, retried")


def _of_source(value: str, _: Place) -> ColumnElement[bool]:
    if value not in tuple(Source):
        raise ValueError(f"it is one of: {', '.join(Source)}")
    return Job.source == value


def _of_id(value: str, _: Place) -> ColumnElement[bool]:
    # A range, not LIKE, and in a subquery: so both stores use the index of ids.
    other = aliased(Job)
    return Job.seq.in_(select(other.seq).where(other.id >= value, other.id < value + "\U0010ffff").limit(MOST_IDS))


def _of_key(value: str, place: Place) -> ColumnElement[bool]:
    of_period = select(UniquePeriod.job_id).where(like(UniquePeriod.key, value), UniquePeriod.until > place.present)
    return or_(*(like(column, value) for column in (Job.unique_key, Job.fair_key, Job.idempotency_key)), Job.id.in_(of_period))


def _of_worker(value: str, _: Place) -> ColumnElement[bool]:
    runs = and_(NOT_SUCCEEDED, Job.state == State.RUNNING, Job.worker_id.in_(select(Worker.id).where(like(Worker.name, value))))
    ran = select(Attempt.job_seq).where(like(Attempt.worker, value), *texts.within(Attempt.job_seq))
    return or_(runs, Job.seq.in_(ran))


def _of_error(value: str, place: Place) -> ColumnElement[bool]:
    if re.fullmatch(rf"[0-9a-f]{{{LENGTH}}}", value):
        return Job.seq.in_(select(Attempt.job_seq).where(Attempt.fingerprint == value))
    words = escaped(value).replace("*", "%")
    if not re.fullmatch(r"[\w.*]+", value):
        patterns = [f"%{words}%"]
    elif "*" in value:
        patterns = [words, f"{words}:%"]
    else:  # a type stands before the first blank as a whole, words of the message behind it
        patterns = [words, f"{words}:%", f"{words} %", f"% %{words}%"]
    # SQLite's LIKE ignores the case of ASCII letters by itself; for others it calls Python for each row.
    alike = Job.error.like if place.is_sqlite and value.isascii() else Job.error.ilike
    return and_(Job.error.is_not(None), or_(*(alike(each, escape="\\") for each in patterns)))


def _of_workflow(value: str, _: Place) -> ColumnElement[bool]:
    if len(value) >= 8:
        named = and_(StoredWorkflow.id >= value, StoredWorkflow.id < value + "\U0010ffff")
    else:
        named = like(StoredWorkflow.name, value)
    return Job.workflow_seq.in_(select(StoredWorkflow.seq).where(or_(named, like(StoredWorkflow.name, value))))


def _of_duration(value: str, place: Place) -> ColumnElement[bool]:
    def between(started: Any, ended: Any) -> Any:
        return microseconds(ended, is_sqlite=place.is_sqlite) - microseconds(started, is_sqlite=place.is_sqlite)

    present = literal(to_microseconds(place.present), BigInteger)
    newest = select(between(Attempt.started_at, Attempt.finished_at)).where(Attempt.job_seq == Job.seq, Attempt.number == Job.attempt)
    ran = case(
        (
            and_(Job.state == State.RUNNING, Job.started_at <= place.present),
            present - microseconds(Job.started_at, is_sqlite=place.is_sqlite),
        ),
        (and_(Job.state.in_(OF_ATTEMPTS), Job.started_at.is_not(None)), between(Job.started_at, Job.finished_at)),
        # One index lookup, for few of the searched jobs.
        (Job.attempt > 0, newest.correlate(Job).scalar_subquery()),
        else_=None,
    )
    return _longer(ran, value)


def _of_wait(value: str, place: Place) -> ColumnElement[bool]:
    return _longer(microseconds(Job.started_at, is_sqlite=place.is_sqlite) - microseconds(Job.created_at, is_sqlite=place.is_sqlite), value)


def _longer(microseconds: Any, value: str) -> ColumnElement[bool]:
    return and_(microseconds.is_not(None), span(value, duration).condition(microseconds, lambda each: each // timedelta(microseconds=1)))


def _named(column: Any) -> Making:
    return lambda value, _: like(column, value)


def _numbered(column: Any) -> Making:
    return lambda value, _: span(value, whole_number).condition(column)


def _at(column: Any) -> Making:
    return lambda value, place: and_(column.is_not(None), instants(value, place.present).condition(column))


for _field in (
    Field("state", "the job's state; failed: retrying or dead", "state:dead,held", "whose state is", _of_state, (*State, FAILED)),
    Field("is", "stalled, cancelling, overdue or retried", "is:stalled", "that are", _of_flag, ("stalled", "cancelling", "overdue", "retried")),
    Field("actor", "the actor's name; * stands for anything", "actor:mail*", "whose actor is", _named(Job.actor)),
    Field("queue", "the queue's name", "queue:default", "whose queue is", _named(Job.queue)),
    Field("error", "an exception's type, a fingerprint, or words of the message", "error:TimeoutError", "whose error is", _of_error),
    Field("created", "when it was submitted", "created:today", "that were submitted", _at(Job.created_at), ("1h", "24h", "today", "yesterday", "7d"), word=time_in_words),
    Field("started", "when its newest attempt started", "started:>2h", "that started", _at(Job.started_at), ("1h", "today"), word=time_in_words),
    Field("finished", "when it ended", "finished:yesterday", "that ended", _at(Job.finished_at), ("1h", "24h", "today", "yesterday"), word=time_in_words),
    Field("due", "when it becomes due", "due:<2030-01-01", "that are due", _at(Job.due_at), ("today",), word=partial(time_in_words, may_come=True)),
    Field("duration", "how long its newest attempt took", "duration:>5s", "that took", _of_duration, (">1s", ">10s", ">1m", ">10m"), word=amount_in_words),
    Field("wait", "from its submission to its newest start", "wait:>1m", "that waited", _of_wait, (">1s", ">10s", ">1m"), word=amount_in_words),
    Field("attempt", "the number of its newest attempt", "attempt:>1", "whose attempt is", _numbered(Job.attempt), (">1", ">3"), word=amount_in_words),
    Field("priority", "0 to 9", "priority:9", "whose priority is", _numbered(Job.priority), word=amount_in_words),
    Field("source", "what submitted it", "source:schedule", "whose source is", _of_source, tuple(Source)),
    Field("user", "who submitted it", "user:alice", "that were submitted by", _named(Job.submitted_by)),
    Field("worker", "host:pid that runs it or ran an attempt", "worker:web1*", "whose worker is", _of_worker),
    Field("key", "its unique, fair-share or idempotency key", "key:customer-7*", "whose key is", _of_key),
    Field("workflow", "the workflow's name, or its id", "workflow:nightly", "of the workflow", _of_workflow),
    Field("id", "its id, or the beginning of it", "id:0198c1f2", "whose id begins with", _of_id),
):  # fmt: skip
    register(_field)
