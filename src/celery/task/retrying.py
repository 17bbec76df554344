"""Retries: self.retry() and autoretry_for; the delay is in the exception, the worker stores the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ..base.differences import unsupported
from ..core import messages
from ..exceptions import Ignore, MaxRetriesExceededError, Reject, Retry

_REFUSED = {"args": "retry(args=)", "kwargs": "retry(kwargs=)", "queue": "retry(queue=)"}


def retry(
    task: Any, args: Any, kwargs: Any, exc: BaseException | None, throw: bool, eta: Any, countdown: float | None, max_retries: int | None,
    options: dict[str, Any],
) -> Exception:  # fmt: skip
    """Raise Retry for the running attempt; see Task.retry."""
    request = task.request
    for name, value in {"args": args, "kwargs": kwargs, **options}.items():
        if value is not None and not _is_same(request, name, value):
            raise unsupported(_REFUSED.get(name, "retry(options)"))
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
    when = messages.aware(task.conf, "eta", eta) if eta is not None else task.default_retry_delay if countdown is None else countdown
    asked = Retry(exc=exc, when=when, is_eager=request.is_eager)
    if throw:
        raise asked from exc
    request.postponed = asked
    return asked


def _is_same(request: Any, name: str, value: Any) -> bool:
    """True if the option repeats the running call, as `self.retry(args=self.request.args)` does."""
    if name == "args":
        return list(value) == list(request.args or ())
    return name == "kwargs" and dict(value) == dict(request.kwargs or {})


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
