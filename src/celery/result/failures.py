"""Failures: exceptions rebuilt from the error text and traceback of a job."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from typing import Any

from .. import exceptions

#: names of exceptions here -> Celery's
_RENAMED: dict[str, type[BaseException]] = {
    "TimeLimitExceeded": exceptions.SoftTimeLimitExceeded,
    "HardTimeLimitExceeded": exceptions.TimeLimitExceeded,
    "Retry": exceptions.Retry,
}
_CAUSED = "cancelled: "


class ExceptionInfo:
    """An exception with its traceback as text, as hooks and error callbacks receive it."""

    def __init__(self, exception: BaseException, traceback: str) -> None:
        self.exception, self.traceback = exception, traceback
        self.type = type(exception)

    def __str__(self) -> str:
        return self.traceback

    def __repr__(self) -> str:
        return f"<ExceptionInfo: {self.exception!r}>"


def rebuilt(error: str, traceback: str | None) -> BaseException:
    """Return the exception of an error line, `Type: message`; a stand-in of the same name if its class cannot be imported."""
    kind, _, text = error.partition(": ")
    if not kind.isidentifier():
        return exceptions.TaskError(error)
    found = _class(kind, traceback or "")
    if found is not None:
        try:
            return _made(found, text)
        except Exception:  # noqa: BLE001 - the constructor of a foreign class may take anything, and raise anything
            pass
    stand_in: type[Exception] = type(
        kind, (exceptions.TaskError,), {"__module__": __name__, "__doc__": "Stand-in for an exception of a task."}
    )
    return stand_in(text) if text else stand_in()


def of_cancelled(reason: str | None, is_expired: bool) -> BaseException:
    """Return the exception of a job that was cancelled or has expired."""
    if is_behind_failure(reason):
        return exceptions.ChordError(f"Dependency failed: {(reason or '').removeprefix(_CAUSED)}")
    return exceptions.TaskRevokedError("expired" if is_expired else reason or "revoked")


def is_behind_failure(reason: str | None) -> bool:
    """True if the job is a step that was cancelled because an earlier one failed."""
    return bool(reason) and str(reason).startswith(f"{_CAUSED}step ")


def _class(kind: str, traceback: str) -> type[BaseException] | None:
    if kind in _RENAMED:
        return _RENAMED[kind]
    named = re.findall(rf"^((?:[A-Za-z_]\w*\.)+){kind}(?::|$)", traceback, re.MULTILINE)
    found: Any = None
    if named:
        module, _, outer = named[-1].rstrip(".").partition(".<locals>")
        try:
            found = None if outer else getattr(importlib.import_module(module), kind, None)
        except Exception:  # noqa: BLE001 - a module of the worker may be absent here, or fail to import
            found = None
    else:
        found = getattr(builtins, kind, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _made(kind: type[BaseException], text: str) -> BaseException:
    if issubclass(kind, exceptions.Retry):
        return kind(text)
    if issubclass(kind, KeyError):
        try:
            return kind(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            return kind(text)
    return kind(text) if text else kind()
