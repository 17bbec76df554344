"""Run of one attempt with its hooks and signals, in a worker or in the caller."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from dramatiq.middleware.threading import Interrupt
from dramatiq.middleware.time_limit import TimeLimitExceeded

from ...jobs.core.errors import CancelRequested
from ...logs import get_logger
from .. import signals, states
from ..core import request as requests
from ..core.request import Context
from ..exceptions import Ignore, Reject, Retry
from ..result.failures import ExceptionInfo
from . import retrying

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """End of an attempt: its state in Celery's names, and the result or the exception."""

    state: str
    value: Any
    traceback: str | None = None


def run(task: Any, request: Context) -> Outcome:
    """Run the attempt and return its outcome; interrupts other than the soft time limit are raised."""
    args, kwargs, id = request.args, request.kwargs, request.id
    with requests.entered(request):
        signals.task_prerun.send(task, task_id=id, task=task, args=args, kwargs=kwargs)
        outcome = Outcome(states.IGNORED, None)
        try:
            outcome = _outcome(task, request)
            _notify(task, request, outcome)
            return outcome
        except CancelRequested:
            signals.task_revoked.send(task, request=request, terminated=True, signum=None, expired=False)
            raise
        finally:
            signals.task_postrun.send(task, task_id=id, task=task, args=args, kwargs=kwargs, retval=outcome.value, state=outcome.state)


def _outcome(task: Any, request: Context) -> Outcome:
    try:
        task.before_start(request.id, request.args, request.kwargs)
        function = _function(task)
        request.is_entered = function is not task
        value = retrying.call(task, function, request.args, request.kwargs)
        if request.postponed is not None:
            raise request.postponed
        return Outcome(states.SUCCESS, value)
    except Retry as error:
        return Outcome(states.RETRY, error, _text(error))
    except Ignore as error:
        return Outcome(states.IGNORED, error)
    except Reject as error:
        return Outcome(states.REJECTED, error)
    except BaseException as error:
        if isinstance(error, Interrupt) and not isinstance(error, TimeLimitExceeded):
            raise
        return Outcome(states.FAILURE, error, _text(error))


def _function(task: Any) -> Any:
    """Return the task itself if its class overrides the call, else its function."""
    return task.run if type(task).__call__ is _base_call(task) else task


def _base_call(task: Any) -> Any:
    return next(kind.__call__ for kind in reversed(type(task).__mro__) if "__call__" in vars(kind))


def _notify(task: Any, request: Context, outcome: Outcome) -> None:
    """Call hooks and signals. An error in a hook is logged: the outcome stays."""
    args, kwargs, id = request.args, request.kwargs, request.id
    info = ExceptionInfo(outcome.value, outcome.traceback or "") if isinstance(outcome.value, BaseException) else None
    if outcome.state == states.SUCCESS:
        _hook(task, "on_success", outcome.value, id, args, kwargs)
        signals.task_success.send(task, result=outcome.value)
    elif outcome.state == states.RETRY:
        _hook(task, "on_retry", outcome.value.exc or outcome.value, id, args, kwargs, info)  # as in Celery: what retry() was given
        signals.task_retry.send(task, request=request, reason=outcome.value, einfo=info)
    elif outcome.state == states.FAILURE:
        _hook(task, "on_failure", outcome.value, id, args, kwargs, info)
        signals.task_failure.send(
            task, task_id=id, exception=outcome.value, args=args, kwargs=kwargs, traceback=outcome.value.__traceback__, einfo=info
        )
    if outcome.state not in (states.IGNORED, states.REJECTED, states.RETRY):
        _hook(task, "after_return", outcome.state, outcome.value, id, args, kwargs, info)


def _hook(task: Any, name: str, *values: Any) -> None:
    try:
        getattr(task, name)(*values)
    except Exception:
        log.exception("task_hook_failed", task=task.name, hook=name)


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
