"""/jobs/ID: the live page of a job, with its timeline and log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from flask import Blueprint, redirect, render_template, request, url_for
from flask import Response as FlaskResponse
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response

from ....audit import queries as audit_queries
from ....jobs.attempts import attempt_logs
from ....jobs.core.errors import UnknownJob
from ....jobs.read import attempts, queries
from ....jobs.search import runs
from ....operations.format.list_filters import read_after
from ....operations.jobs.documents import job_timeline, lineage, log_documents
from ....operations.jobs.documents.job_context import context_of
from ....operations.jobs.rows import Job, LogLine
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow
from ...live.job_stream import Message, stream
from ...live.job_watcher import News
from ...live.stream_room import TooManyStreams

blueprint = Blueprint("jobs", __name__)

#: newest log lines shown on a job's page
_LINES = 500
#: runs with the same arguments shown on a job's page
_RUNS = 8
#: maximum lines of a full log; CALLBOARD_MAX_LOG_LINES is far lower for each attempt
_WHOLE_LOG = 1_000_000
#: live views: the whole job, only what the clock changes, or only its progress
_VIEWS = ("job", "clock", "progress", "users")


class LogView(NamedTuple):
    """The part of a log that the reader has chosen: of one attempt, from a severity on."""

    attempt: int | None = None
    severity: str | None = None

    @classmethod
    def asked(cls) -> LogView:
        """Read it from the address; an invalid value shows everything."""
        attempt, severity = request.args.get("attempt", ""), request.args.get("level")
        number = int(attempt) if attempt.isascii() and attempt.isdecimal() and len(attempt) <= 9 else None
        return cls(number, severity if severity in attempt_logs.SEVERITIES else None)

    @property
    def arguments(self) -> dict[str, Any]:
        """Return it as arguments of an address."""
        return {"attempt": self.attempt, "level": self.severity}

    def shows(self, line: LogLine) -> bool:
        return self.attempt in (None, line.attempt) and attempt_logs.reaches(line.level, self.severity)

    def groups(self, lines: list[LogLine]) -> list[tuple[int, list[LogLine]]]:
        """Return the chosen lines by attempt, also of an attempt of which none is chosen: later lines are appended to it."""
        found: dict[int, list[LogLine]] = {}
        for line in lines:
            if self.attempt in (None, line.attempt):
                found.setdefault(line.attempt, []).extend([line] if self.shows(line) else [])
        return list(found.items())


@blueprint.get("/jobs/<id>")
@allow(Role.VIEWER)
def show(id: str) -> str | Response:
    """One job; a short id redirects to the full one."""
    job = find(id)
    if job.id != id:
        return redirect(url_for("jobs.show", id=job.id))
    with database.read() as session:
        beside = {
            "audit": audit_queries.of(session, "job", job.id),
            "lineage": lineage.lineage(session, job),
            "runs": runs.same_arguments(session, job, limit=_RUNS) if job.actor else None,
        }
    return render_template("jobs/show.html", **beside, **_shown(job))


@blueprint.get("/jobs/<id>/attempts")
@allow(Role.VIEWER)
def list_attempts(id: str) -> str:
    """The ended attempts of a job, newest first, in pages."""
    job, after = find(id), read_after(request.args.get("after"))
    with database.read() as session:
        found = attempts.of(session, job, before=after, limit=attempts.NEWEST + 1)
    is_more = len(found) > attempts.NEWEST
    return render_template("jobs/attempts.html", job=job, attempts=found[: attempts.NEWEST], after=after, is_more=is_more)


@blueprint.get("/jobs/<id>/log")
@allow(Role.VIEWER)
def whole_log(id: str) -> FlaskResponse:
    """The full log of all attempts as plain text."""
    return _as_text(find(id), None)


@blueprint.get("/jobs/<id>/attempts/<int:number>/log")
@allow(Role.VIEWER)
def log(id: str, number: int) -> FlaskResponse:
    """The full log of an attempt as plain text."""
    return _as_text(find(id), min(number, 2**31 - 1))


@blueprint.get("/jobs/<id>/live")
@allow(Role.VIEWER)
def live(id: str) -> str:
    """The live part of a job page, for polling browsers."""
    job = find(id)
    view = _view()
    if view == "clock":
        return render_template("jobs/_clock.html", **_state(job))
    return render_template("jobs/_event.html", view=view, is_whole=True, is_moved=True, **(_shown(job) if view == "job" else {"job": job}))


@blueprint.get("/jobs/<id>/events")
@allow(Role.VIEWER)
def events(id: str) -> FlaskResponse | tuple[str, int]:
    """The live part of a job page as a stream."""
    job = find(id)
    generate_csrf()  # set the CSRF cookie now: headers cannot be sent once the stream has begun
    try:
        return stream(job.id, _Messages(), after=log_documents.read_place(request.args.get("after")) if _view() == "job" else None)
    except TooManyStreams:
        # htmx inserts this polling element instead of the stream.
        return render_template("jobs/_poll.html", job=job, view=_view(), log_view=LogView.asked()), 503


def find(id: str) -> Job:
    """Return the job of this id or short id; raises UnknownJob."""
    with database.read() as session:
        job = queries.find(session, id)
    if job is None:
        raise UnknownJob(f"There is no job {id}.", field="id")
    return job


def _as_text(job: Job, attempt: int | None) -> FlaskResponse:
    with database.read() as session:
        lines = attempt_logs.read(session, job.seq, attempt=attempt, limit=_WHOLE_LOG)
    return FlaskResponse("".join(f"{log_documents.plain(line)}\n" for line in lines), mimetype="text/plain")


def _state(job: Job, *, is_moved: bool = True) -> dict[str, Any]:
    """Template context of a job without its log; with its timeline, if it has moved."""
    with database.read() as session:
        return {
            "job": job,
            "standing": context_of(session, job),
            "periods": job_timeline.timeline(session, job) if is_moved else (),
            "pace": job_timeline.pace(job, now()),
            "log_view": LogView.asked(),
        }


def _shown(job: Job) -> dict[str, Any]:
    """Template context of a job page, including the log."""
    view = LogView.asked()
    with database.read() as session:
        lines = attempt_logs.tail(session, job.seq, limit=_LINES, attempt=view.attempt, severity=view.severity)
    log = {"lines": lines, "groups": view.groups(lines), "after": log_documents.write_place(lines), "is_cut": len(lines) == _LINES}
    return {**_state(job), **log}


class _Messages:
    """One unnamed message per update of a stream: htmx swaps unnamed events, and each part names its target."""

    def __init__(self) -> None:
        self._sent: object = None

    def __call__(self, news: News) -> Iterator[Message]:
        place = log_documents.write_place(news.lines) if news.lines else None
        # Progress changes often, and neither the forecast, which takes several queries, nor the details, which are long, show it.
        is_moved = news.job is not None and _moves(news.job) != self._sent
        if news.job is not None:
            self._sent = _moves(news.job)
        parts = {"job": None} if news.job is None else _state(news.job, is_moved=is_moved) if _view() == "job" else {"job": news.job}
        log = {"groups": LogView.asked().groups(news.lines), "after": news.after}
        yield Message(render_template("jobs/_event.html", view=_view(), is_whole=False, is_moved=is_moved, **{**parts, **log}), id=place)


def _moves(job: Job) -> tuple[object, ...]:
    """Return what the details of a job and its forecast depend on, of all that is watched."""
    return job.state, job.attempt, job.reason, job.cancel_requested, job.due_at, job.finished_at


def _view() -> str:
    view = request.args.get("view", "job")
    return view if view in _VIEWS else "job"
