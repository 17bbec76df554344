"""Message options: what one call may set for its job, and errors that suggest the right name.

An unknown option would be ignored silently, and the job would run differently from what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ..core.errors import JobsError
from .job_options import FIELDS, IN_MESSAGES, OPTIONS

#: options of the submission; not stored with the message
OF_SUBMISSION = IN_MESSAGES | {"link", "link_error"}
#: milliseconds with which a call may override its actor, which must be above 0
_LIMITS = frozenset({"hard_time_limit", "time_limit"})
#: milliseconds or counts
_NUMBERS = _LIMITS | {"max_backoff", "max_retries", "min_backoff", "retry_delay"}
#: yes or no
_FLAGS = frozenset({"isolated", "notify_shutdown", "pipe_ignore"})
#: the largest of these numbers; 2**53, as JSON's readers keep it
_LARGEST = 2**53
#: names of actors
ACTORS = frozenset({"on_failure", "on_retry_exhausted", "on_success"})
#: options of attempts and what follows them
_OF_ATTEMPTS = _NUMBERS | _FLAGS | ACTORS | {"result_ttl", "store_results"}
#: options in which Dramatiq's pipelines and groups write what follows
_OF_FOLLOW_UPS = frozenset({"group_completion_callbacks", "group_completion_uuid", "pipe_target"})
#: options written by Dramatiq, periodiq and Callboard itself
_WRITTEN = _OF_FOLLOW_UPS | {
    "attempt", "redelivered", "requeue_timestamp", "retries", "scheduled_at", "scheduled_for", "stands_in", "traceback", "traceparent", "tracestate",
}  # fmt: skip
#: the field of submit() for each name of an option
_FIELD_OF = {name: option.field for option in OPTIONS for name in (option.field, option.name, option.alias) if name is not None}
_KNOWN = OF_SUBMISSION | _OF_ATTEMPTS | _WRITTEN

_MILLISECONDS = " in milliseconds"
#: option names of Celery, RQ, Dramatiq's other middleware and others, with our names for them
_ELSEWHERE = {
    **dict.fromkeys(("countdown", "defer_by", "delay_seconds", "enqueue_in", "in_", "wait"), f"delay{_MILLISECONDS}"),
    **dict.fromkeys(("at", "due_at", "enqueue_at", "not_before", "run_at", "schedule", "scheduled_for"), "eta, a datetime with a time zone"),
    **dict.fromkeys(("expires_at", "expires_in", "max_age", "ttl"), "expires, a datetime, a timedelta or milliseconds"),
    **dict.fromkeys(("hard_timeout", "timeout_hard"), f"hard_time_limit{_MILLISECONDS}"),
    **dict.fromkeys(("job_timeout", "soft_time_limit", "timeout"), f"time_limit{_MILLISECONDS}"),
    **dict.fromkeys(("max_attempts", "max_tries", "retry", "retry_limit"), "max_retries"),
    **dict.fromkeys(("dedup_key", "deduplication_key", "unique", "unique_id"), "unique_key"),
    **dict.fromkeys(("idempotency", "request_id"), "idempotency_key"),
    **dict.fromkeys(("link_success", "on_complete", "then"), "link"),
    **dict.fromkeys(("exchange", "queue", "queue_name", "routing_key"), "actor.message(…).copy(queue_name=…), and send that with broker.enqueue"),
}  # fmt: skip
_declared: frozenset[str] = frozenset()
_of_actors: frozenset[str] = frozenset()


def declare(own: frozenset[str], of_actors: frozenset[str]) -> None:
    """Register the options of custom middleware, and those allowed only in an actor's declaration."""
    global _declared, _of_actors
    _declared, _of_actors = own, of_actors


def check(options: Mapping[str, Any]) -> None:
    """Raise JobsError for an option that would be ignored, or has a value of the wrong type; also in follow-up messages."""
    for name in options:
        if name not in _KNOWN and name not in _declared:
            raise unknown(name)
    check_values(options, is_new=True)
    for message in following(options):
        check(message["options"])


def following(options: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the messages in the options: those that are sent after the job. Other values are left out."""
    target, callbacks = options.get("pipe_target"), options.get("group_completion_callbacks")
    found = [target, *(callbacks if isinstance(callbacks, list | tuple) else ())]
    return [each for each in found if isinstance(each, Mapping)]


def lasting(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are the same each time a message is sent: not those of tracing or of an application's middleware."""
    return {name: value for name, value in options.items() if name in _OF_ATTEMPTS | _OF_FOLLOW_UPS}


def check_values(options: Mapping[str, Any], *, is_new: bool = False) -> None:
    """Raise JobsError for a value of the wrong type: after the attempt it would undo a success or the retries.

    `is_new`: also for one that an actor would not take. Messages of earlier releases and other programs may have it.
    """
    for name, value in options.items():
        if value is None:
            continue
        if name in _NUMBERS:
            _check_number(name, value, is_new=is_new)
        elif name in _FLAGS and is_new and not isinstance(value, bool):
            raise JobsError(f"{name} must be True or False, not {value!r:.60}", field=name)
        elif name in ACTORS and not isinstance(value, str):
            raise JobsError(f"{name} must be the name of an actor, not {value!r:.60}", field=name)
        elif name == "pipe_target":
            _check_message(name, value, is_new=is_new)
        elif name == "group_completion_callbacks":
            if not isinstance(value, list | tuple):
                raise JobsError(f"{name} must be a list of messages, not {value!r:.60}", field=name)
            for each in value:
                _check_message(name, each, is_new=is_new)


def _check_number(name: str, value: Any, *, is_new: bool) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "time_limit" and value == math.inf:
        return
    if name in _LIMITS and not (is_number and 0 <= value < math.inf and (value or not is_new)):
        raise JobsError(f"{name} must be a number of milliseconds above 0, not {value!r:.60}", field=name)
    if name == "max_retries" and (not is_number or (is_new and isinstance(value, float))):
        raise JobsError(f"{name} must be a whole number, or None for no limit, not {value!r:.60}", field=name)
    if not is_number:
        raise JobsError(f"{name} must be a number, not {value!r:.60}", field=name)
    if not 0 <= value <= _LARGEST:
        raise JobsError(f"{name} must be between 0 and {_LARGEST}, not {value!r:.60}", field=name)


def _check_message(name: str, value: Any, *, is_new: bool) -> None:
    is_one = isinstance(value, Mapping) and _OF_MESSAGES >= value.keys() >= _REQUIRED
    if not is_one or not all(isinstance(value[field], kinds) for field, kinds in _FIELD_KINDS.items()):
        raise JobsError(f"{name} must hold messages of Dramatiq, not {value!r:.60}", field=name)
    check_values(value["options"], is_new=is_new)


_FIELD_KINDS: dict[str, Any] = {"queue_name": str, "actor_name": str, "args": list | tuple, "kwargs": dict, "options": dict}
_REQUIRED = _FIELD_KINDS.keys()
_OF_MESSAGES = {*_REQUIRED, "message_id", "message_timestamp"}


def elsewhere(name: str) -> str | None:
    """Return our word for an option of another system; None: it is not known."""
    return _ELSEWHERE.get(name)


def unknown(name: str) -> JobsError:
    """Return the error for a name that is not an option."""
    return JobsError(f"{name!r} is not an option of a message: {_cure(name)}", field=name)


def unknown_to_submit(name: str) -> JobsError:
    """Return the error for a name that is not an option of submit(): its word for it, or the place of the option."""
    word = _ELSEWHERE.get(name, name).partition(",")[0].removesuffix(_MILLISECONDS)
    if (field := _FIELD_OF.get(word)) is not None:
        cure = f"write {field}, a datetime with a time zone" if field.endswith("_at") else f"write {field}"
    elif word in _OF_ATTEMPTS | _declared:
        cure = f"it belongs to the message, actor.message_with_options(args=…, {word}=…)"
    elif name in _ELSEWHERE:
        cure = f"write {word}"
    else:
        cure = _cure(name, FIELDS, f"there are {', '.join(FIELDS)}")
    return JobsError(f"{name!r} is not an option of submit(): {cure}", field=name)


def _cure(
    name: str,
    known: Iterable[str] = OF_SUBMISSION | _OF_ATTEMPTS,
    otherwise: str = "name an option of your own in actor_options of the middleware that reads it",
) -> str:
    if name in _ELSEWHERE:
        return f"write {_ELSEWHERE[name]}"
    if name in _of_actors:
        return f"it belongs to the actor, @dramatiq.actor({name}=…)"
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"do you mean {near[0]}?" if near else otherwise
