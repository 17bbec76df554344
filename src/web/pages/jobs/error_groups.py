"""/errors: error groups, their status, and retry."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from ....formats.quantities import counted
from ....jobs import State
from ....jobs.core.errors import JobsError
from ....jobs.failures import counting, groups, occurrences
from ....jobs.failures.groups import Sort, Status, UnknownGroup
from ....operations.format.instants import parse_instant, write_instant
from ....operations.jobs.rows import FailureGroup
from ....operations.people import permissions
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow, visitor
from ...auth.pages import own_path
from ...http.requests.time_range import current_range
from ...http.responses import export_formats
from ...render.jobs import tracebacks

blueprint = Blueprint("errors", __name__)
Word = TypeVar("Word", bound=StrEnum)

#: error groups changed at once
MOST = 200
#: characters of a search text
LONGEST = 200
_DONE = {
    "resolve": "Resolved. If it occurs again, it is shown as regressed.",
    "mute": "Muted: no emails and hidden from the overview until then.",
    "reopen": "Reopened.",
}

#: durations of a mute
MUTES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


@blueprint.get("/errors")
@allow(Role.VIEWER)
def index() -> str | Response:
    """List the unresolved groups, or those of one status."""
    before, text = request.args.get("before"), request.args.get("q", "").strip()[:LONGEST]
    chosen, sort = _one_of(Status, "status"), _one_of(Sort, "sort") or Sort.LAST
    try:
        until = parse_instant(before) if before else None
    except ValueError as error:
        raise JobsError(str(error), field="before") from None
    with database.read() as session:
        page = groups.page(
            session,
            chosen=chosen,
            sort=sort,
            text=text,
            before=_earlier(until),
            since=_since(),
            after=request.args.get("after"),
            may_see=permissions.sight(),
        )
        messages, days = groups.newest_messages(session, page.groups), groups.by_day(session, page.groups)
    if export_formats.requested_format():
        rows = [{**_document(group), "newest_error": messages.get(group.fingerprint)} for group in page.groups]
        return (
            export_formats.as_csv(rows, "errors")
            if export_formats.requested_format() == "csv"
            else export_formats.as_json(
                {
                    "groups": [{**row, "days": days[str(row["fingerprint"])]} for row in rows],
                    "next": write_instant(page.next),
                    "after": page.after,
                }
            )
        )
    return render_template(
        "errors/index.html", page=page, chosen=chosen, sort=sort, text=text, Status=Status, Sort=Sort, status=groups.status, messages=messages,
        days=days, mutes=list(MUTES), dates=[now() - timedelta(days=back) for back in range(counting.DAYS - 1, -1, -1)],
    )  # fmt: skip


def _since() -> datetime | None:
    """Begin of the chosen range; None: groups of any time."""
    return current_range().since if current_range().is_chosen else None


def _earlier(before: datetime | None) -> datetime | None:
    """The earlier of the end of a chosen range and the position of the page."""
    chosen = current_range()
    ends = [each for each in (before, chosen.until if chosen.is_chosen and not chosen.name else None) if each is not None]
    return min(ends, default=None)


@blueprint.get("/errors/<fingerprint>")
@allow(Role.VIEWER)
def show(fingerprint: str) -> str:
    """One group."""
    with database.read() as session:
        group = groups.find(session, fingerprint)
        for actor in group.actors:
            permissions.require(actor)
        samples = groups.samples(session, fingerprint)
        common = groups.common(session, fingerprint)
        jobs, is_more = occurrences.jobs(session, fingerprint)
    newest = next((attempt.traceback for _, attempt in samples), None)
    message = next((attempt.error for _, attempt in samples if attempt.error), None)
    depths = tracebacks.depths(newest) if newest else None
    again = jobs.get(State.DEAD, 0) + jobs.get(State.RETRYING, 0)
    return render_template(
        "errors/show.html", group=group, status=groups.status(group), samples=samples, common=common, jobs=jobs, is_more=is_more, again=again, depths=depths, message=message,
        mutes=list(MUTES), busiest=max((number for _, number in common.days), default=0),
    )  # fmt: skip


@blueprint.post("/errors/<fingerprint>/<any(resolve, mute, reopen):action>")
@allow(Role.OPERATOR, action="error.{action}")
def act(fingerprint: str, action: str) -> Response:
    """Resolve, mute or reopen a group."""
    _act(action, [fingerprint])
    flash(_DONE[action], "success")
    return redirect(url_for("errors.show", fingerprint=fingerprint), 303)


@blueprint.post("/errors/<any(resolve, mute, reopen):action>")
@allow(Role.OPERATOR, action="error.{action}")
def act_on_many(action: str) -> Response:
    """Resolve, mute or reopen the selected groups."""
    chosen = sorted(set(request.form.getlist("fingerprint")))[:MOST]  # in one order: two operators at once must not block each other
    done = _act(action, chosen, is_lenient=True) if chosen else 0
    if done:
        flash(f"{counted(done, 'error group')}: {_DONE[action][:1].lower()}{_DONE[action][1:]}", "success")
    if done < len(chosen):
        lost = counted(len(chosen) - done, "of the selected error groups no longer exists", "of the selected error groups no longer exist")
        flash(f"{lost}.", "error")
    if not chosen:
        flash("No error groups selected.", "error")
    return redirect(own_path(request.form.get("back") or url_for("errors.index")), 303)


def _act(action: str, fingerprints: list[str], *, is_lenient: bool = False) -> int:
    """Change the groups and return their number; `is_lenient`: skip those that retention has deleted since."""
    period = MUTES.get(request.form.get("for", ""))
    if action == "mute" and period is None:
        raise BadRequest(f"Mute for one of {', '.join(MUTES)}.")
    done = 0
    with database.write() as session:
        for fingerprint in fingerprints:
            with suppress(*[UnknownGroup] if is_lenient else []):
                if action == "resolve":
                    groups.resolve(session, fingerprint, by=visitor().name)
                elif action == "mute" and period is not None:
                    groups.mute(session, fingerprint, by=visitor().name, until=now() + period)
                else:
                    groups.reopen(session, fingerprint)
                done += 1
    return done


def _one_of(kind: type[Word], name: str) -> Word | None:
    text = request.args.get(name)
    if text and text not in list(kind):
        raise JobsError(f"Unknown {name} {text!r}. Choose one of {', '.join(kind)}.", field=name)
    return kind(text) if text else None


def _document(group: FailureGroup) -> dict[str, object]:
    return {
        "fingerprint": group.fingerprint, "status": groups.status(group).value, "kind": group.kind, "message": group.message, "place": group.place,
        "actors": group.actors, "count": group.count, "first_seen_at": write_instant(group.first_seen_at), "last_seen_at": write_instant(group.last_seen_at),
    }  # fmt: skip
