"""Documents of schedules, ticks and previews; secrets are masked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from ... import COMMAND
from ...actor_schema.signature import Signature
from ...formats.quantities import write_units
from ...importing import lacks_actors
from ...jobs.core.errors import JobsError, UnknownActor
from ...jobs.core.states import State
from ...schedules.rows.drafts import Draft
from ...schedules.rows.models import Schedule, ScheduleChange
from ...schedules.rows.queries import Run
from ...schedules.rows.vocabulary import Missed, Origin, Overlap, TickState
from ...schedules.rules import preview
from ...schedules.rules.rules import Rule
from ...sql.clock import now
from ..format.document_fields import Args, Instant, Kwargs
from ..format.instants import write_instant
from ..format.json_documents import MASK, hidden
from ..jobs import actor_catalogue
from ..people import permissions

#: upcoming ticks in a document
NEXT = 3
#: delay in seconds from which a schedule counts as late
LATE_S = 5


class Condition(StrEnum):
    """Status of a schedule."""

    ACTIVE = "active"
    LATE = "late"  # overdue: no scheduler fires it
    BROKEN = "broken"
    PAUSED = "paused"
    ENDED = "ended"
    GONE = "gone"  # no longer declared in code


class DraftDocument(TypedDict):
    """The settings of a schedule, as its body sets them."""

    name: str
    actor: str
    args: Args
    kwargs: Kwargs
    cron: str | None
    every: Annotated[str | None, Field(description="an interval, such as 1h30m")]
    at: Instant | None
    zone: Annotated[str, Field(description="IANA time zone of cron")]
    starts_at: Instant | None
    ends_at: Instant | None
    jitter: Annotated[str, Field(description="a duration: delays each tick by up to this much")]
    missed: Missed
    grace: Annotated[str, Field(description="delay that still counts as on time")]
    overlap: Overlap
    pause_after: Annotated[int | None, Field(description="failures in a row that pause the schedule")]
    on_failure: str | None
    on_recovery: str | None
    expect_success: Annotated[str | None, Field(description="a time of day such as 06:30, or a duration after each tick such as 45m")]
    on_alert: str | None


class ScheduleDocument(DraftDocument):
    """A schedule."""

    id: int
    words: Annotated[str, Field(description="its rule in English")]
    condition: Condition
    reason: Annotated[str | None, Field(description="reason for the condition")]
    next: Annotated[list[Instant], Field(description="the next ticks")]
    due_at: Annotated[Instant | None, Field(description="when the next tick fires; null: paused or ended")]
    failures: Annotated[int, Field(description="failures in a row")]
    no_success_by: Annotated[Instant | None, Field(description="the missed deadline for a success")]
    declared: Annotated[bool, Field(description="declared in code")]
    code_says: Annotated[DraftDocument | None, Field(description="the settings in code")]
    overridden: Annotated[list[str], Field(description="settings that differ from those in code")]
    created_at: Instant
    created_by: str
    version: Annotated[int, Field(description="incremented by each edit")]


class Tick(TypedDict):
    """A tick to come."""

    at: Instant
    local: Annotated[str, Field(description="the same in the schedule's zone, without offset")]
    due_at: Annotated[Instant, Field(description="when it fires, with jitter")]


class Preview(TypedDict):
    """The preview of a rule."""

    words: Annotated[str, Field(description="the rule in English")]
    ticks: list[Tick]
    notes: Annotated[list[str], Field(description="effects of clock changes")]


class ChangeDocument(TypedDict):
    """An edit of a schedule."""

    at: Instant
    by: str
    what: Annotated[str, Field(description="created, changed, paused, resumed …")]
    changes: Annotated[dict[str, list[Any]], Field(description="[before, after] by setting; any JSON")]


class WholeSchedule(ScheduleDocument):
    """A schedule with its next ticks and its history of edits."""

    ticks: list[Tick]
    notes: Annotated[list[str], Field(description="effects of clock changes")]
    changes: list[ChangeDocument]


class RunDocument(TypedDict):
    """A tick with its outcome."""

    scheduled_for: Instant
    due_at: Instant
    decided_at: Instant
    origin: Origin
    state: TickState
    reason: str | None
    covers: Annotated[int, Field(description="number of ticks that this entry stands for")]
    job_id: str | None
    job_state: State | None
    started_at: Instant | None
    finished_at: Instant | None
    error: str | None


def tick_states(words: Sequence[str]) -> list[TickState]:
    """Parse the tick states of a filter; empty: all. Raises JobsError."""
    try:
        return [TickState(word) for word in words if word]
    except ValueError:
        raise JobsError(f"state must be one of {', '.join(TickState)}", field="state") from None


def condition(schedule: Schedule) -> Condition:
    """The current status of a schedule."""
    if schedule.gone:
        return Condition.GONE
    if schedule.paused_at is not None:
        return Condition.PAUSED
    if schedule.broken is not None or schedule.draft.rule.problem is not None:
        return Condition.BROKEN
    if schedule.due_at is None:
        return Condition.ENDED
    return Condition.LATE if (now() - schedule.due_at).total_seconds() > LATE_S else Condition.ACTIVE


def reason(schedule: Schedule) -> str | None:
    """The reason for the status, if any."""
    how = condition(schedule)
    if how is Condition.GONE:
        return "No longer declared in code."
    if how is Condition.PAUSED:
        return schedule.pause_reason or (f"Paused by {schedule.paused_by}." if schedule.paused_by else None)
    if how is Condition.LATE:
        if any(actor.actor_name == schedule.actor for actor in actor_catalogue.everyone()):
            return f"Overdue: no scheduler has fired it yet. If none is running, start one with {COMMAND} scheduler."
        return f"Overdue: no scheduler has fired it yet, and the actor {schedule.actor} is unknown to this process."
    return schedule.broken or schedule.draft.rule.problem


def fields(draft: Draft) -> DraftDocument:
    """The API fields of a draft."""
    args, kwargs = arguments(draft)
    return {
        "name": draft.name,
        "actor": draft.actor,
        "args": args,
        "kwargs": kwargs,
        "cron": draft.cron,
        "every": None if draft.every_s is None else write_units(draft.every_s),
        "at": write_instant(draft.at),
        "zone": draft.zone,
        "starts_at": write_instant(draft.starts_at),
        "ends_at": write_instant(draft.ends_at),
        "jitter": write_units(draft.jitter_s),
        "missed": draft.missed,
        "grace": write_units(draft.grace_s),
        "overlap": draft.overlap,
        "pause_after": draft.pause_after,
        "on_failure": permissions.known(draft.on_failure),
        "on_recovery": permissions.known(draft.on_recovery),
        "expect_success": draft.expect_by or (write_units(draft.expect_within_s) if draft.expect_within_s else None),
        "on_alert": permissions.known(draft.on_alert),
    }


#: fields of Draft -> fields of the API
NAMES = {"every_s": "every", "jitter_s": "jitter", "grace_s": "grace", "expect_by": "expect_success", "expect_within_s": "expect_success"}


def document(schedule: Schedule) -> ScheduleDocument:
    """The document of a schedule."""
    rule = schedule.draft.rule
    code = schedule.code_draft
    return {
        "id": schedule.id,
        **fields(schedule.draft),
        "words": preview.words(rule),
        "condition": condition(schedule),
        "reason": reason(schedule),
        "next": [write_instant(each.tick) for each in coming(schedule, NEXT)],
        "due_at": write_instant(schedule.due_at),
        "failures": schedule.failures,
        "no_success_by": write_instant(schedule.alerted_at),
        "declared": schedule.declared,
        "code_says": None if code is None else fields(code),
        "overridden": sorted({NAMES.get(name, name) for name in schedule.overridden}),
        "created_at": write_instant(schedule.created_at),
        "created_by": schedule.created_by,
        "version": schedule.version,
    }


def run(one: Run) -> RunDocument:
    """A tick with its outcome."""
    return {
        "scheduled_for": write_instant(one.tick.scheduled_for),
        "due_at": write_instant(one.tick.due_at),
        "decided_at": write_instant(one.tick.decided_at),
        "origin": one.tick.origin,
        "state": one.state,
        "reason": one.tick.reason,
        "covers": one.tick.covers,
        "job_id": one.tick.job_id,
        "job_state": one.job_state,
        "started_at": write_instant(one.started_at),
        "finished_at": write_instant(one.finished_at),
        "error": one.error,
    }


def change(one: ScheduleChange) -> ChangeDocument:
    """A history entry: user and changed fields."""
    changes = {NAMES.get(name, name): values for name, values in one.changes.items()}
    return {"at": write_instant(one.changed_at), "by": one.changed_by, "what": one.what, "changes": changes}


def previewed(rule: Rule, number: int, after: datetime | None = None) -> Preview:
    """The preview of a rule."""
    after = after or now()
    ticks = preview.upcoming(rule, after, number)
    return {
        "words": preview.words(rule),
        "ticks": [tick(each) for each in ticks],
        "notes": preview.notes(rule, after),
    }


def tick(one: preview.Upcoming) -> Tick:
    """A tick to come."""
    return {"at": write_instant(one.tick), "local": one.local.isoformat(), "due_at": write_instant(one.due_at)}


def coming(schedule: Schedule, number: int) -> Sequence[preview.Upcoming]:
    """The next ticks of a schedule; empty if it is paused or ended."""
    if schedule.tick_at is None:
        return []
    return preview.upcoming(schedule.draft.rule, schedule.tick_at - timedelta(microseconds=1), number)


def named_arguments(draft: Draft) -> list[tuple[str, Any]]:
    """The arguments by parameter name, secrets masked."""
    args, kwargs = arguments(draft)
    try:
        names = Signature.of(actor_catalogue.find(draft.actor)).positional_names(len(args))
    except UnknownActor:
        names = []
    names += [str(number) for number in range(len(names), len(args))]
    return [*zip(names, args, strict=True), *kwargs.items()]


def arguments(draft: Draft) -> tuple[list[Any], dict[str, Any]]:
    """The arguments with secrets masked."""
    try:
        signature = Signature.of(actor_catalogue.find(draft.actor))
    except UnknownActor:
        return (hidden(draft.args), hidden(draft.kwargs)) if lacks_actors() else (draft.args, draft.kwargs)
    names = signature.positional_names(len(draft.args))
    args = [MASK if index < len(names) and names[index] in signature.secrets else value for index, value in enumerate(draft.args)]
    return args, {name: MASK if signature.hides(name) else value for name, value in draft.kwargs.items()}
