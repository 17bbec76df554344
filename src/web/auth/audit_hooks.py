"""Audit hooks of a request: begin an entry once the caller is authorised, and record every denied request.

Every request with an unsafe method begins an entry; the commit of its view writes it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, current_app, g, request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ... import audit
from ...audit import Outcome, PendingEntry, Via, queries
from ...logs import get_logger
from ...sql import database, outages
from ...sql.clock import now

log = get_logger(__name__)

#: attribute of a view: the audit action that `allow` declares
ACTION = "callboard_action"
ANONYMOUS = "nobody"
#: interval between two entries about the same unauthenticated client
QUIET = timedelta(minutes=1)
#: URL parameters that name the action, not the subject
_VERBS = ("action", "verb", "setting", "form")


def init(app: Flask) -> None:
    """End the entry with its request."""
    app.teardown_request(_end)


def begin() -> None:
    """Begin the entry of an authorised request; the view's commit writes it."""
    audit.begin(_entry())


def note(session: Session, action: str, who: str, *, refused: str | None = None, **details: Any) -> None:
    """Write an entry of a sign-in or sign-out in the given session. `refused`: reason of the denial."""
    audit.end()
    entry = PendingEntry(who or ANONYMOUS, _via(), action, address=_address(), kind=action.partition(".")[0], details=details)
    audit.record(session, entry, outcome=Outcome.REFUSED if refused else Outcome.DONE, reason=refused)


def note_knocking(session: Session, action: str, who: str, *, refused: str) -> None:
    """Record a denied anonymous client at most once a minute, so that repeated attempts do not fill the disk."""
    if not queries.is_noted(session, action, who or ANONYMOUS, reason=refused, address=_address(), since=now() - QUIET):
        note(session, action, who, refused=refused)


def refuse(reason: str) -> None:
    """Record the denial in a separate transaction, because the view's is rolled back."""
    audit.end()
    try:
        with database.write() as session:
            if g.get("visitor") is None:
                note_knocking(session, "token.use" if "Authorization" in request.headers else "session.sign-in", ANONYMOUS, refused=reason)
            else:
                audit.record(session, _entry(), outcome=Outcome.REFUSED, reason=reason)
    except SQLAlchemyError as error:
        # The request is denied anyway; without a database no entry can be written.
        outages.log_outage(log, "refusal_not_written", error, path=request.path)


def _entry() -> PendingEntry:
    visitor, values = g.visitor, dict(request.view_args or {})
    template = getattr(current_app.view_functions.get(request.endpoint or ""), ACTION, None)
    if template:
        action = template.format_map(values)
        kind = action.partition(".")[0]
    else:
        rule = request.url_rule.rule if request.url_rule else request.path
        action, kind = f"{request.method} {rule}", None
    subject = next((str(value) for name, value in values.items() if name not in _VERBS), None)
    details = {}
    if action == "job.submit":
        # The URL names the actor; the job has no id before it is written.
        details, subject = {"actor": subject}, None
    return PendingEntry(visitor.name, _via(), action, visitor.key, visitor.role.value, _address(), kind, subject, details)


def _via() -> Via:
    return Via.API if request.blueprint == "api" or request.path.startswith("/api/") else Via.PAGE


def _address() -> str | None:
    return (request.remote_addr or "")[:64] or None


def _end(_error: BaseException | None) -> None:
    audit.end()
