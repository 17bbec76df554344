"""/api/v1/schedules: list, show, create, edit, delete, control, backfill and preview."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, NotRequired

from flask import Response, request, url_for
from pydantic import Field
from typing_extensions import TypedDict

from ... import actors
from ...broker.options import periodic
from ...jobs.core.errors import InvalidArguments, JobsError
from ...operations.format.document_fields import Instant
from ...operations.format.instants import parse_instant, write_instant
from ...operations.format.json_documents import MASK
from ...operations.format.request_values import RequestBody, example, read_number
from ...operations.people.roles import Role
from ...operations.schedules import schedule_documents as documents
from ...operations.schedules import schedule_request
from ...operations.schedules.schedule_documents import Preview, RunDocument, ScheduleDocument, WholeSchedule
from ...operations.schedules.schedule_request import ScheduleBody, ScheduleEdit
from ...schedules.edit import editing
from ...schedules.rows import queries
from ...schedules.rows.models import Schedule
from ...schedules.rows.vocabulary import TickState
from ...schedules.rules import preview
from ...schedules.ticks import backfill, ticks
from ...sql import database
from ...sql.clock import now
from ..auth import allow, visitor
from ..http.json_bodies import Answer, answer, read_json
from .requests import conditional_requests
from .requests.conditional_requests import IF_MATCH
from .requests.routes import Routes, Tag

api = Routes(Tag.SCHEDULES)
ACTIONS = {"pause": "Pause a schedule", "resume": "Resume a schedule", "follow-code": "Remove the overrides of a schedule"}
PREVIEWED = 10
MOST_PREVIEWED = 100
PAGE_LIMIT = 500


class PreviewBody(schedule_request.Times):
    """Body of a preview."""

    model_config = example({"cron": "0 3 * * *"})

    number: int = Field(PREVIEWED, ge=1, le=MOST_PREVIEWED, description="number of ticks")


class BackfillBody(RequestBody):
    """Time range of a backfill."""

    model_config = example({"from": "2030-01-01T00:00:00Z", "to": "2030-01-02T00:00:00Z"})

    start: str = Field(alias="from", description="start of the range, ISO 8601 with time zone")
    end: str = Field(alias="to", description="end of the range")


class Schedules(TypedDict):
    """The schedules by name."""

    schedules: list[ScheduleDocument]


class Hour(TypedDict):
    """The ticks in an hour."""

    at: Instant
    ticks: int


class Load(TypedDict):
    """The ticks of all schedules in each hour of the next week."""

    hours: list[Hour]


class RunNow(TypedDict):
    """The job of a run."""

    job_id: str
    url: Annotated[str, Field(description="of the job", json_schema_extra={"format": "uri"})]
    reason: NotRequired[Annotated[str, Field(description="why this is an earlier job: it has the same unique key")]]


class Backfilled(TypedDict):
    """The jobs of a backfill."""

    job_ids: list[str]
    had_a_job: Annotated[int, Field(description="number of ticks that had a job already")]
    shared: Annotated[int, Field(description="number of ticks that made no job: one of their unique key stands for them")]


class TicksFilter(TypedDict, total=False):
    """Query parameters of the ticks of a schedule."""

    before: Annotated[Instant, Field(description="`next` of the previous page")]
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT, description="entries of a page; 50 by default")]
    state: Annotated[list[TickState], Field(description="only ticks in one of these states")]


class TicksPage(TypedDict):
    """A page of the ticks of a schedule, newest first."""

    ticks: list[RunDocument]
    next: Annotated[Instant | None, Field(description="cursor: `before` of the following page; null: this is the last page")]


Id = Annotated[str, Field(min_length=1, pattern="^[^/]+$", description="id or name")]


@api.get("/schedules")
@allow(Role.VIEWER)
def list_schedules() -> Answer[Schedules]:
    """List the schedules by name."""
    with database.read() as session:
        return answer({"schedules": [documents.document(each) for each in queries.every(session)]})


@api.post("/schedules", status=201, body=ScheduleBody, sends=("Location",), errors=(422,))
@allow(Role.OPERATOR, action="schedule.create")
def create_schedule() -> Answer[ScheduleDocument]:
    """Create a schedule."""
    draft = schedule_request.plan(schedule_request.read(read_json()))
    with database.write() as session:
        schedule = editing.create(session, draft, by=visitor().name)
        response = answer(documents.document(schedule), 201)
    response.headers["Location"] = url_for("api.show_schedule", id=schedule.id, _external=True)
    return response


@api.post("/schedules/preview", body=PreviewBody, errors=(422,))
@allow(Role.VIEWER)
def preview_schedule() -> Answer[Preview]:
    """Preview a rule: description, next ticks and effects of clock changes."""
    body: PreviewBody = schedule_request.read(read_json(), PreviewBody)
    return answer(documents.previewed(body.rule(), body.number))


@api.get("/schedules/load")
@allow(Role.VIEWER)
def schedules_load() -> Answer[Load]:
    """Count the ticks of all schedules per hour of the next week."""
    start = now().replace(minute=0, second=0, microsecond=0)
    with database.read() as session:
        rules = [each.draft.rule for each in queries.every(session) if each.due_at is not None]
    numbers = preview.load(rules, start)
    return answer(
        {"hours": [{"at": write_instant(start + index * timedelta(hours=1)), "ticks": number} for index, number in enumerate(numbers)]}
    )


@api.get("/schedules/<id>", errors=(404,))
@allow(Role.VIEWER)
def show_schedule(id: Id) -> Answer[WholeSchedule]:
    """One schedule by id or name, with next ticks, effects of clock changes and its history of edits."""
    with database.read() as session:
        schedule = queries.find(session, id)
        changes = [documents.change(each) for each in queries.changes(session, schedule.id)]
    ticks = [documents.tick(each) for each in documents.coming(schedule, PREVIEWED)]
    found: WholeSchedule = {
        **documents.document(schedule),
        "ticks": ticks,
        "notes": preview.notes(schedule.draft.rule, now()),
        "changes": changes,
    }
    return conditional_requests.versioned(answer(found), schedule.version)


@api.patch("/schedules/<id>", body=ScheduleEdit, headers=(IF_MATCH,), errors=(404, 409, 412, 422))
@allow(Role.OPERATOR, action="schedule.change")
def change_schedule(id: Id) -> Answer[ScheduleDocument]:
    """Edit the given fields; a new timing starts now. Rejects a stale `version`."""
    sent = read_json()
    if not isinstance(sent, dict):
        raise InvalidArguments('Send a JSON object such as {"cron": "0 3 * * *"}.', errors={})
    version = sent.pop("version", None)
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise InvalidArguments("version: Enter a whole number.", errors={"version": "Enter a whole number."})
    with database.write() as session:
        schedule = queries.find(session, id)
        conditional_requests.require_version(schedule.version)
        said: dict[str, object] = {**documents.fields(schedule.draft)} | {"args": schedule.args, "kwargs": schedule.kwargs}
        if sent.get("actor", schedule.actor) != schedule.actor:
            said |= {"args": [], "kwargs": {}}
        if {"cron", "every", "at"} & sent.keys():
            said |= {"cron": None, "every": None, "at": None}
        draft = schedule_request.plan(schedule_request.read(said | _unmasked(schedule, sent)))
        return answer(documents.document(editing.change(session, schedule.id, draft, by=visitor().name, version=version)))


@api.delete("/schedules/<id>", status=204, headers=(IF_MATCH,), errors=(404, 409, 412))
@allow(Role.OPERATOR, action="schedule.delete")
def delete_schedule(id: Id) -> Response:
    """Delete a schedule with its history; its jobs are kept."""
    with database.write() as session:
        schedule = queries.find(session, id)
        conditional_requests.require_version(schedule.version)
        editing.delete(session, schedule.id)
    return Response(status=204)


@api.post("/schedules/<id>/<verb>", words=ACTIONS, errors=(404, 409))
@allow(Role.OPERATOR, action="schedule.{verb}")
def act_on_schedule(id: Id, verb: str) -> Answer[ScheduleDocument]:
    """Pause or resume a schedule, or remove its overrides."""
    with database.write() as session:
        found = queries.find(session, id)
        act = {"pause": editing.pause, "resume": editing.resume, "follow-code": editing.follow_code}[verb]
        return answer(documents.document(act(session, found.id, by=visitor().name)))


@api.post("/schedules/<id>/run-now", status=202, errors=(404, 409))
@allow(Role.OPERATOR, action="schedule.run-now")
def run_schedule_now(id: Id) -> Answer[RunNow]:
    """Run a schedule once, independent of its ticks."""
    with database.write() as session:
        fired = ticks.run_now(session, queries.find(session, id).id, periodic.maker(actors.broker), by=visitor().name)
    assert fired.job_id is not None
    document: RunNow = {"job_id": fired.job_id, "url": url_for("api.show", id=fired.job_id, _external=True)}
    if fired.is_shared and fired.reason is not None:
        document["reason"] = fired.reason
    return answer(document, 202)


@api.post("/schedules/<id>/backfill", status=202, body=BackfillBody, errors=(404, 409, 422))
@allow(Role.OPERATOR, action="schedule.backfill")
def backfill_schedule(id: Id) -> Answer[Backfilled]:
    """Run the ticks of a time range that have no job yet. Idempotent."""
    body: BackfillBody = schedule_request.read(read_json(), BackfillBody)
    start, end = _instant("from", body.start), _instant("to", body.end)
    with database.write() as session:
        found = queries.find(session, id)
        backfilled = backfill.backfill(session, found.id, start, end, periodic.maker(actors.broker), by=visitor().name)
    return answer({"job_ids": backfilled.job_ids, "had_a_job": backfilled.had_one, "shared": backfilled.shared}, 202)


@api.get("/schedules/<id>/ticks", query=TicksFilter, errors=(404, 422))
@allow(Role.VIEWER)
def schedule_ticks(id: Id) -> Answer[TicksPage]:
    """List a schedule's ticks, newest first, in pages."""
    before, limit = request.args.get("before"), read_number("limit", request.args.get("limit", "50"), most=PAGE_LIMIT)
    with database.read() as session:
        found = queries.find(session, id)
        states = documents.tick_states(request.args.getlist("state"))
        page = queries.history(session, found.id, states=states, before=_instant("before", before) if before else None, limit=limit)
    return answer({"ticks": [documents.run(each) for each in page.runs], "next": write_instant(page.next)})


def _unmasked(schedule: Schedule, sent: dict[str, object]) -> dict[str, object]:
    """The request body with masked secrets replaced by their stored values."""
    kwargs, args = sent.get("kwargs"), sent.get("args")
    if isinstance(kwargs, dict):
        sent = {**sent, "kwargs": {name: schedule.kwargs.get(name, value) if value == MASK else value for name, value in kwargs.items()}}
    if isinstance(args, list):
        known = dict(enumerate(schedule.args))
        sent = {**sent, "args": [known.get(index, value) if value == MASK else value for index, value in enumerate(args)]}
    return sent


def _instant(field: str, text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise JobsError(str(error), field=field) from None
