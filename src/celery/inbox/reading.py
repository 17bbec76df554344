"""Reading of a message of Celery, in protocol 2 (headers and a list) or 1 (one object): JSON only, never a pickle."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from ...broker.consume.celery_messages import CeleryMessage
from ...jobs.submit.row import NAME
from ..core import messages

#: headers that Celery writes itself; the others are the caller's
_OWN_HEADERS = frozenset(
    {
        "lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id", "parent_id", "argsrepr",
        "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers", "stamps", "compression",
    }
)  # fmt: skip
_READERS: dict[str, Callable[[Any], Any]] = {
    "bytes": lambda value: value.encode(),
    "base64": base64.b64decode,
    "date": lambda value: datetime.fromisoformat(value).date(),
    "datetime": datetime.fromisoformat,
    "decimal": Decimal,
    "time": time.fromisoformat,
    "uuid": lambda value: UUID(value["hex"]),
}


class Unreadable(ValueError):
    """The message cannot be read as the call of a task; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class Call:
    """The call of a task. `options`: those of apply_async. The rest are signatures as dictionaries; the next task of `chain` is its last."""

    id: str
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    callbacks: list[Any] = field(default_factory=list)
    errbacks: list[Any] = field(default_factory=list)
    chain: list[Any] = field(default_factory=list)
    chord: Any = None


def id_of(message: CeleryMessage) -> str | None:
    """Return the id of the task, read without the body."""
    id = (message.properties.headers or {}).get("id") or message.properties.correlation_id
    return id if is_id(id) else None


def is_id(given: Any) -> bool:
    """True if a job can have this id."""
    return isinstance(given, str) and NAME.fullmatch(given) is not None


def read(message: CeleryMessage) -> Call:
    """Return the call that a message asks for; raises Unreadable."""
    headers = message.properties.headers or {}
    body = _decoded(message, headers)
    if "task" in headers:
        if not isinstance(body, list) or len(body) != 3 or not isinstance(body[2], dict):
            raise Unreadable("its body is not the list [args, kwargs, embedded] of protocol 2")
        args, kwargs, embedded = body
        return _call(message, {**headers, "args": args, "kwargs": kwargs}, embedded, _others(headers))
    if not isinstance(body, dict) or "task" not in body:
        raise Unreadable("neither its headers nor its body name a task")
    zone = UTC if body.get("utc", True) else None  # protocol 1 writes instants without their zone
    instants = {name: _in_zone(body.get(name), zone) for name in ("eta", "expires")}
    return _call(message, {**body, **instants, "group": body.get("group") or body.get("taskset")}, body, {})


def _decoded(message: CeleryMessage, headers: Mapping[str, Any]) -> Any:
    kind, charset = message.properties.content_type, message.properties.content_encoding or "utf-8"
    if kind != "application/json":
        raise Unreadable(
            f"its content type is {kind!s:.60}, and only application/json is read: set task_serializer = 'json' in the producer"
        )
    if headers.get("compression"):
        raise Unreadable("it is compressed: take task_compression out of the producer")
    try:
        return json.loads(message.body.decode(charset), object_hook=_typed)
    except (ValueError, LookupError, RecursionError, TypeError, AttributeError, ArithmeticError) as error:
        raise Unreadable(f"its body is not JSON of Celery ({error!s:.200})") from None


def _typed(value: dict[str, Any]) -> Any:
    if value.keys() != {"__type__", "__value__"}:
        return value
    if value["__type__"] not in _READERS:
        raise ValueError(f"it holds a value of the unknown type {value['__type__']!r:.60}")
    return _READERS[value["__type__"]](value["__value__"])


def _call(message: CeleryMessage, said: Mapping[str, Any], embedded: Mapping[str, Any], headers: dict[str, Any]) -> Call:
    id, task, args, kwargs = said.get("id"), said.get("task"), said.get("args"), said.get("kwargs")
    for name, text in (("id", id), ("task", task)):
        if not is_id(text):
            raise Unreadable(f"its {name} is not a text of 1 to 255 characters")
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise Unreadable("args must be a list, and kwargs an object")
    limits = said.get("timelimit") or [None, None]
    if not isinstance(limits, list) or len(limits) != 2:
        raise Unreadable("timelimit must be a list of two numbers")
    retries = said.get("retries")
    stamps = {name: value for name, value in _stamps(said).items() if name not in messages.OPTIONS}
    options = {
        "task_id": id, "eta": said.get("eta"), "expires": said.get("expires"), "time_limit": limits[0], "soft_time_limit": limits[1],
        "priority": priority(message.properties.priority), "retries": retries if type(retries) is int and retries > 0 else None, "root_id": said.get("root_id"),
        "parent_id": said.get("parent_id"), "group_id": said.get("group"), "group_index": said.get("group_index"), "headers": headers or None,
        "stamped_headers": list(stamps) or None, **stamps,
    }  # fmt: skip
    return Call(
        str(id),
        str(task),
        args,
        kwargs,
        {name: value for name, value in options.items() if value is not None},
        callbacks=_listed(embedded.get("callbacks")),
        errbacks=_listed(embedded.get("errbacks")),
        chain=_listed(embedded.get("chain")),
        chord=embedded.get("chord"),
    )


def priority(given: Any) -> int | None:
    """Return a priority of ours. Celery writes 0 unless the caller chose one, so that means none."""
    return min(given, 9) if isinstance(given, int) and given > 0 else None


def _others(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that the caller has set."""
    stamps = _stamps(headers)
    return {name: value for name, value in headers.items() if name not in _OWN_HEADERS and name not in stamps}


def _stamps(said: Mapping[str, Any]) -> Mapping[str, Any]:
    given = said.get("stamps")
    return given if isinstance(given, dict) else {}


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise Unreadable("its callbacks, errbacks and chain must be lists")
    return given


def _in_zone(given: Any, zone: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return given  # refused with its name later
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)
