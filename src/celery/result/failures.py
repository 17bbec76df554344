"""Failures: exceptions rebuilt from the error text and traceback of a job."""

from __future__ import annotations

import ast
import asyncio
import builtins
import importlib
import re
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import selectinload

from ...jobs.core.models import Job
from ...jobs.core.states import State
from ...jobs.core.workflow_models import StoredEdge, StoredStep
from ...jobs.workflows.replacing import REPLACED
from ...sql.database import read
from .. import exceptions


class SoftTimeLimitExceeded(exceptions.TaskError, exceptions.SoftTimeLimitExceeded):
    """The soft time limit as the task's caller gets it: an Exception, as in Celery."""


#: names of exceptions here -> Celery's
_RENAMED: dict[str, type[BaseException]] = {
    "TimeLimitExceeded": SoftTimeLimitExceeded,
    "HardTimeLimitExceeded": exceptions.TimeLimitExceeded,
    "Retry": exceptions.Retry,
}
#: exceptions that end the process, task or generator which does not catch them
_ENDING = (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)
#: reason of a step that was cancelled because another one failed
_CAUSED = "cancelled: step "
_FAILED = (State.DEAD, State.CANCELLED, State.EXPIRED)


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
    """Return the exception of an error line, `Type: message`.

    A stand-in of the same name if its class cannot be imported; its text has that name if the class takes other arguments.
    Also a stand-in if the class is not an Exception: the end of a task must not end the process of its caller.
    """
    kind, _, text = error.partition(": ")
    if not kind.isidentifier():
        return exceptions.TaskError(error)
    found = _class(kind, traceback or "")
    if found is not None:
        try:
            return _made(found if issubclass(found, Exception) else _catchable(found), text)
        except Exception:  # noqa: BLE001 - the constructor of a foreign class may take anything, and raise anything
            text = f"{kind}({text})"
    stand_in = _stand_in(kind)
    return stand_in(text) if text else stand_in()


def of(job: Job) -> BaseException:
    """Return the exception of a job that has failed, is to be retried, was cancelled or has expired."""
    if job.state in (State.DEAD, State.RETRYING):
        return rebuilt(job.error or str(job.reason), traceback_of(job))
    if (culprit := cause_of(job)) is not None:
        return exceptions.ChordError(f"Dependency {culprit.id} raised {of(culprit)!r}")
    return exceptions.TaskRevokedError("expired" if job.state is State.EXPIRED else job.reason or "revoked")


def traceback_of(job: Job) -> str | None:
    """Return the traceback of the last attempt that has one."""
    return next((each.traceback for each in reversed(job.attempts) if each.traceback), None)


def is_behind_failure(job: Job) -> bool:
    """True if the job is a step that was cancelled because an earlier one failed."""
    return job.state is State.CANCELLED and str(job.reason).startswith(_CAUSED)


def cause_of(job: Job) -> Job | None:
    """Return the step whose failure has cancelled this one; None for a job that failed itself."""
    if not is_behind_failure(job):
        return None
    before = select(Job).join(StoredEdge, StoredEdge.before_seq == Job.seq)
    with read() as session:
        found: Job | None = job
        while found is not None and is_behind_failure(found):
            failed = before.where(StoredEdge.after_seq == found.seq, Job.state.in_(_FAILED)).order_by(Job.seq).limit(1)
            found = session.execute(failed.options(selectinload(Job.attempts))).scalar()
        if found is not None:
            session.expunge(found)
    return found


def has_failed_between(first: str, last: str) -> bool:
    """True if a step between these two of one workflow has failed itself, or was replaced by others, which may have."""
    with read() as session:
        ends = session.execute(select(Job.seq, Job.workflow_seq).where(Job.id.in_([first, last]))).all()
        if not ends:
            return True  # retention has deleted them
        within = (Job.workflow_seq == ends[0].workflow_seq, Job.seq.between(min(each.seq for each in ends), max(each.seq for each in ends)))
        failed = select(Job.seq).where(*within, Job.state.in_(_FAILED), or_(Job.reason.is_(None), ~Job.reason.startswith(_CAUSED)))
        replaced = select(Job.seq).join(StoredStep, StoredStep.job_seq == Job.seq).where(*within, StoredStep.name.contains(REPLACED))
        return session.execute(failed.union(replaced).limit(1)).first() is not None


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


def _stand_in(kind: str, *others: type[BaseException]) -> type[BaseException]:
    return type(kind, (exceptions.TaskError, *others), {"__module__": __name__, "__doc__": "Stand-in for an exception of a task."})


def _catchable(kind: type[BaseException]) -> type[BaseException]:
    """Return a stand-in that `except Exception` catches; also `except` with its own class, unless that asks the process to end."""
    return _stand_in(kind.__name__, *([] if issubclass(kind, _ENDING) else [kind]))


def _made(kind: type[BaseException], text: str) -> BaseException:
    if issubclass(kind, exceptions.Retry):
        return kind(text)
    if issubclass(kind, KeyError):
        try:
            return kind(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            return kind(text)
    if text.startswith("(") and (several := _several(text)) is not None and str(kind(*several)) == text:
        return kind(*several)
    return kind(text) if text else kind()


def _several(text: str) -> tuple[Any, ...] | None:
    """Return the arguments of an exception with more than one, whose text is their tuple."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return found if isinstance(found, tuple) else None
