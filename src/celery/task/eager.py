"""Eager runs: apply(), and apply_async() with task_always_eager. There is no job."""

from __future__ import annotations

import socket
from typing import Any

from ...jobs.submit.submission import new_id
from .. import states
from ..canvas.signatures import linked
from ..core import messages, request
from ..core.request import Context
from ..exceptions import Reject
from ..result import EagerResult
from . import errbacks, tracing


def apply(
    task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, task_id: str | None, throw: bool | None, logfile: Any = None,
    loglevel: Any = None, **options: Any,
) -> EagerResult:  # fmt: skip
    """Run the task with its retries, then its links. `throw`: raise its exception; default: task_eager_propagates."""
    messages.check(options)
    options |= {"logfile": logfile, "loglevel": loglevel}
    task.check_arguments(args, kwargs)
    id = task_id or new_id()
    before = options.get("retries") or 0
    outcome = _outcome(task, id, args, kwargs, options, before)
    for retries in range(before + 1, before + 10_000):
        if outcome.state != states.RETRY:
            break
        args, kwargs = outcome.value.call or (args, kwargs)
        outcome = _outcome(task, id, args, kwargs, options, retries)
    if outcome.state == states.SUCCESS:
        for callback in linked(options, "link"):
            callback.apply((outcome.value,))
    elif outcome.state == states.FAILURE:
        for errback in linked(options, "link_error"):
            errbacks.call(errback, Context(id=id, task=task.name, args=args, kwargs=kwargs), outcome.value, outcome.traceback or "")
        if task.conf["task_eager_propagates"] if throw is None else throw:
            raise outcome.value
    return EagerResult(id, _value(outcome), outcome.state, outcome.traceback, name=task.name)


def _outcome(task: Any, id: str, args: Any, kwargs: Any, options: dict[str, Any], retries: int) -> tracing.Outcome:
    family = request.family()
    context = Context(
        id=id, task=task.name, args=args, kwargs=kwargs, retries=retries, is_eager=True, called_directly=False, hostname=socket.gethostname(),
        headers=options.get("headers"), properties={"app_id": options.get("app_id"), "correlation_id": id}, timelimit=(task.time_limit, task.soft_time_limit), time_limit=task.time_limit,
        soft_time_limit=task.soft_time_limit, root_id=options.get("root_id") or family.get("root_id", id),
        parent_id=options.get("parent_id") or family.get("parent_id"), group=options.get("group_id"), group_index=options.get("group_index"),
        logfile=options["logfile"], loglevel=options["loglevel"],
        delivery_info={"is_eager": True, "exchange": "", "routing_key": options.get("queue"), "priority": options.get("priority"), "redelivered": False},
    )  # fmt: skip
    return tracing.run(task, context)


def _value(outcome: tracing.Outcome) -> Any:
    return outcome.value.reason if isinstance(outcome.value, Reject) else outcome.value
