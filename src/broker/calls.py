"""What a call says about when and how: `send_with_options(delay=, eta=, expires=, priority=, unique_key=, …)`."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from dramatiq import Message

from src.database import now
from src.jobs.errors import JobsError
from src.jobs.submission import Submission

#: message options that are about the submission, and so are not kept with the job
CALL_OPTIONS = frozenset(
    {"eta", "expires", "priority", "broker_priority", "unique_key", "idempotency_key", "fair_key", "link", "link_error"}
)


def submission(message: Message[Any], delay: int | None = None, **how: Any) -> Submission:
    """The submission that a message's options ask for. `delay` in milliseconds; raises JobsError naming the option at fault."""
    options = message.options
    if not CALL_OPTIONS.isdisjoint(options):
        message = dataclasses.replace(message, options={name: value for name, value in options.items() if name not in CALL_OPTIONS})
    due_at = None if delay is None else now() + timedelta(milliseconds=delay)
    if options.get("eta") is not None:
        due_at = instant(options["eta"], "eta")
    expires_at = None if options.get("expires") is None else instant(options["expires"], "expires")
    priority = options.get("priority", options.get("broker_priority"))
    keys = {name: options.get(name) for name in ("unique_key", "idempotency_key", "fair_key")}
    return Submission(message, due_at=due_at, expires_at=expires_at, priority=priority, **{**keys, **how})


def instant(value: Any, field: str) -> datetime:
    """An aware datetime from a datetime, a timedelta or a number of milliseconds: from now, or since 1970 for `eta`."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise JobsError(f"{field} needs a time zone, e.g. datetime.now(UTC) + timedelta(minutes=5)", field=field)
        return value
    if isinstance(value, timedelta):
        return now() + value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000, UTC) if field == "eta" else now() + timedelta(milliseconds=value)
    raise JobsError(f"{field} must be a datetime, a timedelta or milliseconds, not {value!r:.60}", field=field)
