"""/schedules: list with weekly load, schedule page with history, form with live preview, actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ... import actors
from ...broker.options import periodic
from ...formats.quantities import counted
from ...jobs.core.errors import InvalidArguments, JobsError, NotAllowed
from ...jobs.limits import overrides
from ...jobs.limits.overrides import Pause
from ...operations.arguments.reading import MORE
from ...operations.fleet.figures import history
from ...operations.format.instants import parse_instant, write_instant
from ...operations.jobs import actor_catalogue
from ...operations.people.roles import Role
from ...operations.schedules import schedule_documents as documents
from ...schedules.edit import editing
from ...schedules.rows import queries
from ...schedules.rows.models import Schedule
from ...schedules.rows.vocabulary import TickState
from ...schedules.rules import preview, zones
from ...schedules.rules.zones import zone_of
from ...schedules.ticks import backfill, ticks
from ...sql import database
from ...sql.clock import now
from ..auth import allow, visitor
from ..forms.schedule_form import NAME, ScheduleForm, rule_of
from ..http import cookies
from ..http.requests import uploads
from ..http.requests.time_range import current_range
from ..http.requests.uploads import takes_files

blueprint = Blueprint("schedules", __name__)

ROWS = 50
COMING = 10
#: period of missed ticks in the notice of a schedule's page
MISSED_WITHIN = timedelta(days=7)


@blueprint.get("/schedules")
@allow(Role.VIEWER)
def index() -> str:
    """List the schedules, with the ticks per hour of the next week."""
    with database.read() as session:
        schedules = queries.every(session)
        chosen = current_range()
        ends = {"since": chosen.since, "until": chosen.until} if chosen.is_chosen else {}
        recent = queries.recent(session, [each.id for each in schedules], **ends)
        runs = history.by_schedule(session, chosen)
        in_force = overrides.load(session)
    queues = {actor.actor_name: actor.queue_name for actor in actor_catalogue.everyone()}
    start = now().replace(minute=0, second=0, microsecond=0)
    numbers = preview.load((each.draft.rule for each in schedules if each.due_at is not None), start)
    return render_template(
        "schedules/index.html", schedules=schedules, recent=recent, load=_by_day(start, numbers), busiest=max(numbers), documents=documents, preview=preview,
        in_force=in_force, queues=queues, runs=runs,
    )  # fmt: skip


@blueprint.get("/schedules/new")
@allow(Role.OPERATOR)
def new() -> str:
    """Choose an actor, or show the form for the chosen one."""
    name = request.args.get("actor")
    if not name:
        return render_template("schedules/choose.html", actors=actor_catalogue.entries())
    return _show(ScheduleForm.new(name))


@blueprint.post("/schedules/new")
@allow(Role.OPERATOR, action="schedule.create")
@takes_files
def create() -> Response | tuple[str, int] | str:
    """Save the form, or show its preview."""
    form = ScheduleForm.new(request.args.get("actor", ""))

    def save(draft: Any) -> Schedule:
        with database.write() as session:
            return editing.create(session, draft, by=visitor().name)

    return _save(form, save, "Schedule created.")


@blueprint.get("/schedules/preview")
@allow(Role.VIEWER)
def show_preview() -> str:
    """Preview of the timing fields: description, next ticks, clock changes, calendar."""
    rule, problem = rule_of(request.args)
    return render_template("schedules/_preview.html", rule=rule, problem=problem, preview=preview, now=now)


@blueprint.get("/schedules/<id>")
@allow(Role.VIEWER)
def show(id: str) -> str:
    """One schedule."""
    before = request.args.get("before")
    with database.read() as session:
        schedule = queries.find(session, id)
        states = documents.tick_states(request.args.getlist("state"))
        page = queries.history(session, schedule.id, states=states, before=_instant(before, schedule) if before else None, limit=ROWS)
        changes = queries.changes(session, schedule.id)
        missed = queries.missed(session, schedule.id, now() - MISSED_WITHIN)
        pause = _pause(session, schedule)
    code = schedule.code_draft
    return render_template(
        "schedules/show.html",
        schedule=schedule,
        says=documents.document(schedule),
        code=None if code is None else documents.fields(code),
        coming=documents.coming(schedule, COMING),
        page=page,
        states=states,
        tick_states=TickState,
        next=write_instant(page.next),
        changes=changes,
        missed=missed,
        pause=pause,
        documents=documents,
        preview=preview,
    )


@blueprint.get("/schedules/<id>/edit")
@allow(Role.OPERATOR)
def edit(id: str) -> str:
    """The edit form of a schedule."""
    with database.read() as session:
        return _show(ScheduleForm.of(queries.find(session, id)))


@blueprint.post("/schedules/<id>/edit")
@allow(Role.OPERATOR, action="schedule.change")
@takes_files
def change(id: str) -> Response | tuple[str, int] | str:
    """Save the form, or show its preview."""
    with database.read() as session:
        form = ScheduleForm.of(queries.find(session, id))

    def save(draft: Any) -> Schedule:
        assert form.schedule is not None
        version = request.form.get("schedule-version", "")
        with database.write() as session:
            seen = int(version) if version.isdecimal() and len(version) < 10 else None
            return editing.change(session, form.schedule.id, draft, by=visitor().name, version=seen)

    return _save(form, save, "Schedule changed.")


_DONE = {
    "pause": "Schedule paused: no tick fires until it is resumed.",
    "resume": "Schedule resumed: its next tick fires.",
    "follow-code": "Overrides removed: the schedule uses the values from code.",
}


@blueprint.post("/schedules/<id>/<any(pause, resume, 'follow-code', 'run-now', delete, backfill):verb>")
@allow(Role.OPERATOR, action="schedule.{verb}")
def act(id: str, verb: str) -> Response:
    """Pause, resume, run now, backfill, delete, or remove the overrides."""
    back = url_for("schedules.show", id=id)
    try:
        with database.write() as session:
            schedule = queries.find(session, id)
            if verb == "delete":
                editing.delete(session, schedule.id)
                flash(f"Schedule {schedule.name} deleted. Its jobs are kept.", "success")
                back = url_for("schedules.index")
            elif verb == "run-now":
                fired = ticks.run_now(session, schedule.id, periodic.maker(actors.broker), by=visitor().name)
                if fired.is_shared:
                    flash(f"No new job: {fired.reason}.", "error")
                else:
                    flash("Job submitted. The regular ticks are not affected.", "success")
                back = url_for("jobs.show", id=fired.job_id)
            elif verb == "backfill":
                _backfill(session, schedule)
            else:
                {"pause": editing.pause, "resume": editing.resume, "follow-code": editing.follow_code}[verb](
                    session, schedule.id, by=visitor().name
                )
                flash(_DONE[verb], "success")
    except NotAllowed as error:
        flash(f"Failed: {error}.", "error")
    except (InvalidArguments, JobsError) as error:
        if type(error).__name__ == "UnknownSchedule":
            raise
        flash(f"Failed: {error}", "error")
    return redirect(back, 303)


def _backfill(session: Any, schedule: Schedule) -> None:
    start, end = (_instant(request.form.get(name, ""), schedule) for name in ("from", "to"))
    backfilled = backfill.backfill(session, schedule.id, start, end, periodic.maker(actors.broker), by=visitor().name)
    new = len(backfilled.job_ids)
    shared = f"; for {backfilled.shared} a job of their unique key stands" if backfilled.shared else ""
    had = f"; {backfilled.had_one} already had a job" if backfilled.had_one else ""
    flash(f"{counted(new, 'tick')} backfilled{shared}{had}.", "success")


def _pause(session: Any, schedule: Schedule) -> Pause | None:
    """The pause that delays the schedule's jobs."""
    actor = actors.broker.actors.get(schedule.actor)
    return overrides.load(session).pause(schedule.actor, actor.queue_name if actor else "", now())


def _save(form: ScheduleForm, save: Callable[[Any], Schedule], done: str) -> Response | tuple[str, int] | str:
    sent = uploads.sent(form.actor.fields)
    try:
        if MORE in sent or NAME.name not in sent:  # an added row, or a request from the actor's form
            return _show(form.again(sent, {}))
        draft = form.read(sent)
        if "preview" in sent:
            return _show(form.again(sent, {}))
        schedule = save(draft)
    except InvalidArguments as error:
        names = {f"schedule-{name}" if name in form.own else name: text for name, text in error.errors.items()}
        return _show(form.again(sent, names)), 422
    except (NotAllowed, JobsError) as error:
        return _show(form.again(sent, {}, str(error))), 422
    flash(done, "success")
    return redirect(url_for("schedules.show", id=schedule.id), 303)


def _show(form: ScheduleForm) -> str:
    return render_template("schedules/form.html", form=form, preview=preview, zones=zones.names(), now=now)


def _instant(text: str, schedule: Schedule) -> datetime:
    """Parse a time with zone, or a browser's local time in the schedule's zone."""
    try:
        naive = datetime.fromisoformat(text.strip())
    except ValueError:
        raise JobsError("Give both times, e.g. 2030-12-31T18:00.", field="from") from None
    zoned = naive.replace(tzinfo=zone_of(schedule.zone)) if naive.tzinfo is None else naive
    try:
        return parse_instant(zoned.isoformat())
    except ValueError as error:
        raise JobsError(str(error), field="from") from None


def _by_day(start: datetime, numbers: list[int]) -> list[tuple[date, list[int | None]]]:
    """Ticks per hour as one row per day, in the display zone; None: outside the week."""
    zone = cookies.zone()
    days: dict[date, list[int | None]] = {}
    for index, number in enumerate(numbers):
        shown = (start + timedelta(hours=index)).astimezone(zone)
        hours = days.setdefault(shown.date(), [None] * 24)
        hours[shown.hour] = (hours[shown.hour] or 0) + number
    return list(days.items())
