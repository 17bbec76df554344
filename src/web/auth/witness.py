"""What a request does, for the audit: its deed begins when somebody is let in, and every refusal is written down.

What changes something (any method but the safe ones) is a deed; the commit of its view writes the line (src/audit/deeds.py).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, g, request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from src import audit, database
from src.audit import Deed, Outcome, Via, queries
from src.database import now
from src.logs import get_logger

log = get_logger(__name__)

#: what an endpoint does, in one word behind its kind of thing; {…} are parts of the address. An endpoint that is not here has
#: its method and address as its action.
ACTIONS = {
    "actors.submit": "job.submit", "users.create": "job.submit", "count.start": "job.submit", "api.submit": "job.submit", "api.submit_bulk": "job.submit",
    "jobs.act": "job.{action}", "bulk.start": "bulk.start", "api.act_on_many": "bulk.start", "errors.act": "error.{deed}", "jobs.rerun": "job.re-run", "jobs.rerun_with_edits": "job.re-run", "jobs.save": "job.edit", "api.act": "job.{action}", "api.edit": "job.edit",
    "api.submit_workflow": "workflow.submit", "workflows.act": "workflow.{action}", "api.act_on_workflow": "workflow.{action}",
    "schedules.create": "schedule.create", "schedules.change": "schedule.change", "schedules.act": "schedule.{verb}",
    "api.create_schedule": "schedule.create", "api.change_schedule": "schedule.change", "api.delete_schedule": "schedule.delete",
    "api.act_on_schedule": "schedule.{verb}", "api.run_schedule_now": "schedule.run-now", "api.backfill_schedule": "schedule.backfill",
    "controls.pause": "target.pause", "controls.resume": "target.resume", "controls.limit": "target.limit", "controls.reset": "breaker.reset",
    "api.pause": "target.pause", "api.resume": "target.resume", "api.set_limits": "target.limit", "api.follow_code": "target.limit",
    "api.reset_breaker": "breaker.reset", "mails.resend": "mail.resend", "api.resend_mail": "mail.resend", "mailbox.empty": "mailbox.empty",
    "jobs.save_view": "view.save", "jobs.delete_view": "view.delete",
    "auth.sign_out": "session.sign-out", "sign_ins.end": "session.end", "account.end_session": "session.end", "people.create": "user.create",
    "people.change": "user.{verb}", "tokens.create": "token.create", "api.create_user": "user.create", "api.change_user": "user.rights", "api.act_on_user": "user.{verb}",
    "api.create_api_token": "token.create", "api.revoke_api_token": "token.revoke", "tokens.revoke": "token.revoke", "account.create_token": "token.create",
    "account.revoke_token": "token.revoke", "account.change_password": "user.password",
    "webhooks.create": "webhook.create", "webhooks.ping": "webhook.ping", "webhooks.delete": "webhook.delete", "webhooks.resend": "webhook.resend",
    "api.create_webhook": "webhook.create", "api.delete_webhook": "webhook.delete", "api.ping_webhook": "webhook.ping", "api.resend_delivery": "webhook.resend",
    "api.call_actor": "job.submit", "workers.act": "worker.{verb}", "queues.requeue": "queue.requeue", "api.requeue_dead_letters": "queue.requeue", "api.purge_queue": "queue.purge", "api.act_on_worker": "worker.{verb}",
    "batches.read": "batch.read", "batches.submit": "batch.submit", "batches.discard": "batch.discard", "batches.act": "batch.{action}",
    "alerts.mute": "alert.mute", "alerts.unmute": "alert.unmute", "api.mute_alert": "alert.mute", "api.unmute_alert": "alert.unmute",
    "actors.save_preset": "preset.save", "actors.delete_preset": "preset.delete",
}  # fmt: skip
NOBODY = "nobody"
#: between two lines about the same stranger
QUIET = timedelta(minutes=1)
#: parts of an address that say what is done, not to what
_VERBS = ("action", "deed", "verb", "setting", "form")


def init(app: Flask) -> None:
    """End every deed with its request."""
    app.teardown_request(_end)


def begin() -> None:
    """The visitor is let in: the view's commit writes the line."""
    audit.begin(_deed())


def note(session: Session, action: str, who: str, *, refused: str | None = None, **details: Any) -> None:
    """Write a line of what happens at the door, in the caller's transaction. `refused`: why it was."""
    audit.end()
    deed = Deed(who or NOBODY, _via(), action, address=_address(), kind=action.partition(".")[0], details=details)
    audit.record(session, deed, outcome=Outcome.REFUSED if refused else Outcome.DONE, reason=refused)


def note_knocking(session: Session, action: str, who: str, *, refused: str) -> None:
    """Write that a stranger was refused again, once a minute: his tries must not fill the disk."""
    if not queries.is_noted(session, action, who or NOBODY, reason=refused, address=_address(), since=now() - QUIET):
        note(session, action, who, refused=refused)


def refuse(reason: str) -> None:
    """Write down that the request was refused, in a transaction of its own: that of the view is gone."""
    audit.end()
    try:
        with database.write() as session:
            if g.get("visitor") is None:
                note_knocking(session, "token.use" if "Authorization" in request.headers else "session.sign-in", NOBODY, refused=reason)
            else:
                audit.record(session, _deed(), outcome=Outcome.REFUSED, reason=reason)
    except SQLAlchemyError as error:
        # Refused all the same; without a database nothing else could be done either.
        database.log_outage(log, "refusal_not_written", error, path=request.path)


def _deed() -> Deed:
    visitor, values = g.visitor, dict(request.view_args or {})
    template = ACTIONS.get(request.endpoint or "")
    if template:
        action = template.format_map(values)
        kind = action.partition(".")[0]
    else:
        rule = request.url_rule.rule if request.url_rule else request.path
        action, kind = f"{request.method} {rule}", None
    subject = next((str(value) for name, value in values.items() if name not in _VERBS), None)
    details = {}
    if action == "job.submit":
        # The address names the actor; the job has no name before it is written.
        details, subject = {"actor": subject}, None
    return Deed(visitor.name, _via(), action, visitor.key, visitor.role.value, _address(), kind, subject, details)


def _via() -> Via:
    return Via.API if request.blueprint == "api" or request.path.startswith("/api/") else Via.PAGE


def _address() -> str | None:
    return (request.remote_addr or "")[:64] or None


def _end(_error: BaseException | None) -> None:
    audit.end()
