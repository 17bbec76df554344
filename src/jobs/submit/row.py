"""Row of a submission: combine and check the options of its message, its call and its actor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dramatiq import Message

from ...settings import get_settings
from ...sql.columns import to_microseconds
from ..core.envelopes import dumps
from ..core.errors import JobsError
from ..core.states import State, Unique
from ..limits import fair_queueing
from . import defaults
from .requests import Submission

#: queue names valid in both Dramatiq and RabbitMQ; the suffixes .DQ and .XQ are reserved
QUEUE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9._-]{0,199}")

#: valid names and keys: no store holds a lone surrogate, and PostgreSQL no NUL
NAME = re.compile(r"[^\x00\ud800-\udfff]{1,255}")

#: cached pairs of an actor and a queue with valid names
NAMES_KNOWN = 1_000
_fitting_names: set[tuple[str, str]] = set()

#: default priority; 9 is the most urgent
NORMAL_PRIORITY = 5

#: message options that Callboard sets itself
_OWN_OPTIONS = frozenset({"attempt", "eta", "retries", "traceback", "requeue_timestamp", "stands_in"})


def row_of(submission: Submission, present: datetime, *, carried: Mapping[str, str] | None = None) -> dict[str, Any]:
    message = submission.message
    _check_names(message)
    for name, key in (
        ("unique_key", submission.unique_key),
        ("idempotency_key", submission.idempotency_key),
        ("submitted_by", submission.submitted_by),
        ("fair_key", submission.fair_key),
    ):
        if key is not None:
            _check_name(name, key)
    declared = defaults.of(message.actor_name)
    message = declared.seal(message)
    # Keys are computed from arguments: with placeholders they would be the same for every workflow.
    keys = defaults.NOTHING if submission.takes_results or submission.stands_in else declared
    priority = _first(submission.priority, declared.priority, NORMAL_PRIORITY)
    if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= 9:
        raise JobsError(f"priority must be a whole number between 0 and 9, not {priority!r}", field="priority")
    expires_at = submission.expires_at
    waits = submission.waits_for is not None
    if expires_at is None and declared.expires_after is not None and not waits:
        expires_at = (submission.due_at or present) + declared.expires_after
    for name, instant in (("due_at", submission.due_at), ("expires_at", expires_at)):
        if instant is not None and instant.tzinfo is None:
            raise JobsError(f"{name} needs a time zone, e.g. 2030-01-01T09:00:00Z", field=name)
    fair_key = submission.fair_key or keys.fair_key(message)
    delayed = submission.due_at is not None and submission.due_at > present
    waits_for, reason = submission.waits_for, submission.reason
    if fair_key is not None and not delayed and not waits:
        waits_for = fair_queueing.waits_for(message.queue_name, fair_key)
        reason = f"waits for its turn among the jobs of {fair_key!r} and others"
    scheduled = delayed or waits_for is not None
    options = {name: value for name, value in message.options.items() if name not in _OWN_OPTIONS and value is not None}
    if carried:
        options.update(carried)
    if submission.stands_in is not None:
        options["stands_in"] = submission.stands_in
    texts = {"args": _json(list(message.args), "args"), "kwargs": _json(message.kwargs, "kwargs"), "options": _json(options, "options")}
    size = len(texts["args"]) + len(texts["kwargs"]) + len(texts["options"])
    settings = get_settings()
    limit = settings.max_message_bytes
    if size > limit:
        raise JobsError(
            f"the arguments are {size} bytes of JSON; at most {limit} are kept: pass an id or a file's path instead", field="args"
        )
    publish_at = None if scheduled else present + timedelta(seconds=settings.publish_grace)
    return {
        "id": message.message_id,
        "actor": message.actor_name,
        "queue": message.queue_name,
        "state": (State.SCHEDULED if scheduled else State.QUEUED).value,
        "reason": reason,
        **texts,
        "priority": priority,
        "source": submission.source,
        "submitted_by": submission.submitted_by,
        "unique_key": submission.unique_key or keys.unique_key(message),
        "unique_until": _first(submission.unique_until, declared.unique, Unique.FINISHED).value,
        "fair_key": fair_key,
        "waits_for": waits_for,
        "workflow_seq": submission.workflow_seq,
        "idempotency_key": submission.idempotency_key,
        "due_us": to_microseconds(submission.due_at) if submission.due_at is not None and delayed and not waits else None,
        "expires_us": None if expires_at is None else to_microseconds(expires_at),
        "publish_us": None if publish_at is None else to_microseconds(publish_at),
    }


def _first(*values: Any) -> Any:
    for value in values:
        if value is not None:
            return value
    raise AssertionError("the last value is never None")


def _check_names(message: Message[Any]) -> None:
    _check_name("id", message.message_id)
    names = (str(message.actor_name), str(message.queue_name))
    if names in _fitting_names and names == (message.actor_name, message.queue_name):
        return
    _check_name("actor", message.actor_name)
    _check_name("queue", message.queue_name)
    if not QUEUE_NAME.fullmatch(message.queue_name) or message.queue_name.endswith((".DQ", ".XQ")):
        raise JobsError(
            f"{message.queue_name!r} cannot be a queue's name: letters, digits, '.', '_' and '-', not ending in .DQ or .XQ", field="queue"
        )
    if len(_fitting_names) < NAMES_KNOWN:
        _fitting_names.add(names)


def _check_name(field: str, text: object) -> None:
    if not isinstance(text, str) or not NAME.fullmatch(text):
        raise JobsError(f"{field} must be a text of 1 to 255 characters, not {text!a:.60}", field=field)


def _json(value: Any, field: str) -> str:
    try:
        return dumps(value)
    except (TypeError, ValueError) as error:
        raise JobsError(
            f"{field} cannot be written as JSON ({error}): pass text, numbers, booleans, lists and objects", field=field
        ) from None
