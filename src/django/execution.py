"""Execution of a task: the function of its actor, with Django's context and signals."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage

from ..jobs.attempts.current_job import current_job
from ..sql.clock import now
from .frameworks import Task, TaskContext, TaskResultStatus, task_finished, task_started
from .results import set_value


def function_of(task: Task) -> Callable[..., Any]:
    """Return the function of the task's actor, with the signature, hints and docstring of the task's own."""
    own = task.func

    def run(*args: Any, **kwargs: Any) -> Any:
        return _run(task, args, kwargs)

    signature = inspect.signature(own)
    parameters = list(signature.parameters.values())
    run.__signature__ = signature.replace(parameters=parameters[1:] if task.takes_context else parameters)  # type: ignore[attr-defined]
    run.__wrapped__ = own  # type: ignore[attr-defined]
    run.__name__, run.__qualname__, run.__doc__ = own.__name__, own.__qualname__, own.__doc__
    run.__module__, run.__annotations__ = own.__module__, dict(own.__annotations__)
    return run


def _run(task: Task, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not current_job:  # a call in a test
        return task.call(*args, **kwargs)
    backend = task.get_backend()
    result = backend.get_result(current_job.id)
    task_started.send_robust(type(backend), task_result=result)
    try:
        value = task.call(TaskContext(task_result=result), *args, **kwargs) if task.takes_context else task.call(*args, **kwargs)
    except BaseException:  # time limits and cancels, too
        if _is_last(task):
            set_value(result, status=TaskResultStatus.FAILED, finished_at=now())
            task_finished.send_robust(type(backend), task_result=result)
        raise
    set_value(result, status=TaskResultStatus.SUCCESSFUL, finished_at=now(), _return_value=value)
    task_finished.send_robust(type(backend), task_result=result)
    return value


def _is_last(task: Task) -> bool:
    message = CurrentMessage.get_current_message()
    allowed = dramatiq.get_broker().actors[task.module_path].options["max_retries"]  # None: without end
    return message is None or (allowed is not None and int(message.options.get("retries", 0)) >= allowed)
