"""Row of a submission: combine and check the options of its message, its call and its actor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from dramatiq import Message

from ...settings import get_settings
from ...sql.columns import to_microseconds
from ..core.envelopes import dumps
from ..core.errors import JobsError
from ..core.states import State
from ..limits import fair_queueing
from ..options.job_options import FIELDS, STORED
from ..options.option_kinds import OptionKind
from . import defaults
from .requests import Submission

#: queue names valid in both Dramatiq and RabbitMQ; the suffixes .DQ and .XQ are reserved
QUEUE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9._-]{0,199}")

#: valid names and keys: no store holds a lone surrogate, and PostgreSQL no NUL
NAME = re.compile(r"[^\x00\ud800-\udfff]{1,255}")

#: cached pairs of an actor and a queue with valid names
NAMES_KNOWN = 1_000
_fitting_names: set[tuple[str, str]] = set()

_GIVEN = attrgetter(*FIELDS)
_NOTHING = (None,) * len(FIELDS)
#: fields whose values differ from those of their columns
_CONVERTED = [(field, FIELDS[field].kind.stored) for field in STORED if type(FIELDS[field].kind).stored is not OptionKind.stored]

#: message options that Callboard sets itself
_OWN_OPTIONS = frozenset({"attempt", "eta", "retries", "traceback", "requeue_timestamp", "stands_in"})
#: message options in which None is a value: no limit
_NULLABLE = frozenset({"max_retries"})


def row_of(submission: Submission, present: datetime, *, carried: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the values by column, and those of options without one; instants are microseconds since 1970.

    Raises JobsError if the message cannot be stored.
    """
    message = submission.message
    _check_names(message)
    if submission.submitted_by is not None:
        _check_name("submitted_by", submission.submitted_by)
    declared = defaults.of(message.actor_name)
    message = defaults.sealed(message)
    # Keys are computed from arguments: with placeholders they would be the same for every workflow.
    keys = defaults.NOTHING if submission.takes_results or submission.stands_in else declared
    chosen = _chosen(submission, declared.usual)
    due_at, waits = chosen["due_at"], submission.waits_for is not None
    if chosen["expires_at"] is None and declared.expires_after is not None and not waits:
        chosen["expires_at"] = (due_at or present) + declared.expires_after
    chosen["unique_key"] = chosen["unique_key"] or keys.unique_key(message)
    fair_key = chosen["fair_key"] = chosen["fair_key"] or keys.fair_key(message)
    delayed = due_at is not None and due_at > present
    if waits or not delayed:
        chosen["due_at"] = None
    waits_for, reason = submission.waits_for, submission.reason
    if fair_key is not None and not delayed and not waits:
        waits_for = fair_queueing.waits_for(message.queue_name, fair_key)
        reason = fair_queueing.reason(fair_key)
    scheduled = delayed or waits_for is not None
    options = {
        name: value for name, value in message.options.items() if name not in _OWN_OPTIONS and (value is not None or name in _NULLABLE)
    }
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
    for field, stored in _CONVERTED:
        if (value := chosen[field]) is not None:
            chosen[field] = stored(value)
    publish_at = None if scheduled else present + timedelta(seconds=settings.publish_grace)
    return {
        "id": message.message_id,
        "actor": message.actor_name,
        "queue": message.queue_name,
        "state": (State.SCHEDULED if scheduled else State.QUEUED).value,
        "reason": reason,
        **texts,
        "source": submission.source,
        "submitted_by": submission.submitted_by,
        "waits_for": waits_for,
        "workflow_seq": submission.workflow_seq,
        "parent_id": submission.parent_id,
        "publish_at": None if publish_at is None else to_microseconds(publish_at),
        **chosen,
    }


def _chosen(submission: Submission, usual: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the options by field: the call's, else the usual ones."""
    chosen, given = dict(usual), _GIVEN(submission)
    if given != _NOTHING:  # most calls give no option
        for (field, option), value in zip(FIELDS.items(), given, strict=True):
            if value is not None:
                chosen[field] = option.kind.check(field, value)
    return chosen


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
