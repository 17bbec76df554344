"""/jobs/bulk: bulk action on all jobs of a query: confirm the number, then run it as a background job."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from ....jobs import search
from ....jobs.control import bulk
from ....jobs.control.bulk import Verb
from ....jobs.core.errors import JobsError
from ....jobs.search import Query
from ....jobs.search.grammar import quote
from ....operations.format.instants import parse_instant
from ....operations.format.list_filters import query_text
from ....operations.jobs.requests import bulk_request
from ....operations.people.roles import Role
from ....sql import database
from ....sql.clock import now
from ...auth import allow, visitor

blueprint = Blueprint("bulk", __name__)


@blueprint.get("/jobs/many")
@allow(Role.OPERATOR)
def confirm() -> str | Response:
    """The confirmation page; changes nothing."""
    verb, chosen = _verb(request.args.get("verb")), request.args.getlist("id")
    if request.args.get("scope") == "chosen":
        if not chosen:
            flash("No jobs selected.", "error")
            return redirect(url_for("jobs.index", q=request.args.get("q") or None), 303)
        return _page(verb, search.parse("id:" + ",".join(quote(id) for id in chosen)))
    return _page(verb, search.parse(query_text(request.args)))


@blueprint.post("/jobs/many")
@allow(Role.OPERATOR, action="bulk.start")
def start() -> Response | tuple[str, int]:
    """Submit the bulk job; above a hundred jobs the user must type the number."""
    verb = _verb(request.form.get("verb"))
    query = bulk_request.within(verb, search.parse(request.form.get("q", "")))
    shown, up_to, asked_at = _number("count"), _number("up_to"), _instant("asked_at")
    typed = request.form.get("typed", "").replace("\u202f", "").replace(",", "").replace(" ", "")
    if shown > bulk.TYPED_ABOVE and typed != str(shown):
        return _page(verb, query, error=f"Type {shown}, the number of jobs, to continue."), 422
    with database.write() as session:
        receipt = bulk_request.start(session, verb, query, up_to=up_to, asked_at=asked_at, count=shown, by=visitor(), source="form")
    flash(f"Started: {verb} of {query.in_words()}. Cancel this job to stop it.", "success")
    return redirect(url_for("jobs.show", id=receipt.id), 303)


def _page(verb: Verb, query: Query, *, error: str | None = None) -> str:
    query = bulk_request.within(verb, query)
    with database.read() as session:
        selection = bulk_request.select(session, verb, query)
    return render_template("jobs/bulk.html", selection=selection, verb=verb, query=query, error=error, typed_above=bulk.TYPED_ABOVE)


def _verb(text: str | None) -> Verb:
    try:
        return bulk_request.read_verb(text)
    except JobsError as error:
        raise BadRequest(str(error)) from None


def _number(name: str) -> int:
    text = request.form.get(name, "")
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise BadRequest("Reload the page, then confirm.")
    return int(text)


def _instant(name: str) -> datetime:
    try:
        return min(parse_instant(request.form.get(name, "")), now())
    except ValueError:
        raise BadRequest("Reload the page, then confirm.") from None
