"""Task results: the row of a job as Django's TaskResult."""

from __future__ import annotations

import builtins
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from ..broker.compat import results
from ..jobs.core.models import Attempt, Job, Worker
from ..jobs.core.states import Outcome, State
from ..jobs.read import attempts
from .frameworks import Task, TaskError, TaskResult, TaskResultStatus

#: outcomes of attempts that are errors
_ERRORS = frozenset({Outcome.FAILED, Outcome.LOST})
#: the line of a traceback that names the exception's class
_RAISED = re.compile(r"^([\w.]+)(?::|$)", re.MULTILINE)


def result_of(session: Session, job: Job, task: Task, backend: str) -> TaskResult:
    """Build the result of a job, as its row is now."""
    ended: Sequence[Attempt] = attempts.of(session, job)[::-1]
    running = session.get(Worker, job.worker_id) if job.state is State.RUNNING and job.worker_id is not None else None
    found = TaskResult(
        task=task,
        id=job.id,
        status=status_of(job.state),
        enqueued_at=job.created_at,
        started_at=ended[0].started_at if ended else job.started_at,
        finished_at=job.finished_at,
        last_attempted_at=job.started_at,
        args=list(job.args),
        kwargs=job.kwargs,
        backend=backend,
        errors=[_error(attempt) for attempt in ended if attempt.outcome in _ERRORS],
        worker_ids=[attempt.worker for attempt in ended] + ([running.name] if running else []),
    )
    if job.state is State.SUCCEEDED:
        set_value(found, _return_value=results.get(job.id, 0, kind=Any))
    return found


def set_value(result: TaskResult, **values: Any) -> None:
    """Set attributes of a result, which is frozen."""
    for name, value in values.items():
        object.__setattr__(result, name, value)


def status_of(state: State) -> TaskResultStatus:
    """Return Django's status; a job that waits for its next attempt is ready."""
    if not state.is_final:
        return TaskResultStatus.RUNNING if state is State.RUNNING else TaskResultStatus.READY
    return TaskResultStatus.SUCCESSFUL if state is State.SUCCEEDED else TaskResultStatus.FAILED


def _error(attempt: Attempt) -> TaskError:
    kind = (attempt.error or "").partition(":")[0]
    traceback = attempt.traceback or attempt.error or ""
    named = [name for name in _RAISED.findall(traceback) if name.rpartition(".")[2] == kind and "." in name]
    path = named[-1] if named else f"builtins.{kind}" if hasattr(builtins, kind) else "builtins.RuntimeError"
    return TaskError(exception_class_path=path, traceback=traceback)
