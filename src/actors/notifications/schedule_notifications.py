"""Schedule notifications by mail: missed deadlines, failures, recoveries, pauses."""

from __future__ import annotations

from typing import Any

import dramatiq

from ...jobs import current_job
from ...mail.letters import Letter
from ...settings import get_settings
from ..mail import post

#: characters of a subject
SUBJECT_LENGTH = 200


@dramatiq.actor(queue_name="mail", transactional=True, max_retries=3)
def mail_schedule_news(what: dict[str, Any]) -> str:
    """Mail the admins about an event of a schedule.

    Use it as a schedule's on_failure, on_recovery or on_alert, or in CALLBOARD_ALERT_ACTOR; it receives the object
    described in docs/reference/schedules.md.
    """
    admins = get_settings().admins
    if not admins:
        return "CALLBOARD_MAIL_ADMINS names no recipients"
    text = str(what.get("text") or what.get("event"))
    address = f"{get_settings().effective_public_url}/schedules/{what.get('schedule_id')}"
    facts = [f"{name}: {what[name]}" for name in ("actor", "scheduled_for", "job_id", "error") if what.get(name)]
    subject = " ".join(text.split())[:SUBJECT_LENGTH]
    return post(
        current_job.session,
        Letter(to=admins, subject=subject, template="letter", context={"text": "\n\n".join([f"{text}.", *facts, address])}),
    )
