"""Check of the options of retries at a task's declaration: a wrong one would replace the error of each failing run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..base.differences import unknown
from ..base.seconds import seconds
from ..core import messages
from . import retrying

_ARGUMENTS = ("args", "kwargs", "throw", "eta", "countdown", "max_retries", *retrying.CHANGEABLE)


def check(task: Any) -> None:
    """Raise TypeError, ValueError or Unsupported, naming the option and the cure."""
    for name in ("autoretry_for", "dont_autoretry_for"):
        _check_classes(f"{task.name}.{name}", getattr(task, name))
    _check_limit(f"{task.name}.max_retries", task.max_retries)
    if task.default_retry_delay is not None:
        seconds(f"{task.name}.default_retry_delay", task.default_retry_delay)
    if not _is_number(task.retry_backoff or 0) or task.retry_backoff == math.inf:
        raise TypeError(f"{task.name}.retry_backoff must be True, False or a number of seconds, not {task.retry_backoff!r:.60}")
    if not _is_number(task.retry_backoff_max):
        raise TypeError(f"{task.name}.retry_backoff_max must be a number of seconds, not {task.retry_backoff_max!r:.60}")
    _check_arguments(f"{task.name}.retry_kwargs", task.retry_kwargs or {})


def _check_classes(name: str, given: Any) -> None:
    if isinstance(given, type):
        raise TypeError(f"{name} must be a tuple of exception classes, not {given!r:.60}: write ({given.__name__},)")
    if given and not (isinstance(given, tuple | list | set | frozenset) and all(map(_is_class, given))):
        raise TypeError(f"{name} must be a tuple of exception classes, not {given!r:.60}")


def _is_class(given: Any) -> bool:
    """True for a class, or a tuple of classes, as isinstance() takes it."""
    return all(map(_is_class, given)) if isinstance(given, tuple) else isinstance(given, type)


def _check_limit(name: str, given: Any) -> None:
    if given is not None and (isinstance(given, bool) or not _is_number(given)):
        raise TypeError(f"{name} must be a whole number or None, not {given!r:.60}")


def _check_arguments(name: str, given: Any) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a mapping, not {given!r:.60}")
    for each, value in given.items():
        if each not in _ARGUMENTS and value is not None:
            retrying.check_options({each: value} if each in messages.OPTIONS else {})
            raise unknown("an argument of retry()", each, _ARGUMENTS)
    _check_limit(f"{name}['max_retries']", given.get("max_retries"))
    if given.get("countdown") is not None:
        seconds(f"{name}['countdown']", given["countdown"])
    messages.checked_priority(given.get("priority"))


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and given == given
