"""Page of the oldest dead letters of a queue: requeue, edit or delete one, or delete all."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from .... import audit
from ....broker.recover import dead_letter_contents as contents
from ....broker.recover.dead_letters import BrokerAway
from ....formats.quantities import counted
from ....jobs.core import values
from ....jobs.core.errors import JobsError
from ....jobs.read import queries
from ....operations.arguments.field import Kind, write
from ....operations.failures import dead_letter_documents, dead_letter_requests
from ....operations.fleet import override_requests
from ....operations.fleet.override_requests import Target
from ....operations.jobs.documents import job_documents
from ....operations.people.roles import Role
from ....sql import database
from ...auth import allow

blueprint = Blueprint("letters", __name__)

#: characters of arguments that a form shows
LONGEST = 50_000
_DONE = {"requeue": "Requeued.", "delete": "Deleted."}


@blueprint.get("/queues/<name>/dead-letters")
@allow(Role.OPERATOR)
def index(name: str) -> str:
    """The oldest dead letters, with the jobs that they belong to."""
    _require(name)
    trouble, letters = None, []
    try:
        letters = dead_letter_documents.seen(name)
    except BrokerAway as error:
        trouble = str(error)
    with database.read() as session:
        jobs = {job.id: job for job in queries.find_many(session, [each.id for each in letters if each.id])}
    # A form with masked secrets would send the mask back as the argument.
    editable = {
        each.key: texts
        for each in letters
        if each.actor and each.id not in jobs and job_documents.arguments(each) == (each.args, each.kwargs)
        for texts in [(write(Kind.JSON, each.args), write(Kind.JSON, each.kwargs))]
        if sum(map(len, texts)) <= LONGEST
    }
    return render_template(
        "queues/dead_letters.html", name=name, letters=letters, jobs=jobs, trouble=trouble, most=contents.SHOWN, editable=editable
    )


@blueprint.post("/queues/<name>/dead-letters/<key>/<any(requeue, delete):action>")
@allow(Role.OPERATOR, action="dead-letter.{action}")
def act(name: str, key: str, action: str) -> Response:
    """Requeue, edit or delete one dead letter."""
    _require(name)
    try:
        if action == "delete":
            contents.delete_one(name, key)
        else:
            dead_letter_requests.requeue_one(name, key, arguments=_arguments())
        flash(_DONE[action], "success")
    except (BrokerAway, JobsError) as error:
        flash(f"Failed: {error}", "error")
    return redirect(url_for("letters.index", name=name), 303)


@blueprint.post("/queues/<name>/dead-letters/purge")
@allow(Role.OPERATOR, action="dead-letter.purge")
def purge(name: str) -> Response:
    """Delete all dead letters of the queue, after its name was typed."""
    _require(name)
    if request.form.get("typed", "").strip() != name:
        flash(f"Nothing deleted: type {name}, the name of the queue, to confirm.", "error")
    else:
        try:
            number = contents.purge(name)
            flash(f"{counted(number, 'dead letter')} deleted.", "success")
        except BrokerAway as error:
            flash(f"Failed: {error}", "error")
    return redirect(url_for("letters.index", name=name), 303)


def _require(name: str) -> None:
    """Raise NotFound unless this is a queue that the caller may see; name it in the audit log."""
    with database.write() if request.method == "POST" else database.read() as session:
        try:
            override_requests.require(session, Target("queue", name))
        except JobsError as error:
            raise NotFound(str(error)) from None
        if request.method == "POST":
            audit.about("queue", name)


def _arguments() -> dict[str, Any] | None:
    """The edited arguments of the form; None: unchanged."""
    if "args" not in request.form:
        return None
    try:
        sent = {name: values.loads(request.form.get(name, "")) for name in ("args", "kwargs")}
        values.dumps(sent)
    except (ValueError, RecursionError) as error:
        raise JobsError(f"the arguments are not JSON that a message can hold ({error}).", field="args") from None
    if not isinstance(sent["args"], list) or not isinstance(sent["kwargs"], dict):
        raise JobsError("give a JSON list of positional arguments and an object of named ones.", field="args")
    return sent
