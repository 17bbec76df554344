"""/mails: outgoing emails, their deliveries per recipient, and resending."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as AnyResponse

from ...actors.mail import send_again
from ...jobs.read import queries
from ...mail import deliveries
from ...mail.models import DeliveryState
from ...operations.format.list_filters import read_filter
from ...operations.people.roles import Role
from ...sql import database
from ..auth import allow, visitor
from ..render import emails

blueprint = Blueprint("mails", __name__)

ROWS = 50


@blueprint.get("/mails")
@allow(Role.OPERATOR)
def index() -> str:
    """A page of emails, newest first."""
    state = _state(request.args.get("state"))
    # `state` is a delivery state here, which the filter for job states rejects.
    after = read_filter({"after": request.args.get("after", "")}).after
    with database.read() as session:
        page = deliveries.page(session, state=state, after=after, limit=ROWS)
        counts = deliveries.counts(session)
    return render_template("mails/index.html", page=page, state=state, counts=counts, states=list(DeliveryState))


@blueprint.get("/mails/<id>")
@allow(Role.OPERATOR)
def show(id: str) -> Response:
    """One email with its deliveries."""
    with database.read() as session:
        mail, raw = deliveries.find(session, id), deliveries.raw_of(session, id)
        job = queries.find(session, mail.delivery_job_id) if mail and mail.delivery_job_id else None
    return emails.page("mails/show.html", raw, mail=mail, job=job)


@blueprint.get("/mails/<id>/html")
@allow(Role.OPERATOR)
def html(id: str) -> Response:
    """The email's HTML, for the frame."""
    return emails.frame(_raw(id))


@blueprint.get("/mails/<id>/parts/<int:number>")
@allow(Role.OPERATOR)
def part(id: str, number: int) -> Response:
    """An attachment."""
    return emails.part(_raw(id), number)


@blueprint.get("/mails/<id>/raw")
@allow(Role.OPERATOR)
def raw(id: str) -> Response:
    """The raw email."""
    return emails.whole(_raw(id), id)


@blueprint.post("/mails/<id>/resend")
@allow(Role.OPERATOR, action="mail.resend")
def resend(id: str) -> AnyResponse:
    """Resend the email to the chosen recipient, or to all that were not reached."""
    number = request.form.get("number", "")
    if number and not (number.isdecimal() and number.isascii() and len(number) < 6):
        raise BadRequest("number: give the number of a recipient from the list.")
    with database.write() as session:
        if deliveries.find(session, id) is None:
            raise NotFound(f"There is no email {id}.")
        recipients = send_again(session, id, [int(number)] if number else [], by=visitor().name)
    flash(
        f"Resending to {', '.join(recipients[:3])}{' …' if len(recipients) > 3 else ''}."
        if recipients
        else "Already delivered to every recipient.",
        "success",
    )
    return redirect(url_for("mails.show", id=id), 303)


def _raw(id: str) -> bytes | None:
    with database.read() as session:
        return deliveries.raw_of(session, id)


def _state(word: str | None) -> DeliveryState | None:
    if not word:
        return None
    try:
        return DeliveryState(word)
    except ValueError:
        raise BadRequest(f"state: choose one of {', '.join(DeliveryState)}.") from None
