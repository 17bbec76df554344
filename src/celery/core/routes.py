"""Routes: the queue and priority of a task by task_routes, in each of Celery's forms."""

from __future__ import annotations

import fnmatch
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import dramatiq

from ..base.differences import unsupported
from ..conf.conf import Conf
from ..exceptions import ImproperlyConfigured, QueueNotFound

_UNUSED = ("exchange", "exchange_type", "routing_key")


def route(conf: Conf, name: str, args: Any = (), kwargs: Any = None, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the route of a task: its queue and priority, as far as one matches."""
    for router in _routers(conf["task_routes"]):
        found = router(name, args, kwargs or {}, dict(options or {}), task=None) if callable(router) else _matching(router, name)
        if found:
            return as_route(found)
    return {}


def queues(conf: Conf) -> set[str]:
    """Return every queue that the configuration names."""
    found = {str(conf["task_default_queue"])}
    for queue in conf["task_queues"] or ():
        found.add(queue_name(queue))
    for router in _routers(conf["task_routes"]):
        if isinstance(router, Mapping):
            found.update(route["queue"] for value in router.values() if "queue" in (route := as_route(value)))
    return found


def queue_name(queue: Any) -> str:
    """Return the name of a queue given as text, or as an object with a name."""
    return queue if isinstance(queue, str) else str(queue.name)


def require(queue: str) -> str:
    """Return the queue's name; raises QueueNotFound if no worker of this code would read it."""
    known = dramatiq.get_broker().get_declared_queues()
    if queue not in known:
        raise QueueNotFound(
            f"No worker reads the queue {queue!r}: name it in task_queues or task_routes, or as queue= of a task ({', '.join(sorted(known))} are read)."
        )
    return queue


def _routers(given: Any) -> Iterator[Any]:
    """Yield mappings by name and functions."""
    if given is None:
        return
    for each in given if isinstance(given, list | tuple) else [given]:
        if isinstance(each, str):
            module, _, attribute = each.replace(":", ".").rpartition(".")
            each = getattr(importlib.import_module(module), attribute)
        if isinstance(each, tuple | list):
            yield {each[0]: each[1]} if len(each) == 2 and isinstance(each[0], str | re.Pattern) else dict(each)
        else:
            yield each.route_for_task if hasattr(each, "route_for_task") else each


def _matching(router: Mapping[Any, Any], name: str) -> Any:
    if name in router:
        return router[name]
    for pattern, value in router.items():
        if pattern.match(name) if isinstance(pattern, re.Pattern) else "*" in pattern and fnmatch.fnmatchcase(name, pattern):
            return value
    return None


def as_route(found: Any) -> dict[str, Any]:
    """Return the queue and priority of a route. Raises Unsupported or ImproperlyConfigured for anything else in it."""
    if isinstance(found, str):
        return {"queue": found}
    values = dict(found)
    for name in _UNUSED:
        if values.pop(name, None) is not None and "queue" not in values:
            raise unsupported("apply_async(routing_key=)" if name == "routing_key" else "apply_async(exchange=)")
    if "queue" in values:
        values["queue"] = queue_name(values["queue"])
    for name in values.keys() - {"queue", "priority"}:
        raise ImproperlyConfigured(f"task_routes: {name!r} has no effect here, use queue and priority.")
    return values
