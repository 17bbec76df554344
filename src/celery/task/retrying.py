"""Retries: self.retry() and autoretry_for; the delay is in the exception, the worker stores the next attempt."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import zip_longest
from typing import Any

from ...jobs.attempts.current_job import current_job
from ...jobs.control import edits
from ...jobs.control.edits import Edit
from ...keywords import named, positional
from ..base.differences import unsupported
from ..base.seconds import seconds
from ..core import messages, sending
from ..exceptions import Ignore, MaxRetriesExceededError, Reject, Retry

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
#: options of apply_async that a retry may change
CHANGEABLE = ("expires", "priority")


def retry(
    task: Any, args: Any, kwargs: Any, exc: BaseException | None, throw: bool, eta: Any, countdown: Any, max_retries: int | None,
    options: dict[str, Any],
) -> Exception:  # fmt: skip
    """Raise Retry for the running attempt; see Task.retry."""
    request = task.request
    check_options(options)
    if request.called_directly:
        raise exc if exc is not None else Retry("Task can be retried", None)
    limit = task.max_retries if max_retries is None else max_retries
    if limit is not None and request.retries + 1 > limit:
        if exc is not None:
            raise exc
        raise MaxRetriesExceededError(
            f"Can't retry {task.name}[{request.id}] args:{request.args} kwargs:{request.kwargs}",
            task_args=request.args,
            task_kwargs=request.kwargs,
        )
    asked = Retry(exc=exc, when=_when(task, eta, countdown), is_eager=request.is_eager)
    asked.call = _arguments(task, args, kwargs)
    if not request.is_eager:
        _revise(task, asked.call, options)
    if throw:
        raise asked from exc
    request.postponed = asked
    return asked


def check_options(options: Mapping[str, Any]) -> None:
    """Raise Unsupported for an option of apply_async that a retry cannot change."""
    for name, value in options.items():
        if value is not None and name not in CHANGEABLE:
            raise unsupported("retry(queue=)" if name == "queue" else "retry(options)")


def _when(task: Any, eta: Any, countdown: Any) -> datetime | float:
    """Return the instant of the next attempt, or the seconds until it."""
    if eta is not None and not countdown:
        return messages.aware(task.conf, "eta", eta)
    if countdown is not None:
        return seconds("countdown", countdown)
    return seconds("default_retry_delay", task.default_retry_delay) if task.default_retry_delay is not None else 0.0


def _arguments(task: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the next attempt: the given ones. Of args or kwargs alone, the others stay, except parameters that are given again."""
    own, own_named = tuple(task.request.args or ()), dict(task.request.kwargs or {})
    parameters = inspect.signature(task.run).parameters.values()
    names = [each.name if each.kind is each.POSITIONAL_OR_KEYWORD else "" for each in parameters if each.kind in _POSITIONAL]
    if kwargs is None:
        given = own if args is None else positional(args)
        return given, {name: value for name, value in own_named.items() if args is None or name not in names[: len(given)]}
    changed = named(kwargs)
    if args is not None:
        return positional(args), changed
    return tuple(changed.pop(name, value) for name, value in zip_longest(names[: len(own)], own)), changed


def _revise(task: Any, call: tuple[Any, Any], options: dict[str, Any]) -> None:
    """Write what differs in the next attempt to the job's row, before the retry itself: a kill in between repeats this attempt with it."""
    change = Edit(
        expires_at=messages.expiry(task.conf, options.get("expires")), priority=messages.checked_priority(options.get("priority"))
    )
    if call != (task.request.args, task.request.kwargs):
        args, kwargs = messages.encoded(task, list(call[0]), dict(call[1]))
        change = replace(change, args=args, kwargs=kwargs)
    if change == Edit():
        return
    with sending.session() as session:
        edits.revise(session, current_job.id, current_job.attempt, change)


def call(task: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Call the function; exceptions in autoretry_for become retries."""
    if not task.autoretry_for:
        return function(*args, **kwargs)
    try:
        return function(*args, **kwargs)
    except (Ignore, Reject, Retry):
        raise
    except BaseException as error:
        if not isinstance(error, tuple(task.autoretry_for)) or isinstance(error, tuple(task.dont_autoretry_for or ())):
            raise
        given = dict(task.retry_kwargs or {})
        if task.retry_backoff:
            given["countdown"] = backoff(
                int(max(1, task.retry_backoff)), task.request.retries, task.retry_backoff_max, bool(task.retry_jitter)
            )
        raise task.retry(exc=error, **given) from error


def backoff(factor: int, retries: int, most: int, has_jitter: bool) -> int:
    """Return seconds: factor, twice that, four times that …, at most `most`; with jitter any number up to it."""
    delay = min(most, factor * 2 ** min(retries, 64))
    return random.randrange(delay + 1) if has_jitter else delay
