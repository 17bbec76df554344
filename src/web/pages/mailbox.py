"""/mailbox: the built-in mailbox, used if no mail server is configured."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ...mail import mailbox
from ...mail.catcher import USER
from ...operations.format.list_filters import read_filter
from ...operations.people.roles import Role
from ...settings import get_settings
from ...sql import database
from ..auth import allow
from ..render import emails

blueprint = Blueprint("mailbox", __name__)

ROWS = 50


@blueprint.get("/mailbox")
@allow(Role.OPERATOR)
def index() -> str:
    """A page of emails, newest first."""
    with database.read() as session:
        page = mailbox.page(session, after=read_filter(request.args).after, limit=ROWS)
    return render_template("mailbox/index.html", page=page, is_used=f"//{USER}:" in get_settings().smtp_url)


@blueprint.get("/mailbox/<int:seq>")
@allow(Role.OPERATOR)
def show(seq: int) -> Response:
    """One email."""
    with database.read() as session:
        mail, raw = mailbox.find(session, seq), mailbox.raw_of(session, seq)
    return emails.page("mailbox/show.html", raw, mail=mail)


@blueprint.get("/mailbox/<int:seq>/html")
@allow(Role.OPERATOR)
def html(seq: int) -> Response:
    """The email's HTML, for the frame."""
    return emails.frame(_raw(seq))


@blueprint.get("/mailbox/<int:seq>/parts/<int:number>")
@allow(Role.OPERATOR)
def part(seq: int, number: int) -> Response:
    """An attachment."""
    return emails.part(_raw(seq), number)


@blueprint.get("/mailbox/<int:seq>/raw")
@allow(Role.OPERATOR)
def raw(seq: int) -> Response:
    """The raw email."""
    return emails.whole(_raw(seq), f"mail-{seq}")


@blueprint.post("/mailbox/empty")
@allow(Role.OPERATOR, action="mailbox.empty")
def empty() -> AnyResponse:
    """Delete every email."""
    with database.write() as session:
        count = mailbox.empty(session)
    flash(f"{count} deleted.", "success")
    return redirect(url_for("mailbox.index"), 303)


def _raw(seq: int) -> bytes | None:
    with database.read() as session:
        return mailbox.raw_of(session, seq)
