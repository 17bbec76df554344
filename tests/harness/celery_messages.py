"""Messages as Celery's producers write them, built from the protocol's description; a slow test compares them with a real producer's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pika

#: prefix of the names of tests/actors/celery_tasks.py
TASKS = "tests.actors.celery_tasks."
#: properties and body
Sent = tuple[pika.BasicProperties, bytes]


def v2(
    task: str, *args: Any, id: str = "", kwargs: Any = None, embedded: Any = None, priority: int = 0, properties: Any = None, **headers: Any
) -> Sent:
    """Return a message of protocol 2: headers, and the body [args, kwargs, embedded]."""
    id = id or str(uuid4())
    known: dict[str, Any] = {
        "lang": "py", "task": full(task), "id": id, "shadow": None, "eta": None, "expires": None, "group": None, "group_index": None,
        "retries": 0, "timelimit": [None, None], "root_id": id, "parent_id": None, "argsrepr": repr(args)[:1024], "kwargsrepr": "{}",
        "origin": "gen1@host", "ignore_result": False, "replaced_task_nesting": 0, "stamped_headers": None, "stamps": {},
    }  # fmt: skip
    rest = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = [list(args), kwargs or {}, {**rest, **(embedded or {})}]
    return _properties(id, {**known, **headers}, priority, properties), json.dumps(body).encode()


def v1(task: str, *args: Any, id: str = "", kwargs: Any = None, priority: int = 0, properties: Any = None, **fields: Any) -> Sent:
    """Return a message of protocol 1: one object, without headers."""
    id = id or str(uuid4())
    known = {
        "task": full(task), "id": id, "args": list(args), "kwargs": kwargs or {}, "group": None, "group_index": None, "retries": 0, "eta": None,
        "expires": None, "utc": True, "callbacks": None, "errbacks": None, "timelimit": [None, None], "taskset": None, "chord": None,
    }  # fmt: skip
    return _properties(id, {}, priority, properties), json.dumps({**known, **fields}).encode()


def sig(task: str, *args: Any, kwargs: Any = None, immutable: bool = False, kind: str | None = None, **options: Any) -> dict[str, Any]:
    """Return a signature within a message."""
    return {
        "task": full(task), "args": list(args), "kwargs": kwargs or {}, "options": options, "subtask_type": kind, "immutable": immutable,
    }  # fmt: skip


def full(task: str) -> str:
    return task if "." in task else TASKS + task


def publish(url: str, queue: str, messages: Sequence[Sent], *, arguments: Any = None) -> None:
    """Declare a queue as a producer does, and publish to it, confirmed."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.confirm_delivery()
        for properties, body in messages:
            channel.basic_publish("", queue, body, properties, mandatory=True)
    finally:
        connection.close()


def _properties(id: str, headers: Any, priority: int, others: Any) -> pika.BasicProperties:
    usual = {
        "content_type": "application/json", "content_encoding": "utf-8", "headers": headers, "delivery_mode": 2, "priority": priority,
        "correlation_id": id, "reply_to": str(uuid4()),
    }  # fmt: skip
    return pika.BasicProperties(**{**usual, **(others or {})})
