"""Schedule request: body, validation and draft."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ... import actors
from ...actor_schema.signature import Signature
from ...actor_schema.validation_messages import complain
from ...jobs.core.errors import InvalidArguments, JobsError
from ...schedules.rows.drafts import CLOCK_TIME, GRACE_S, Draft
from ...schedules.rows.vocabulary import Missed, Overlap
from ...schedules.rules.rules import Rule
from ...scheduling.draft_validation import fitted
from ...settings import get_settings
from ..format.instants import parse_duration, parse_instant
from ..format.request_values import RequestBody, example
from ..jobs import actor_catalogue
from ..people import permissions

Duration = str | float
EXAMPLE = {"name": "nightly", "actor": "add", "args": [1, 2], "cron": "0 3 * * *"}


def _optional(schema: dict[str, Any]) -> None:
    """Describe an edit: every field is optional, and a missing one keeps its value."""
    schema["examples"] = [{"cron": "0 3 * * *"}]
    del schema["required"]
    for each in schema["properties"].values():
        each.pop("default", None)


class Times(RequestBody):
    """Timing: exactly one of cron, every and at."""

    cron: str | None = Field(None, description="five fields, e.g. 0 6 * * mon-fri, or a name such as @daily", max_length=255)
    every: Duration | None = Field(None, description="an interval: seconds, or a text such as 30s or 1h30m")
    at: str | None = Field(None, description="a single time, ISO 8601 with time zone")
    zone: str | None = Field(None, description="IANA time zone of cron; null: that of the settings", max_length=64)
    starts_at: str | None = Field(None, description="no ticks before this time")
    ends_at: str | None = Field(None, description="no ticks after this time")
    jitter: Duration = Field(0, description="delays each tick by up to this much, the same in every process")

    def rule(self, salt: str = "") -> Rule:
        """Build the rule; raises JobsError naming the invalid field."""
        rule = Rule(**_times(self), salt=salt)
        rule.check()
        return rule


class ScheduleBody(Times):
    """Body of a schedule."""

    model_config = example(EXAMPLE)

    name: str = Field(description="unique name", min_length=1, max_length=200)
    actor: str = Field(description="name of the actor")
    args: list[Any] = Field([], description="arguments by position: any JSON")
    kwargs: dict[str, Any] = Field({}, description="arguments by name: any JSON")
    missed: Missed = Field(Missed.ONCE, description="misfire policy: handling of ticks that no scheduler fired in time")
    grace: Duration = Field(GRACE_S, description="delay that still counts as on time")
    overlap: Overlap = Field(Overlap.ALLOW, description="overlap policy: handling of a tick while the job of an earlier one waits or runs")
    pause_after: int | None = Field(None, ge=1, le=1000, description="pause the schedule after this many failures in a row")
    on_failure: str | None = Field(None, description="actor that is notified of each failure and of a pause, with one object")
    on_recovery: str | None = Field(None, description="actor that is notified of the first success after failures")
    expect_success: str | None = Field(
        None, description="alert if there is no success by this time of day (06:30), or this long after each tick (45m)"
    )
    on_alert: str | None = Field(None, description="actor that is notified of a missing success; null: CALLBOARD_ALERT_ACTOR")

    def draft(self) -> Draft:
        """Build the draft; raises InvalidArguments naming each unreadable field."""
        for name in (self.actor, self.on_failure, self.on_recovery, self.on_alert):
            if name:
                permissions.require(name)
                permissions.require_submit(name)
        problems: dict[str, str] = {}
        if self.name.isascii() and self.name.isdecimal():
            problems["name"] = "A number is the id of a schedule: add a word to the name."
        times = _collect(problems, lambda: _times(self), {})
        grace_s = _collect(problems, lambda: _seconds("grace", self.grace), 0)
        expected = _collect(problems, lambda: _expected(self.expect_success), {})
        _refuse(problems)
        return Draft(
            name=self.name, actor=self.actor, args=self.args, kwargs=self.kwargs, missed=self.missed, grace_s=grace_s, overlap=self.overlap,
            pause_after=self.pause_after, on_failure=self.on_failure or None, on_recovery=self.on_recovery or None, on_alert=self.on_alert or None,
            **times, **expected,
        )  # fmt: skip


class ScheduleEdit(ScheduleBody):
    """An edit of a schedule; missing fields are unchanged."""

    model_config = ConfigDict(json_schema_extra=_optional)

    version: int | None = Field(None, description="the version that the edit is based on: 409 if it has changed since")


def plan(body: ScheduleBody) -> Draft:
    """Build and validate the draft against its actor; raises UnknownActor, or InvalidArguments naming every invalid field."""
    try:
        draft = body.draft()
    except InvalidArguments as error:
        problems = dict(error.errors)
        _collect(problems, lambda: Signature.of(actor_catalogue.submittable(body.actor)).check(body.args, body.kwargs), None)
        _refuse(problems)
        raise
    if body.actor in actors.broker.actors:  # else fitted() raises UnknownActor
        actor_catalogue.submittable(body.actor)
    return fitted(draft, actors.broker)


def read(document: Any, kind: type[BaseModel] = ScheduleBody) -> Any:
    """Validate a body; raises InvalidArguments naming each invalid field."""
    if not isinstance(document, Mapping):
        raise InvalidArguments(f"Send a JSON object such as {json.dumps(EXAMPLE)}.", errors={})
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        problems = complain(error.errors(include_url=False), kind.model_json_schema()["properties"])
        raise InvalidArguments("; ".join(f"{name}: {text}" for name, text in problems.items()), errors=problems) from None


def _times(body: Times) -> dict[str, Any]:
    problems: dict[str, str] = {}
    found = {
        "cron": body.cron,
        "every_s": None if body.every is None else _collect(problems, lambda: _seconds("every", body.every or 0), 1),
        "zone": body.zone or get_settings().timezone,
        "jitter_s": _collect(problems, lambda: _seconds("jitter", body.jitter), 0),
        "at": _collect(problems, lambda: _instant("at", body.at), None),
        "starts_at": _collect(problems, lambda: _instant("starts_at", body.starts_at), None),
        "ends_at": _collect(problems, lambda: _instant("ends_at", body.ends_at), None),
    }
    _refuse(problems)
    return found


def _expected(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    if CLOCK_TIME.fullmatch(text):
        return {"expect_by": text}
    try:
        return {"expect_within_s": _seconds("expect_success", text)}
    except JobsError:
        raise JobsError("Give a time of day such as 06:30, or a duration after each tick such as 45m.", field="expect_success") from None


def _seconds(field: str, value: Duration) -> int:
    try:
        seconds = parse_duration(value).total_seconds()
    except ValueError as error:
        raise JobsError(str(error), field=field) from None
    if seconds != int(seconds):
        raise JobsError("Give whole seconds.", field=field)
    return int(seconds)


def _instant(field: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise JobsError(str(error), field=field) from None


def _collect(problems: dict[str, str], read: Any, otherwise: Any) -> Any:
    try:
        return read()
    except InvalidArguments as error:
        problems |= error.errors
    except JobsError as error:
        problems[error.field or ""] = str(error)
    return otherwise


def _refuse(problems: dict[str, str]) -> None:
    if problems:
        raise InvalidArguments("; ".join(f"{name}: {text}" for name, text in problems.items()), errors=problems)
