"""Schedule form: arguments, timing and policies; render, preview, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from werkzeug.datastructures import MultiDict

from ...jobs.core.errors import InvalidArguments, JobsError
from ...operations.arguments.error_places import at_places
from ...operations.arguments.field import ABSENT, Choice, Field, Kind, every
from ...operations.arguments.fields import filled
from ...operations.arguments.reading import MORE, Reading, add_row, read, retyped, valued
from ...operations.schedules import schedule_documents, schedule_request
from ...schedules.rows.drafts import Draft
from ...schedules.rows.models import Schedule
from ...schedules.rows.vocabulary import Missed, Overlap
from ...schedules.rules.rules import Rule
from ...schedules.rules.zones import zone_of
from ...settings import get_settings
from .job_form import Form

#: prefix of the schedule's own fields; not valid in a parameter name
PREFIX = "schedule-"
#: time inputs are read in the schedule's zone, not in that of the settings
_OWN_ZONE = {"data-zone": "own"}
_INSTANTS = ("at", "starts_at", "ends_at")
#: values shown as an empty input, because an empty input is read as this value
_UNSAID = {"jitter": "0s"}


def _field(name: str, label: str, kind: Kind = Kind.TEXT, hint: str = "", **more: Any) -> Field:
    return Field(PREFIX + name, label, kind, hint, **{"required": False, **more})


def _choices(words: type[StrEnum]) -> tuple[Choice, ...]:
    return tuple(Choice(word.value, word.value) for word in words)


NAME = _field("name", "Name", required=True, attributes={"maxlength": 200})
TIMES = (
    _field(
        "cron",
        "Cron expression",
        hint="Minute, hour, day of month, month, day of week: 0 6 * * mon-fri, or @daily.",
        attributes={"class": "mono"},
    ),
    _field("every", "Interval", hint="30s, 5m, 1h30m. Counted from the start, or from 1970 if that is empty."),
    _field("at", "Date", Kind.INSTANT, attributes=_OWN_ZONE),
    _field(
        "zone", "Time zone", hint="For the cron expression and the times on this page.", attributes={"list": "zones", "autocomplete": "off"}
    ),
    _field("starts_at", "Start", Kind.INSTANT, attributes=_OWN_ZONE),
    _field("ends_at", "End", Kind.INSTANT, attributes=_OWN_ZONE),
    _field("jitter", "Jitter", hint="Delays each tick by up to this much, e.g. 30s."),
)
POLICIES = (
    _field(
        "missed", "Missed ticks", Kind.SELECT,
        "Ticks at which no scheduler was running. once: one run replaces all of them; skip: none runs; all: each one runs.",
        choices=_choices(Missed),
    ),
    _field("grace", "Grace", hint="Delay that still counts as on time, e.g. 10s."),
    _field(
        "overlap", "Overlap", Kind.SELECT,
        "While the job of an earlier tick waits or runs. allow: run in parallel; skip: do not run; queue: run after it; cancel: cancel it, then run.",
        choices=_choices(Overlap),
    ),
    _field("pause_after", "Pause after failures in a row", Kind.NUMBER, attributes={"min": 1, "max": 1000, "step": 1, "inputmode": "numeric"}),
    _field("expect_success", "Expect success by", hint="A time of day (06:30) or a duration after each tick (45m). Otherwise an alert is sent."),
    _field("on_failure", "Notify of failures", hint="An actor that takes one object."),
    _field("on_recovery", "Notify of recoveries", hint="An actor that takes one object."),
    _field("on_alert", "Notify of a missing success", hint="An actor that takes one object. Empty: that of CALLBOARD_ALERT_ACTOR."),
)  # fmt: skip
OWN = (NAME, *TIMES, *POLICIES)


@dataclass(frozen=True, slots=True)
class ScheduleForm:
    """Template context: `actor` is the actor's form, `own` the schedule's fields by name."""

    actor: Form
    own: dict[str, Field]
    schedule: Schedule | None = None
    version: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    rule: Rule | None = None  # rule of the preview

    @property
    def fields(self) -> list[Field]:
        """All fields, for the error summary."""
        return [*self.actor.fields, *self.own.values()]

    @classmethod
    def new(cls, actor_name: str) -> ScheduleForm:
        """Build the form of a new schedule; raises UnknownActor."""
        draft = Draft(actor_name, actor_name, cron="0 6 * * *", zone=get_settings().timezone)
        return cls(Form.of(actor_name), _filled(schedule_documents.fields(draft)), rule=draft.rule)

    @classmethod
    def of(cls, schedule: Schedule) -> ScheduleForm:
        """Build the edit form of a schedule; secrets are empty and unchanged if left empty."""
        actor = Form.of(schedule.actor)
        shown = filled(actor.signature, schedule.args, schedule.kwargs)
        own = _filled(schedule_documents.fields(schedule.draft))
        return cls(replace(actor, fields=shown), own, schedule, schedule.version, rule=schedule.draft.rule)

    def read(self, sent: MultiDict[str, str]) -> Draft:
        """Parse the submitted form into a draft; raises InvalidArguments by input name."""
        reading = read(self.actor.fields, sent)
        problems = dict(reading.errors)
        values = {**self._kept_secrets(), **reading.values}
        try:
            args, kwargs = self.actor.signature.arrange(values)
        except InvalidArguments as error:
            args, kwargs, problems = [], {}, {**error.errors, **problems}
        body: dict[str, Any] = {"actor": self.actor.actor.actor_name, "args": args, "kwargs": kwargs}
        own = _read_own(list(self.own.values()), sent)
        problems |= own.errors
        body |= {name.removeprefix(PREFIX): value for name, value in own.values.items() if value != ""}
        try:
            draft = schedule_request.plan(schedule_request.read(body))
        except InvalidArguments as error:
            placed = at_places(self.actor.fields, error)
            names = {PREFIX + name if name in self.own else name: text for name, text in placed.items()}
            raise InvalidArguments("some fields are invalid", errors={**names, **problems}) from None
        if problems:
            raise InvalidArguments("some fields are invalid", errors=problems)
        return draft

    def again(self, sent: MultiDict[str, str], errors: Mapping[str, str], *problems: str) -> ScheduleForm:
        """The form with the submitted values and errors."""
        reading = read(self.actor.fields, sent)
        if MORE in sent:
            add_row(reading, sent[MORE])
        typed = [retyped(each, reading.texts) for each in self.actor.fields]
        own = self.own
        if NAME.name in sent:  # else the request comes from the actor's form, which has only the arguments
            texts = _read_own(list(self.own.values()), sent).texts
            own = {name: retyped(each, texts) for name, each in self.own.items()}
        known = {each.name for each in every([*typed, *own.values()])}
        of_no_field = tuple(text for name, text in errors.items() if name not in known)
        return replace(
            self,
            actor=replace(self.actor, fields=typed),
            own=own,
            errors=errors,
            problems=(*problems, *of_no_field),
            rule=rule_of(sent)[0] if NAME.name in sent else self.rule,
        )

    def _kept_secrets(self) -> dict[str, Any]:
        if self.schedule is None:
            return {}
        known = self.actor.signature.by_name(self.schedule.args, self.schedule.kwargs)
        return {name: value for name, value in known.items() if name in self.actor.signature.secrets}


def rule_of(sent: Mapping[str, str]) -> tuple[Rule | None, str]:
    """The rule of the timing fields, or None and the error."""
    reading = _read_own(TIMES, MultiDict(sent))
    body = {name.removeprefix(PREFIX): value for name, value in reading.values.items() if value != ""}
    if reading.errors:
        return None, next(iter(reading.errors.values()))
    try:
        return schedule_request.read(body, schedule_request.Times).rule(sent.get(NAME.name, "")), ""
    except JobsError as error:
        return None, str(error)


def _filled(values: Mapping[str, Any]) -> dict[str, Field]:
    own = {}
    for each in OWN:
        name = each.name.removeprefix(PREFIX)
        zone = str(values["zone"]) if name in _INSTANTS else ""
        own[name] = valued(replace(each, zone=zone), ABSENT if values[name] in (None, _UNSAID.get(name)) else values[name])
    return own


def _read_own(fields: Sequence[Field], sent: MultiDict[str, str]) -> Reading:
    """The schedule's fields by API name; times in the zone that the form names."""
    zone = sent.get(PREFIX + "zone", "").strip()
    try:
        zone_of(zone or get_settings().timezone)
    except JobsError:
        zone = ""  # the zone field reports the error
    reading = read([each if each.has_zone else replace(each, zone=zone) for each in fields], sent)
    reading.values = {name: value.strip() if isinstance(value, str) else value for name, value in reading.values.items()}
    return reading
