"""Declaration of a task as an actor, and the function that a worker calls for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

import dramatiq
from dramatiq.errors import Retry
from dramatiq.middleware import CurrentMessage
from pydantic import BeforeValidator

from ...actor_schema import type_hints
from ...jobs.attempts.current_job import current_job
from ...jobs.read.queries import find_many
from ...sql.database import read
from .. import states
from ..base import values
from ..core import request, routes
from ..core.request import Context
from ..exceptions import Reject, Replaced
from ..result.rows import REPLACED
from . import errbacks, retry_options, tracing

#: text of a retry that Reject(requeue=True) asks for
_REJECTED = "rejected: "
#: fields of a request that only a receiver of before_task_publish sets
_OF_RECEIVERS = ("argsrepr", "kwargsrepr", "lang", "origin", "shadow")
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def declare(task: Any) -> None:
    """Declare the task's actor, or declare it again after a change of the configuration. Raises for a wrong option of its retries."""
    retry_options.check(task)
    broker = dramatiq.get_broker()
    options, queue = actor_options(task), queue_of(task)
    if task.actor is None:
        task.actor = dramatiq.actor(actor_name=task.name, queue_name=queue, broker=broker, **options)(function_of(task))
        return
    task.actor.options.clear()
    task.actor.options.update(options)
    task.actor.queue_name = queue
    broker.declare_actor(task.actor)


def queue_of(task: Any) -> str:
    """Return the queue of the task's jobs, unless a call names another."""
    conf = task.conf
    return routes.queue_name(task.queue or routes.route(conf, task.name).get("queue") or conf["task_default_queue"])


def actor_options(task: Any) -> dict[str, Any]:
    """Return the options of the actor."""
    conf = task.conf
    soft = conf["task_soft_time_limit"] if task.soft_time_limit is None else task.soft_time_limit
    hard = conf["task_time_limit"] if task.time_limit is None else task.time_limit
    if soft is not None and hard is not None and soft >= hard:
        soft = None  # never reached; a call refuses one above the hard limit
    options: dict[str, Any] = {
        "max_retries": None,
        "retry_when": _is_retry,
        "time_limit": float("inf") if soft is None else soft * 1000,
        "isolated": None if soft is None else True,  # a thread cannot be interrupted in a blocking call, a process can
        "hard_time_limit": None if hard is None else hard * 1000,
        "rate_limit": _rate(conf["task_default_rate_limit"] if task.rate_limit is None else task.rate_limit),
        "broker_priority": conf["task_default_priority"] if task.priority is None else task.priority,
        "expires": _period(task.expires),
    }
    return {name: value for name, value in options.items() if value is not None or name == "max_retries"}


def function_of(task: Any) -> Callable[..., Any]:
    """Return the function of the actor, with the signature, hints and docstring of the task's own."""
    own = task.__wrapped__

    def run(*args: Any, **kwargs: Any) -> Any:
        return execute(task, args, kwargs)

    run.__signature__ = _decoding(task.run) if task.typing else inspect.signature(lambda *args, **kwargs: None)  # type: ignore[attr-defined]
    run.__wrapped__ = own  # type: ignore[attr-defined]
    run.__name__, run.__qualname__ = task.name.rpartition(".")[2], task.name
    run.__doc__ = task.__doc__ if own.__doc__ is None else own.__doc__
    run.__module__, run.__annotations__ = own.__module__, dict(getattr(own, "__annotations__", {}))
    return run


def _decoding(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function; hints that convert values also accept the tagged form, in which results are passed on."""
    signature = inspect.signature(function)
    read = BeforeValidator(values.decode)
    hints = type_hints.hints(function, signature.parameters)
    changed = [
        each if type_hints.is_native(hints[name]) or each.kind in _REST else each.replace(annotation=Annotated[hints[name], read])
        for name, each in signature.parameters.items()
    ]
    return signature.replace(parameters=changed)


def execute(task: Any, args: Any, kwargs: Any) -> Any:
    """Run an attempt of the task's job; outside of one, call its function."""
    message = CurrentMessage.get_current_message()
    if not current_job or message is None:
        return task(*args, **kwargs)
    context = _context(task, message)
    decoded = [values.decode(each, errbacks.READERS) for each in args]
    context.kwargs = {name: values.decode(value) for name, value in kwargs.items()}
    context.args = errbacks.spread(task.run, decoded, context.kwargs)
    errbacks.require_own_failure(message.options.get(request.OPTION) or {})
    outcome = tracing.run(task, context)
    if outcome.state == states.SUCCESS:
        return values.encode(outcome.value)
    if isinstance(outcome.value, Replaced):
        return values.tag(REPLACED, outcome.value.id)
    if isinstance(outcome.value, Reject) and outcome.value.requeue:
        raise Retry(f"{_REJECTED}{outcome.value.reason}", delay=0)
    raise outcome.value


def _context(task: Any, message: Any) -> Context:
    options = message.options
    about = values.decode(options.get(request.OPTION) or {})
    own = int(options.get("retries", 0))
    retries = own + (about.get("retries") or 0)  # of the call: those that a worker of Celery made before
    due = current_job.scheduled_for
    soft = _seconds(options.get("time_limit", task.actor.options.get("time_limit")))
    hard = _seconds(options.get("hard_time_limit", task.actor.options.get("hard_time_limit")))
    custom = about.get("headers") or {}
    headers = {name: value for name, value in custom.items() if not hasattr(Context, name)}
    changed = {name: about[name] for name in _OF_RECEIVERS if name in about}
    properties = {"app_id": about.get("app_id"), "correlation_id": current_job.id, **about.get("properties", {})}
    return Context(
        **headers, **changed, id=current_job.id, task=task.name, retries=retries, called_directly=False, hostname=current_job.worker,
        root_id=about.get("root_id", current_job.id), parent_id=about.get("parent_id"), group=about.get("group_id"),
        group_index=about.get("group_index"), headers=custom.get("headers", custom) or None,
        stamped_headers=about.get("stamped_headers"), stamps=about.get("stamps", {}), eta=None if due is None else due.isoformat(),
        timelimit=(hard, soft), time_limit=hard, soft_time_limit=soft, ignore_result=about.get("ignore_result", False),
        replaced_task_nesting=about.get("replaced_task_nesting", 0),
        properties=properties, reply_to=properties.get("reply_to"),
        delivery_info={
            "exchange": "", "routing_key": current_job.queue, "priority": about.get("priority"), "redelivered": current_job.attempt > own + 1 or (own > 0 and _was_rejected(current_job.id)),
        },
    )  # fmt: skip


def _was_rejected(id: str) -> bool:
    """True if the latest attempt has put the job back into its queue."""
    with read() as session:
        attempts = [attempt for job in find_many(session, [id]) for attempt in job.attempts]
    return bool(attempts) and str(attempts[-1].error).startswith(f"Retry: {_REJECTED}")


def _is_retry(_failures: int, error: BaseException) -> bool:
    return isinstance(error, Retry)


def _rate(given: Any) -> str | None:
    """Return a rate as text; a number is per second."""
    if not given:
        return None
    if isinstance(given, str):
        return f"{given}/s" if given.isdigit() else given
    if given != int(given):
        raise ValueError(f"rate_limit must be a whole number per second, or a text such as 30/m, not {given!r}")
    return f"{int(given)}/s"


def _period(given: Any) -> timedelta | None:
    """Return the period after which a job expires; a fixed instant is set by each call."""
    if given is None or isinstance(given, datetime):
        return None
    return given if isinstance(given, timedelta) else timedelta(seconds=given)


def _seconds(ms: Any) -> float | None:
    return None if ms is None or ms == float("inf") else ms / 1000
