"""Signatures of a message: each with the options that have a meaning here, as one shape that can be laid out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dramatiq

from ...settings import get_settings
from ..canvas import Signature, chain
from ..canvas.elements import MAP, STARMAP
from ..core import messages, registry, routes
from .reading import Call, priority

#: options of a signature that are read; others concern Celery's own transport
_KEPT = messages.OPTIONS - {"serializer", "errback_of", "retries"}


def whole(call: Call, queue: str) -> Signature:
    """Return the call with its links, and with the tasks that follow it in a chain."""
    options = {**call.options, **({"queue": queue} if is_served(call.task, queue) else {})}
    kwargs = {**call.kwargs, "task": _name(call.kwargs["task"])} if call.task in (MAP, STARMAP) and "task" in call.kwargs else call.kwargs
    first = Signature(call.task, call.args, kwargs, options, immutable=True)
    for key, given in (("link", call.callbacks), ("link_error", call.errbacks)):
        if given:
            first.options[key] = [Signature.from_dict(cleaned(each)) for each in given]
    if not call.chain:
        return first
    return chain(first, *(Signature.from_dict(cleaned(each)) for each in reversed(call.chain)))


def cleaned(described: Any) -> dict[str, Any]:
    """Return a signature, and those within it, without options that have no meaning here. Raises TypeError if it is none."""
    if not isinstance(described, Mapping) or not isinstance(described.get("task"), str):
        raise TypeError(f"{described!r:.60} is not a signature")
    task, kwargs, given = described["task"], dict(described.get("kwargs") or {}), described.get("options") or {}
    stamps = [name for name in given.get("stamped_headers") or () if name in given]
    options = {name: value for name, value in given.items() if name in _KEPT or name in stamps}
    options["stamped_headers"] = stamps or None
    options["priority"] = priority(options.get("priority"))
    if described.get("subtask_type") == "chord":
        options.pop("task_id", None)  # of its header
    if not is_served(task, options.get("queue")):
        options.pop("queue", None)
    for key in ("link", "link_error"):
        if options.get(key):
            options[key] = [cleaned(each) for each in _several(options[key])]
    for name in ("tasks", "header"):
        if described.get("subtask_type") in ("chain", "group", "chord") and kwargs.get(name) is not None:
            kwargs[name] = cleaned(kwargs[name]) if isinstance(kwargs[name], Mapping) else [cleaned(each) for each in kwargs[name]]
    if described.get("subtask_type") == "chord" and kwargs.get("body"):
        kwargs["body"] = cleaned(kwargs["body"])
    return {
        "task": task,
        "args": list(described.get("args") or ()),
        "kwargs": kwargs,
        "options": {name: value for name, value in options.items() if value is not None},
        "subtask_type": described.get("subtask_type"),
        "immutable": bool(described.get("immutable")),
    }


def is_served(task: str, queue: Any) -> bool:
    """True if the code names this queue, for a task or in its configuration: a queue of old producers only is read, not written."""
    if not isinstance(queue, str):
        return False
    broker = dramatiq.get_broker()
    if queue not in get_settings().celery_queue_names:
        return queue in broker.get_declared_queues()
    return queue in routes.queues(registry.conf_of(task)) or any(actor.queue_name == queue for actor in broker.actors.values())


def _several(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _name(task: Any) -> Any:
    return task["task"] if isinstance(task, Mapping) else task
