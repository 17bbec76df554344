"""Messages: one call of a task with Celery's options as a message of Dramatiq."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dramatiq import Message

from ...actor_schema import stored_arguments
from ...jobs.core.placeholders import OUTCOME, RESULT
from ...jobs.core.values import plain
from ...jobs.options.job_options import NORMAL_PRIORITY
from ...jobs.submit.submission import new_id
from ...sql.clock import now
from ..base import values
from ..base.differences import refused, unknown, unsupported
from ..base.seconds import seconds
from ..conf.conf import Conf
from . import registry, request, routes

#: options without a place in the message: they are read elsewhere, or have no effect
_ELSEWHERE = frozenset({"link", "link_error", "retry", "retry_policy", "add_to_parent", "stamped_headers", "throw"})
#: fields of self.request that a caller may set
_OF_REQUEST = (
    "headers",
    "root_id",
    "parent_id",
    "group_id",
    "group_index",
    "errback_of",
    "retries",
    "priority",
    "app_id",
    "replaced_task_nesting",
)
_REFUSED = refused("apply_async(")
OPTIONS = frozenset(
    {
        "task_id",
        "countdown",
        "eta",
        "expires",
        "queue",
        "priority",
        "serializer",
        "time_limit",
        "soft_time_limit",
        "ignore_result",
        *_ELSEWHERE,
        *_OF_REQUEST,
    }
)


def check(options: Mapping[str, Any]) -> None:
    """Raise Unsupported or TypeError for an option that would be ignored."""
    stamps = options.get("stamped_headers") or ()
    for name, value in options.items():
        if name in stamps:
            continue
        if name in OPTIONS and (name != "serializer" or value in (None, "json")):
            continue
        if value is None and f"{name}=)" in _REFUSED:
            continue
        raise unsupported(f"apply_async({name}=)") if f"{name}=)" in _REFUSED else unknown("an option of apply_async()", name, OPTIONS)


def message(name: str, args: Any, kwargs: Mapping[str, Any], given: Mapping[str, Any]) -> Message[Any]:
    """Build the message of one call. The caller's options come first, then those of the task, then those of its route."""
    check(given)
    known, conf = registry.find(name), registry.conf_of(name)
    said = {option: value for option, value in given.items() if value is not None}
    options = {
        "queue": conf["task_default_queue"],
        **routes.route(conf, name, args, kwargs, said),
        **(known.defaults() if known else {}),
        **said,
    }
    args, kwargs = encoded(known, list(args), dict(kwargs))
    return Message(
        queue_name=routes.require(routes.queue_name(options["queue"])),
        actor_name=name,
        args=tuple(args),
        kwargs=kwargs,
        options=_message_options(conf, options),
        message_id=options.get("task_id") or new_id(),
    )


def is_ignored(message: Message[Any]) -> bool:
    """True if the caller wants no result of this call."""
    return bool((message.options.get(request.OPTION) or {}).get("ignore_result"))


def _message_options(conf: Conf, options: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.get("eta") is not None and not options.get("countdown"):
        found["eta"] = aware(conf, "eta", options["eta"])
    elif options.get("countdown") is not None:
        found["delay"] = _ms("countdown", options["countdown"], least=None)
    if options.get("expires") is not None:
        expires = options["expires"]
        found["expires"] = aware(conf, "expires", expires) if isinstance(expires, datetime | str) else _ms("expires", expires)
    priority = checked_priority(options.get("priority", conf["task_default_priority"]))
    if priority is not None and priority != NORMAL_PRIORITY:
        found["priority"] = priority
    found |= limits(options.get("time_limit"), options.get("soft_time_limit"))
    about = {**request.family(), **{name: options[name] for name in _OF_REQUEST if options.get(name) is not None}}
    if options.get("ignore_result"):
        about["ignore_result"] = True
    if stamps := options.get("stamped_headers"):
        about |= {"stamped_headers": list(stamps), "stamps": {name: options[name] for name in stamps}}
    if about:
        found[request.OPTION] = values.encode(about)
    return found


def limits(hard: Any, soft: Any) -> dict[str, Any]:
    """Return the message options of time limits in seconds."""
    found = {"hard_time_limit": ("time_limit", hard), "time_limit": ("soft_time_limit", soft)}
    ours: dict[str, Any] = {option: _ms(name, value) for option, (name, value) in found.items() if value is not None}
    return {**ours, "isolated": True} if ours else {}  # a thread cannot be interrupted in a blocking call, a process can


def checked_priority(given: Any) -> int | None:
    """Return a priority; raises ValueError unless it is one of the ten."""
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 9):
        raise ValueError(f"priority must be a whole number from 0 to 9, of which 9 is the most urgent, not {given!r}")
    return given


def expiry(conf: Conf, given: Any) -> datetime | None:
    """Return the instant of expires=: an instant itself, or seconds from now."""
    if given is None or isinstance(given, datetime | str):
        return None if given is None else aware(conf, "expires", given)
    return now() + timedelta(milliseconds=_ms("expires", given))


def aware(conf: Conf, name: str, given: Any) -> datetime:
    """Return an instant; one without a zone is meant in the configuration's."""
    if isinstance(given, str):
        given = datetime.fromisoformat(given)
    if not isinstance(given, datetime):
        raise TypeError(f"{name} must be a datetime, not {given!r:.60}")
    return given if given.tzinfo is not None else given.replace(tzinfo=conf.zone)


def _ms(name: str, given: Any, least: float | None = 0) -> float:
    """Convert seconds to milliseconds."""
    return max(0, seconds(name, given, least) * 1000)


def encoded(known: registry.Known | None, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Encode rich values: those with a hint as the plain JSON that is converted by it, others with their type."""
    if known is None:
        return values.encode(args), values.encode(kwargs)
    signature = known.actor_signature
    names: list[str | None] = [*signature.positional_names(len(args))]
    names += [None] * (len(args) - len(names))
    encoded = [_plain(value) if signature.converts(name) else values.encode(value) for name, value in zip(names, args, strict=True)]
    return encoded, {name: _plain(value) if signature.converts(name) else values.encode(value) for name, value in kwargs.items()}


def _plain(value: Any) -> Any:
    return value if isinstance(value, dict) and (RESULT in value or OUTCOME in value) else plain(stored_arguments.reveal(value))
