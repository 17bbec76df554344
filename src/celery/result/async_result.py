"""AsyncResult: a job by its id."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from types import GenericAlias, SimpleNamespace
from typing import Any, NoReturn

from ...broker.compat import results
from ...jobs.control import actions
from ...jobs.core.errors import NotAllowed, UnknownJob
from ...jobs.core.models import Job
from ...jobs.core.states import State
from ...jobs.read.queries import find_many
from ...logs import get_logger
from ...sql.database import read, write
from .. import states
from ..base import values
from ..base.differences import refused, unsupported
from ..core import request
from ..exceptions import TimeoutError
from . import failures, rows
from .descendants import Descendants

log = get_logger(__name__)

_REFUSED = refused("AsyncResult.")
_may_join: ContextVar[bool] = ContextVar("callboard_celery_may_join", default=False)


@contextmanager
def allow_join_result() -> Iterator[None]:
    """Allow waiting for results within a task for the block."""
    token = _may_join.set(True)
    try:
        yield
    finally:
        _may_join.reset(token)


def refuse_to_join(is_allowed: bool) -> None:
    """Raise RuntimeError if a running task waits for another one: both would occupy a thread, and all threads may wait."""
    running = request.current()
    if is_allowed or _may_join.get() or running is None or running.called_directly or running.is_eager:
        return
    raise RuntimeError(
        "A task waits for the result of another one, which can block every thread: use a chain or chord, or get(disable_sync_subtasks=False)."
    )


class AsyncResult(Descendants):
    """A job by its id: its state, its result, and the actions on it."""

    TimeoutError = TimeoutError

    def __init__(
        self, id: str, backend: Any = None, task_name: str | None = None, app: Any = None, parent: Any = None, *, ignored: bool = False
    ) -> None:
        if not id:
            raise ValueError(f"AsyncResult needs the id of a task, not {id!r}.")
        self.id = id
        self.app = app
        self.ignored = ignored
        self.parent = parent
        self._name = task_name

    @property
    def task_id(self) -> str:
        return self.id

    @property
    def state(self) -> str:
        """The job's state in Celery's names; while it runs, the one that the task has set, STARTED with track_started, or PENDING."""
        job = self._job()
        return states.PENDING if job is None else rows.state_of(job)

    status = state

    @property
    def result(self) -> Any:
        """The return value, or the exception, or the meta of a custom state."""
        job = self._job()
        return None if job is None else rows.info_of(job)

    info = result

    @property
    def traceback(self) -> str | None:
        job = self._job()
        return None if job is None or job.state is State.SUCCEEDED else failures.traceback_of(job)

    @property
    def name(self) -> str | None:
        job = self._job()
        return self._name if job is None else job.actor

    @property
    def args(self) -> Any:
        job = self._job()
        return None if job is None else values.decode(job.args)

    @property
    def kwargs(self) -> Any:
        job = self._job()
        return None if job is None else values.decode(job.kwargs)

    @property
    def worker(self) -> str | None:
        job = self._job()
        return job.attempts[-1].worker if job is not None and job.attempts else None

    @property
    def date_done(self) -> datetime | None:
        job = self._job()
        return None if job is None else job.finished_at

    @property
    def retries(self) -> int | None:
        job = self._job()
        return None if job is None else job.failures

    @property
    def queue(self) -> str | None:
        job = self._job()
        return None if job is None else job.queue

    def exists(self) -> bool:
        """Return whether there is a job of this id."""
        return self._job() is not None

    def ready(self) -> bool:
        """Return whether the job has ended."""
        return self.state in states.READY_STATES

    def successful(self) -> bool:
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        return self.state == states.FAILURE

    def get(
        self, timeout: float | None = None, propagate: bool = True, interval: float = 0.5, no_ack: bool = True, follow_parents: bool = True,
        callback: Callable[[str, Any], Any] | None = None, on_message: Any = None, on_interval: Any = None, disable_sync_subtasks: bool = True,
        **_: Any,
    ) -> Any:  # fmt: skip
        """Wait for the end and return the result; raises the task's exception, or returns it without `propagate`.

        `interval` and `no_ack` are accepted and have no effect. Raises TimeoutError.
        """
        if on_message is not None:
            raise unsupported("AsyncResult.get(on_message=)")
        if on_interval is not None:
            raise unsupported("AsyncResult.get(on_interval=)")
        if self.ignored:
            return None
        refuse_to_join(not disable_sync_subtasks)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            value = results.get(SimpleNamespace(message_id=self.id), timeout, kind=Any)
            if (replacement := rows.replacement_of(value)) is not None:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                return AsyncResult(replacement).get(left, propagate, callback=callback, disable_sync_subtasks=disable_sync_subtasks)
            value = None if rows.is_ignored(self._job()) else values.decode(value)
        except results.JobFailure:
            value = self.result
            if propagate and isinstance(value, BaseException):
                raise self._cause() or value from None
        except builtins.TimeoutError as error:
            raise TimeoutError(f"The operation timed out: {error}") from None
        if callback is not None:
            callback(self.id, value)
        return value

    def wait(self, *args: Any, **how: Any) -> Any:
        return self.get(*args, **how)

    def maybe_throw(self, propagate: bool = True, callback: Any = None) -> Any:
        """Return the result now; raises the exception of a failed job."""
        value = self.result
        if propagate and self.state in states.PROPAGATE_STATES and isinstance(value, BaseException):
            raise self._cause() or value
        return value

    maybe_reraise = maybe_throw

    def revoke(
        self, connection: Any = None, terminate: bool = False, signal: str | None = None, wait: bool = False, timeout: float | None = None
    ) -> None:
        """Cancel the job while it waits, and with `terminate` also while it runs. `wait` and `timeout` have no effect."""
        if signal not in (None, "TERM", "SIGTERM"):
            raise unsupported("revoke(signal=)")
        job = self._job()
        if job is None:
            log.warning("revoke_without_job", job_id=self.id, cure="revoke a task after it is sent: no worker remembers its id")
            return
        if job.state is State.RUNNING and not terminate:
            return
        with write() as session:
            try:
                actions.cancel(session, job.id)
            except (NotAllowed, UnknownJob):
                return  # it has ended, or does not exist: as in Celery

    def forget(self) -> None:
        """Do nothing: retention deletes the row."""
        self.parent = None

    def as_tuple(self) -> Any:
        return (self.id, self.parent and self.parent.as_tuple()), None

    def as_list(self) -> list[str]:
        return [self.id, *(self.parent.as_list() if self.parent is not None else [])]

    def _job(self) -> Job | None:
        with read() as session:
            found = find_many(session, [self.id])
            while found and (replacement := rows.replacement_of(found[0].result)) is not None:
                found = find_many(session, [replacement])
            return found[0] if found else None

    def _cause(self) -> BaseException | None:
        """Return the error of the task before this one that failed, which is why this one did not run."""
        job = self._job()
        cause = None if job is None else failures.cause_of(job)
        return None if cause is None else failures.of(cause)

    def __getattr__(self, name: str) -> NoReturn:
        if name in _REFUSED:
            raise unsupported(f"AsyncResult.{name}")
        raise AttributeError(name)

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, AsyncResult) and other.id == self.id) or other == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __reduce__(self) -> Any:
        return type(self), (self.id, None, self._name, None, self.parent)

    __class_getitem__: Any = classmethod(GenericAlias)
