"""/batches: upload a CSV of rows for one actor, check it, submit it, follow it, download it with outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask import Response as FlaskResponse
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from ....actor_schema.signature import Signature
from ....formats import spreadsheets
from ....formats.quantities import counted
from ....formats.spreadsheets import Dialect
from ....jobs.batches import batches
from ....jobs.batches.batches import Outcome
from ....jobs.core.errors import InvalidArguments, JobsError, NotAllowed
from ....jobs.submit.requests import Submission
from ....operations.jobs import actor_catalogue
from ....operations.jobs.requests import job_request
from ....operations.jobs.rows import Batch, Stage
from ....operations.people import permissions
from ....operations.people.caller import Caller
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow, streamed, visitor
from ...forms.batch_sheet import MAX_BYTES, MAX_ROWS, OWN, Sheet, UnreadableSheet
from ...forms.job_form import KEY

blueprint = Blueprint("batches", __name__)

#: rows per page
ROWS = 100
#: rows whose jobs are looked up for the list of batches
COUNTED = 5_000
#: maximum characters of a result or error in the downloaded file
_SHOWN = 2_000


@blueprint.get("/batches")
@allow(Role.VIEWER)
def index() -> str:
    """List the batches, newest first, the newest with the states of their jobs."""
    limited = permissions.in_force()
    with database.read() as session:
        listed = [each for each in batches.recent(session) if permissions.fits(limited, each.actor)]
        found, rows = [], 0
        for each in listed:
            rows += each.rows
            found.append((each, batches.figures(session, each.id) if rows <= COUNTED else None))
    return render_template("batches/index.html", batches=found)


@blueprint.get("/actors/<name>/rows")
@allow(Role.SUBMITTER)
def new(name: str) -> str:
    """The upload form of an actor."""
    return _new(name)


@blueprint.get("/actors/<name>/rows.csv")
@allow(Role.VIEWER)
def template(name: str) -> FlaskResponse:
    """Download the template: a CSV with the header only."""
    columns = [each.name for each in Sheet(Signature.of(actor_catalogue.submittable(name))).columns]
    return _file(spreadsheets.write([columns]), f"{name}.csv")


@blueprint.post("/actors/<name>/rows")
@allow(Role.SUBMITTER, action="batch.upload")
def read(name: str) -> Response | tuple[str, int]:
    """Parse and validate a file: redirect to its preview, or show why it cannot be read."""
    upload = request.files.get("file")
    try:
        if upload is None or not upload.filename:
            raise UnreadableSheet("Choose a file first.")
        data = upload.stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UnreadableSheet(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Split it.")
        header, rows = Sheet(Signature.of(actor_catalogue.submittable(name))).read(data)
        _, dialect = spreadsheets.read(data)
    except UnreadableSheet as error:
        return _new(name, str(error)), 422
    with database.write() as session:
        batch = batches.draft(
            session, _key(), actor=name, name=upload.filename, header=header, dialect=asdict(dialect), rows=rows, by=visitor().name
        )
    return redirect(url_for("batches.show", id=batch.id), 303)


@blueprint.get("/batches/<id>")
@allow(Role.VIEWER)
def show(id: str) -> str:
    """One batch: row errors before it is submitted, progress of its jobs afterwards."""
    return render_template("batches/show.html", **_shown(id))


@blueprint.get("/batches/<id>/progress")
@allow(Role.VIEWER)
def progress(id: str) -> str:
    """The live part of a batch page."""
    return render_template("batches/_batch.html", **_shown(id))


@blueprint.get("/batches/<id>/rows.csv")
@allow(Role.VIEWER)
def rows(id: str) -> FlaskResponse:
    """Download the file with the outcome of each row."""
    with database.read() as session:
        batch = _find(session, id)
    kept = [index for index, name in enumerate(batch.header) if not name.startswith(OWN)]
    header = [*(batch.header[index] for index in kept), *(OWN + name for name in ("state", "result", "error", "job"))]

    def lines() -> Iterator[list[Any]]:
        yield header
        with database.read() as session:
            for outcome in batches.all_rows(session, id):
                yield [*(outcome.row.cells[index] for index in kept), *_ending(outcome)]

    name = batch.name.removesuffix(".csv").replace('"', "")
    return _file(streamed(spreadsheets.write(lines(), Dialect(**batch.dialect or {}))), f"{name} results.csv")


@blueprint.post("/batches/<id>/submit")
@allow(Role.SUBMITTER, action="batch.submit")
def submit(id: str) -> Response:
    """Submit all valid rows in one transaction."""
    try:
        with database.write() as session:
            batch = _find(session, id)
            if batches.take(session, id, by=visitor().name):
                submissions = _submissions(batch, batches.rows(session, id, limit=MAX_ROWS, bad=False), visitor())
                shared = batches.submit_rows(session, id, submissions)
                others = f"; for {counted(shared, 'row')} a job of their unique key stands" if shared else ""
                text = f"{counted(len(submissions) - shared, 'job')} submitted{others}."
            else:
                text = "This batch was already submitted."
        flash(text, "success")
    except (InvalidArguments, NotAllowed, JobsError) as error:
        if isinstance(error, batches.UnknownBatch):
            raise
        flash(f"Nothing submitted. {error}", "error")
    return redirect(url_for("batches.show", id=id), 303)


@blueprint.post("/batches/<id>/discard")
@allow(Role.SUBMITTER, action="batch.discard")
def discard(id: str) -> Response:
    """Delete a draft."""
    with database.write() as session:
        batch = _find(session, id)
        try:
            batches.discard(session, id)
        except NotAllowed as error:
            flash(f"Failed: {error}.", "error")
            return redirect(url_for("batches.show", id=id), 303)
    flash("Batch discarded; nothing was submitted.", "success")
    return redirect(url_for("batches.new", name=batch.actor), 303)


@blueprint.post("/batches/<id>/<any(cancel, retry):action>")
@allow(Role.OPERATOR, action="batch.{action}")
def act(id: str, action: str) -> Response:
    """Cancel the unfinished jobs of a batch, or retry the failed ones."""
    with database.write() as session:
        batch = _find(session, id)
        if action == "retry":
            permissions.require_submit(batch.actor)
        number = (batches.cancel if action == "cancel" else batches.retry)(session, id)
    words = {"cancel": "cancelled or stopping", "retry": "queued again"}
    flash(f"{counted(number, 'job')} {words[action]}.", "success")
    return redirect(url_for("batches.show", id=id), 303)


def _find(session: Session, id: str) -> Batch:
    batch = batches.find(session, id)
    permissions.require(batch.actor)
    return batch


def _new(name: str, problem: str = "") -> str:
    actor = actor_catalogue.submittable(name)
    signature = Signature.of(actor)
    sheet = Sheet(signature)
    return render_template(
        "batches/new.html", actor=actor, signature=signature, columns=sheet.columns, required=sheet.required, problem=problem,
        key=uuid4().hex, most=MAX_ROWS, megabytes=MAX_BYTES // 1024 // 1024,
    )  # fmt: skip


def _shown(id: str) -> dict[str, Any]:
    after = request.args.get("after", "")
    with database.read() as session:
        batch = _find(session, id)
        figures = batches.figures(session, id)
        listed = batches.rows(session, id, after=int(after) if after.isdecimal() and len(after) < 9 else 0, limit=ROWS)
        bad = batches.rows(session, id, limit=ROWS, bad=True) if batch.bad else []
    more = listed[-1].row.number if len(listed) == ROWS else None
    return {"batch": batch, "figures": figures, "listed": listed, "bad": bad, "more": more, "Stage": Stage}


def _submissions(batch: Batch, fitting: list[Outcome], by: Caller) -> dict[int, Submission]:
    """Build the submissions of the rows; validate again, because the code may have changed since the upload."""
    submissions = {}
    for outcome in fitting:
        wanted = job_request.JobRequest(batch.actor, outcome.row.args or (), outcome.row.kwargs)
        try:
            submissions[outcome.row.number] = job_request.check(wanted, by=by, source="form")
        except InvalidArguments as error:
            raise JobsError(f"Row {outcome.row.number} is no longer valid ({error}): upload the file again.") from None
    return submissions


def _ending(outcome: Outcome) -> tuple[str, str, str, str]:
    """State, result, error and job of a row for the downloaded file."""
    row, job = outcome.row, outcome.job
    if row.problems and not row.job_id:
        return "not submitted", "", " ".join(f"{name}: {text}" if name else text for name, text in row.problems), ""
    if job is None:
        return "deleted" if row.job_id else "draft", "", "", row.job_id or ""
    result = ""
    if job.result_file is not None:
        result = "(a file: see the job's page)"
    elif job.result is not None:
        result = job.result if isinstance(job.result, str) else json.dumps(job.result, ensure_ascii=False)
    return job.state.value, result[:_SHOWN], (job.error or outcome.shared or job.reason or "")[:_SHOWN], job.id


def _file(lines: Iterator[bytes], name: str) -> FlaskResponse:
    answer = FlaskResponse(lines, mimetype="text/csv")
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


def _key() -> str:
    """The form's idempotency key: a double click creates one draft."""
    try:
        return str(UUID(request.form.get(KEY, "")))
    except ValueError:
        return str(uuid4())
