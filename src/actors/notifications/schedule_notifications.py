"""Schedule notifications by mail: missed deadlines, failures, recoveries, pauses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dramatiq

from ...jobs import current_job
from ...mail.letters import Letter, one_line
from ...settings import get_settings
from ..mail import post

#: characters of a subject
SUBJECT_LENGTH = 200
#: fields of the event that the mail gives, with their labels
_FACTS = {"actor": "Actor", "scheduled_for": "Scheduled for", "job_id": "Job", "error": "Error"}


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
    facts = [
        f"{label}: {_utc(str(what[name])) if name == 'scheduled_for' else what[name]}" for name, label in _FACTS.items() if what.get(name)
    ]
    subject = one_line(text, SUBJECT_LENGTH)
    return post(
        current_job.session,
        Letter(to=admins, subject=subject, template="letter", context={"text": "\n\n".join([f"{text}.", *facts, address])}),
    )


def _utc(text: str) -> str:
    """Format the instant of an event for people; any other text stays as it is."""
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return text
